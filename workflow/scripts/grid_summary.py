"""Collect the metrics of a grid's cells, and their controls, in one table."""

from pathlib import Path

from gde.cli.script import job

with job(snakemake) as s:  # noqa: F821
    from gde.runs.grid import summarise, write_provenance

    metrics, models = (list(map(Path, files)) for files in (s.input.metrics, s.input.models))
    published = {"published": s.params.published}
    summarise(s.params.cells, metrics, models, Path(s.output.summary), **published)
    write_provenance(s.params.cells, metrics, Path(s.output.provenance), **published)
