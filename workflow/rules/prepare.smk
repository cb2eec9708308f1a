rule prepare:
    input:
        raw_files,
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
        mem_mb=memory("prepare", 2000),
        runtime=lambda wildcards, attempt: 60 * attempt,
    params:
        torch_threads=2,
        settings=slice_of("name", "seed", "dataset"),
        code=code_of("prepare", digest.prepare_roots),
    message:
        "{wildcards.store}: writing the set store"
    script:
        "../scripts/prepare.py"
