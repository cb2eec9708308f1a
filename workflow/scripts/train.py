"""Train an experiment, continue its training, or publish a finished run of the same hash."""

from pathlib import Path

from gde.cli.script import job

with job(snakemake) as s:  # noqa: F821
    from gde.cli.train_run import train_run
    from gde.cluster.launch import launch

    accelerator, gpus, nodes = (s.config.get(key, d) for key, d in (("accelerator", "auto"), ("gpus", 1), ("nodes", 1)))
    arguments = s.params.settings, Path(s.input[0]), Path("results/runs"), Path(s.output[0])
    if int(gpus) == 1:
        train_run(*arguments, accelerator=accelerator)
    else:
        bind = s.resources.get("gpu", 0) > 0
        launch(*arguments, accelerator=accelerator, gpus=int(gpus), nodes=int(nodes), bind=bind)
