# No `code` and no settings: only the file's absence may load it again. `update`, since another environment would run the
# rule once more: the script then finds the file and checks it. `prepare` checks it, too, each time it is read.
rule fetch:
    output:
        update("resources/{source}"),
    log:
        "results/logs/fetch/{source}.log",
    benchmark:
        "results/benchmarks/fetch/{source}.tsv"
    wildcard_constraints:
        source=any_of(f"{s.dataset}/{s.file}" for s in SOURCES.values() if s.access != "bundled"),
    retries: 0
    localrule: True
    conda:
        "../../envs/gde.yaml"
    threads: 1
    resources:
        downloads=1,
        mem_mb=500,
    message:
        "{wildcards.source}: downloading"
    script:
        "../scripts/fetch.py"
