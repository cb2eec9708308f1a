"""Embed every group of an experiment's set store."""

from pathlib import Path

from gde.cli.script import job

with job(snakemake) as s:  # noqa: F821
    from gde.cluster.device import pick_device
    from gde.embed import embed_to_h5ad

    device = pick_device(s.config.get("accelerator", "auto"))
    embed_to_h5ad(Path(s.input.model), Path(s.input.sets), Path(s.output[0]), device=device)
