"""Write the set store of an experiment."""

from pathlib import Path

from gde.cli.script import job

with job(snakemake) as s:  # noqa: F821
    from gde.fetch.lockfile import check_inputs
    from gde.prepare import prepare_store

    check_inputs(s.input)
    prepare_store(s.params.settings, Path(s.output[0]))
