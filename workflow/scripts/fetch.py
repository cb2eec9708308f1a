"""Download a file of resources/sources.yaml, or continue its download."""

from gde.cli.script import job

with job(snakemake) as s:  # noqa: F821
    from gde.fetch.files import fetch
    from gde.fetch.sources import read_sources

    fetch(read_sources()[s.output[0]], mirror=s.config.get("mirror"))
