"""Train an experiment, continue its training, or publish a finished run of the same hash."""

from pathlib import Path

from gde.script import job

with job(snakemake) as s:  # noqa: F821
    from gde.runs import train_run

    accelerator = s.config.get("accelerator", "auto")
    train_run(s.params.settings, Path(s.input[0]), Path("results/runs"), Path(s.output[0]), accelerator=accelerator)
