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
        # Groups that are held out together, such as those of a donor, are no independent units of a test.
        unit=lambda wildcards: EXPERIMENTS[wildcards.experiment]["dataset"].get("split", {}).get("by"),
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
            labels=page_of,
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


# The data card and the model card, to be read in the report.
rule page:
    input:
        model=rules.train.output[0],
        metrics=rules.evaluate.output.metrics,
        sets=sets_of,
    output:
        report(
            "results/{experiment}/card.html",
            caption="../report/card.rst",
            category="{experiment}",
            labels=page_of,
        ),
    log:
        "results/logs/page/{experiment}.log",
    benchmark:
        "results/benchmarks/page/{experiment}.tsv"
    conda:
        "../../envs/gde.yaml"
    threads: 1
    resources:
        mem_mb=memory("page", 1000),
        runtime=lambda wildcards, attempt: 10 * attempt,
    params:
        description=lambda wildcards: EXPERIMENTS[wildcards.experiment]["description"],
        code=code_of("page", digest.page_roots),
    message:
        "{wildcards.experiment}: writing the page of data and model"
    script:
        "../scripts/page.py"


# What the report opens on: all experiments that `all` makes.
rule overview:
    input:
        metrics=[f"results/{name}/metrics.json" for name in SHOWN],
        figures=[f"results/{name}/figures/{first_figure(name)}.png" for name in SHOWN],
    output:
        report(
            "results/overview.html",
            caption="../report/overview.rst",
            category="All experiments",
            labels={"page": "Key numbers"},
        ),
    log:
        "results/logs/overview.log",
    benchmark:
        "results/benchmarks/overview.tsv"
    conda:
        "../../envs/gde.yaml"
    threads: 1
    resources:
        mem_mb=memory("overview", 1000),
        runtime=lambda wildcards, attempt: 10 * attempt,
    params:
        about={name: overview_of(name) for name in SHOWN},
        code=f"{script_digest(SCRIPTS / 'overview.py')[:16]}-{code_digest(digest.OVERVIEW)[:16]}",
    message:
        "writing the overview of all experiments"
    script:
        "../scripts/overview.py"
