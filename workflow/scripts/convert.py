"""Take the tensors or vectors out of a published pickle, and nothing else."""

from pathlib import Path

from gde.cli.script import job

with job(snakemake) as s:  # noqa: F821
    from gde.fetch.conversion import convert
    from gde.fetch.lockfile import check_inputs
    from gde.fetch.sources import read_conversions

    check_inputs(s.input)
    source, member = read_conversions()[s.output[0]]
    convert(source, Path(s.output[0]), member=member)
