"""Write the page that shows all experiments with their key numbers."""

from pathlib import Path

from gde.cli.script import job

with job(snakemake) as s:  # noqa: F821
    from gde.figures.overview import write_overview

    names = list(s.params.about)
    metrics, figures = (dict(zip(names, map(Path, files), strict=True)) for files in (s.input.metrics, s.input.figures))
    write_overview(metrics, figures, s.params.about, Path(s.output[0]))
