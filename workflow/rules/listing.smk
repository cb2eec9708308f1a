# Files whose names change every year: found in a listing, loaded beside the output, which only names them. As for
# `fetch`, no `code`: only the output's absence may look at the listing again.
rule fetch_listed:
    output:
        "resources/pubmed/baseline_{many}.json",
    log:
        "results/logs/fetch/pubmed/baseline_{many}.log",
    benchmark:
        "results/benchmarks/fetch/pubmed/baseline_{many}.tsv"
    wildcard_constraints:
        many="[1-9][0-9]*|all",
    retries: 0
    localrule: True
    conda:
        "../../envs/gde.yaml"
    threads: 1
    resources:
        downloads=1,
        mem_mb=500,
    message:
        "pubmed: downloading {wildcards.many} files of the baseline"
    script:
        "../scripts/fetch_listed.py"
