rule map:
    input:
        rules.embed.output[0],
    output:
        directory("results/{experiment}/map"),
    log:
        "results/logs/map/{experiment}.log",
    benchmark:
        "results/benchmarks/map/{experiment}.tsv"
    wildcard_constraints:
        experiment=any_of(NAMES),
    conda:
        "../../envs/gde.yaml"
    threads: 1
    resources:
        mem_mb=memory("map", 1000),
        runtime=lambda wildcards, attempt: 10 * attempt,
    params:
        code=code_of("map", digest.map_roots),
    message:
        "{wildcards.experiment}: mapping all groups"
    script:
        "../scripts/map.py"


rule figure:
    input:
        metrics=rules.evaluate.output.metrics,
        tables=tables_behind,
    output:
        svg=report(
            "results/{experiment}/figures/{figure}.svg",
            caption="../report/figure.rst",
            category="{experiment}",
            labels={"figure": "{figure}"},
        ),
        png="results/{experiment}/figures/{figure}.png",
    log:
        "results/logs/figure/{experiment}/{figure}.log",
    benchmark:
        "results/benchmarks/figure/{experiment}/{figure}.tsv"
    conda:
        "../../envs/gde.yaml"
    threads: 1
    resources:
        mem_mb=memory("figure", 1000),
        runtime=lambda wildcards, attempt: 10 * attempt,
    params:
        code=code_of("figure", digest.figure_roots, "figure"),
    message:
        "{wildcards.experiment}: drawing {wildcards.figure}"
    script:
        "../scripts/figure.py"
