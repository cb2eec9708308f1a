"""Write the data card and the model card as one page."""

from pathlib import Path

from gde.cli.script import job

with job(snakemake) as s:  # noqa: F821
    from gde.runs.data_card import write_page

    inputs = (Path(s.input.model), Path(s.input.metrics), Path(s.input.sets))
    write_page(s.wildcards.experiment, *inputs, Path(s.output[0]), s.params.description)
