"""Take the tensors or vectors out of a published pickle, and nothing else."""

from pathlib import Path

from gde.script import job

with job(snakemake) as s:  # noqa: F821
    from gde.convert_weights import convert
    from gde.pins import check_inputs
    from gde.sources import read_conversions

    check_inputs(s.input)
    source, member = read_conversions()[s.output[0]]
    convert(source, Path(s.output[0]), member=member)
