"""Compute the source tables of the map of all groups from their embeddings."""

from pathlib import Path

from gde.cli.script import job

with job(snakemake) as s:  # noqa: F821
    from gde.tl.map_tables import write_map_tables

    write_map_tables(Path(s.input[0]), Path(s.output[0]), unit=s.params.unit)
