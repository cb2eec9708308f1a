"""Generate samples of every held-out group from its embedding."""

from pathlib import Path

from gde.cli.script import job

with job(snakemake) as s:  # noqa: F821
    from gde.cluster.device import pick_device
    from gde.sample import sample_test_sets

    device = pick_device(s.config.get("accelerator", "auto"))
    sample_test_sets(Path(s.input.model), Path(s.input.embeddings), Path(s.output[0]), device=device)
