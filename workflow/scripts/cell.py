"""Train one cell of a grid, or publish its finished run, and compute its metrics: one job, since cells are many."""

from pathlib import Path

from gde.cli.script import job

with job(snakemake) as s:  # noqa: F821
    from gde.cli.train_run import train_run
    from gde.cluster.device import pick_device
    from gde.config import training_slice
    from gde.evaluate import run
    from gde.runs.publishing import keep_metrics

    accelerator, runs, settings = s.config.get("accelerator", "auto"), Path("results/runs"), s.params.settings
    train_run(training_slice(settings), Path(s.input[0]), runs, Path(s.output.model), accelerator=accelerator)
    device = pick_device(accelerator, tell=True)
    run(s.output.model, s.input[0], settings, s.output.metrics, s.output.tables, device=device)
    keep_metrics(Path(s.output.metrics), runs)
