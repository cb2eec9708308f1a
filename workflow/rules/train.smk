rule train:
    input:
        sets_to_share,
        weights=published,
    output:
        directory("results/{experiment}/model"),
    log:
        "results/logs/train/{experiment}.log",
    benchmark:
        "results/benchmarks/train/{experiment}.tsv"
    wildcard_constraints:
        experiment=any_of(NAMES),
    conda:
        "../../envs/gde.yaml"
    threads: lambda wildcards: EXPERIMENTS[wildcards.experiment]["training"]["torch_threads"] * IN_TASK
    resources:
        **SPREAD,
        gpu=GPU * GPUS,
        mem_mb=memory("train", 2000 * ON_NODE),
        runtime=240,  # the next attempt goes on where this one stopped
    params:
        # Not the accelerator: where a run was made does not make it another run.
        settings=lambda wildcards: training_slice(EXPERIMENTS[wildcards.experiment]),
        code=code_of("train", digest.training_roots),
    message:
        "{wildcards.experiment}: training"
    script:
        "../scripts/train.py"


rule embed:
    input:
        model=rules.train.output[0],
        sets=sets_of,
        weights=published,
    output:
        "results/{experiment}/embeddings.h5ad",
    log:
        "results/logs/embed/{experiment}.log",
    benchmark:
        "results/benchmarks/embed/{experiment}.tsv"
    conda:
        "../../envs/gde.yaml"
    threads: torch_threads
    resources:
        gpu=GPU,
        mem_mb=memory("embed", 2000),
        runtime=lambda wildcards, attempt: 60 * attempt,
    params:
        torch_threads=torch_threads,
        code=code_of("embed", digest.model_roots),
    message:
        "{wildcards.experiment}: embedding every group"
    script:
        "../scripts/embed.py"


rule sample:
    input:
        model=rules.train.output[0],
        embeddings=rules.embed.output[0],
        weights=published,
    output:
        "results/{experiment}/samples{suffix}",
    log:
        "results/logs/sample/{experiment}{suffix}.log",
    benchmark:
        "results/benchmarks/sample/{experiment}{suffix}.tsv"
    wildcard_constraints:
        experiment=any_before(SAMPLES),
        suffix=r"\.[a-z0-9.]+",
    conda:
        "../../envs/gde.yaml"
    threads: torch_threads
    resources:
        gpu=GPU,
        mem_mb=memory("sample", 2000),
        runtime=lambda wildcards, attempt: 60 * attempt,
    params:
        torch_threads=torch_threads,
        code=code_of("sample", digest.sample_roots),
    message:
        "{wildcards.experiment}: generating samples of the held-out groups"
    script:
        "../scripts/sample.py"


# Of perturbations: what a program that judges predictions compares.
rule predict:
    input:
        model=rules.train.output[0],
        sets=sets_of,
        weights=published,
    output:
        predictions="results/{experiment}/predictions.h5ad",
        observed="results/{experiment}/observed.h5ad",
    log:
        "results/logs/predict/{experiment}.log",
    benchmark:
        "results/benchmarks/predict/{experiment}.tsv"
    wildcard_constraints:
        experiment=any_of(name for name in NAMES if predicts(name)),
    conda:
        "../../envs/gde.yaml"
    threads: torch_threads
    resources:
        gpu=GPU,
        mem_mb=memory("predict", 4000),
        runtime=lambda wildcards, attempt: 60 * attempt,
    params:
        torch_threads=torch_threads,
        code=code_of("predict", digest.predict_roots),
    message:
        "{wildcards.experiment}: predicting the held-out perturbations"
    script:
        "../scripts/predict.py"
