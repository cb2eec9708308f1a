# Of a fetched file that holds a pickle: its tensors or vectors, and nothing else. As for `fetch`, no `code`: only the
# file's absence may make it again.
rule convert:
    input:
        lambda wildcards: str(CONVERSIONS[f"resources/{wildcards.converted}"][0]),
    output:
        "resources/{converted}",
    log:
        "results/logs/convert/{converted}.log",
    benchmark:
        "results/benchmarks/convert/{converted}.tsv"
    wildcard_constraints:
        converted=any_of(path.removeprefix("resources/") for path in CONVERSIONS),
    localrule: True
    conda:
        "../../envs/gde.yaml"
    threads: 1
    resources:
        mem_mb=8000,
    message:
        "{wildcards.converted}: taking the numbers out of a pickle"
    script:
        "../scripts/convert.py"
