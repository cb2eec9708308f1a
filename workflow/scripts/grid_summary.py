"""Collect the metrics of a grid's cells, and their controls, in one table."""

from pathlib import Path

from gde.script import job

with job(snakemake) as s:  # noqa: F821
    from gde.grid import summarise

    metrics, models = (list(map(Path, files)) for files in (s.input.metrics, s.input.models))
    summarise(s.params.cells, metrics, models, Path(s.output[0]), published=s.params.published)
