"""Write the model card."""

from pathlib import Path

from gde.cli.script import job

with job(snakemake) as s:  # noqa: F821
    from gde.runs.card import write_card

    write_card(Path(s.input.model), Path(s.input.metrics), Path(s.output[0]), description=s.params.description)
