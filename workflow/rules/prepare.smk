rule prepare:
    input:
        user_files,
    output:
        directory("results/sets/{store}"),
    log:
        "results/logs/prepare/{store}.log",
    benchmark:
        "results/benchmarks/prepare/{store}.tsv"
    conda:
        "../../envs/gde.yaml"
    threads: 2
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, attempt: 60 * attempt,
    params:
        settings=slice_of("name", "seed", "dataset"),
        code=code_of("prepare", digest.prepare_modules),
    message:
        "{wildcards.store}: writing the set store"
    script:
        "../scripts/prepare.py"
