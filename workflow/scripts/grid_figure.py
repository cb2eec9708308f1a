"""Draw one metric of a grid from its summary: a heat map, or a curve over a numeric axis."""

from pathlib import Path

from gde.cli.script import job

with job(snakemake) as s:  # noqa: F821
    from gde.figures.grid import draw_grid

    paths = (s.input[0], s.output.svg, s.output.png)
    draw_grid(s.wildcards.grid, s.wildcards.metric, *map(Path, paths))
