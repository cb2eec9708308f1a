rule cell:
    input:
        sets_of,
        weights=published,
        files=evaluated_with,
    output:
        model=directory("results/{experiment}/model"),
        metrics="results/{experiment}/metrics.json",
        tables=directory("results/{experiment}/tables"),
    log:
        "results/logs/cell/{experiment}.log",
    benchmark:
        "results/benchmarks/cell/{experiment}.tsv"
    wildcard_constraints:
        experiment=any_of(CELLS),
    conda:
        "../../envs/gde.yaml"
    threads: torch_threads
    resources:
        gpu=GPU,
        mem_mb=memory("cell", 2000),
        runtime=300,  # the next attempt goes on where this one stopped
    params:
        torch_threads=torch_threads,
        settings=evaluation_slice,
        code=code_of("cell", lambda resolved: digest.training_roots(resolved) + digest.evaluation_roots(resolved)),
    message:
        "{wildcards.experiment}: training and computing the metrics"
    script:
        "../scripts/cell.py"


rule grid_summary:
    input:
        metrics=lambda wildcards: [f"results/{cell}/metrics.json" for cell in GRIDS[wildcards.grid].cells],
        models=lambda wildcards: [f"results/{cell}/model" for cell in GRIDS[wildcards.grid].cells],
    output:
        summary=report(
            "results/grid/{grid}/summary.tsv",
            caption="../report/grid.rst",
            category="Grids",
            labels={"grid": "{grid}", "shows": "every cell, control and metric"},
        ),
        provenance="results/grid/{grid}/provenance.json",
    log:
        "results/logs/grid_summary/{grid}.log",
    benchmark:
        "results/benchmarks/grid_summary/{grid}.tsv"
    conda:
        "../../envs/gde.yaml"
    threads: 1
    resources:
        mem_mb=memory("grid_summary", 1000),
        runtime=lambda wildcards, attempt: 10 * attempt,
    params:
        cells=lambda wildcards: [cell.labels for cell in GRIDS[wildcards.grid].cells.values()],
        published=lambda wildcards: GRIDS[wildcards.grid].published,
        code=code_of("grid_summary", lambda grid: digest.SUMMARY, "grid"),
    message:
        "grid {wildcards.grid}: collecting the cells"
    script:
        "../scripts/grid_summary.py"


rule grid_figure:
    input:
        rules.grid_summary.output.summary,
    output:
        svg=report(
            "results/grid/{grid}/figures/{metric}.svg",
            caption="../report/grid.rst",
            category="Grids",
            labels={"grid": "{grid}", "shows": "{metric}"},
        ),
        png="results/grid/{grid}/figures/{metric}.png",
    log:
        "results/logs/grid_figure/{grid}/{metric}.log",
    benchmark:
        "results/benchmarks/grid_figure/{grid}/{metric}.tsv"
    conda:
        "../../envs/gde.yaml"
    threads: 1
    resources:
        mem_mb=memory("grid_figure", 1000),
        runtime=lambda wildcards, attempt: 10 * attempt,
    params:
        code=code_of("grid_figure", lambda grid: digest.GRID_FIGURE, "grid"),
    message:
        "grid {wildcards.grid}: drawing {wildcards.metric}"
    script:
        "../scripts/grid_figure.py"
