"""Compute the metrics of a trained experiment and the source tables of its figures."""

from pathlib import Path

from gde.cli.script import job

with job(snakemake) as s:  # noqa: F821
    from gde.cluster.device import pick_device
    from gde.evaluate import run
    from gde.runs.publishing import keep_metrics

    device = pick_device(s.config.get("accelerator", "auto"))
    run(s.input.model, s.input.sets, s.params.settings, s.output.metrics, s.output.tables, device=device)
    keep_metrics(Path(s.output.metrics), Path("results/runs"))
