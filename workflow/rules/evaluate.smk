rule evaluate:
    input:
        model=rules.train.output[0],
        sets=sets_of,
        weights=published,
        files=evaluated_with,
    output:
        metrics="results/{experiment}/metrics.json",
        tables=directory("results/{experiment}/tables"),
    log:
        "results/logs/evaluate/{experiment}.log",
    benchmark:
        "results/benchmarks/evaluate/{experiment}.tsv"
    wildcard_constraints:
        experiment=any_of(NAMES),
    conda:
        "../../envs/gde.yaml"
    threads: torch_threads
    resources:
        gpu=GPU,
        mem_mb=memory("evaluate", 2000),
        runtime=lambda wildcards, attempt: 60 * attempt,
    params:
        torch_threads=torch_threads,
        settings=evaluation_slice,
        code=code_of("evaluate", digest.evaluation_roots),
    message:
        "{wildcards.experiment}: computing the metrics"
    script:
        "../scripts/evaluate.py"


rule card:
    input:
        model=rules.train.output[0],
        metrics=rules.evaluate.output.metrics,
    output:
        "results/{experiment}/MODEL_CARD.md",
    log:
        "results/logs/card/{experiment}.log",
    benchmark:
        "results/benchmarks/card/{experiment}.tsv"
    conda:
        "../../envs/gde.yaml"
    threads: 1
    resources:
        mem_mb=memory("card", 1000),
        runtime=lambda wildcards, attempt: 10 * attempt,
    params:
        description=lambda wildcards: EXPERIMENTS[wildcards.experiment]["description"],
        code=code_of("card", digest.card_roots),
    message:
        "{wildcards.experiment}: writing the model card"
    script:
        "../scripts/card.py"
