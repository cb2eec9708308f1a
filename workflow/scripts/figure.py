"""Draw one figure from the source tables and the metrics."""

from pathlib import Path

from gde.cli.script import job

with job(snakemake) as s:  # noqa: F821
    from gde.figures import draw

    paths = (s.input.tables, s.input.metrics, s.output.svg, s.output.png)
    draw(s.wildcards.figure, *map(Path, paths))
