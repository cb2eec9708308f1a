"""Write the set store of an experiment."""

from pathlib import Path

from gde.script import job

with job(snakemake) as s:  # noqa: F821
    from gde.nets.registry import resolve_kind
    from gde.prepare import REGISTRY

    settings = s.params.settings
    prepare = resolve_kind(REGISTRY, settings["dataset"]["kind"])
    prepare(settings["dataset"], Path(s.output[0]), name=settings["name"], seed=settings["seed"])
