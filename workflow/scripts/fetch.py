"""Download a file of resources/sources.yaml, or continue its download."""

from gde.script import job

with job(snakemake) as s:  # noqa: F821
    from gde.fetch import fetch
    from gde.sources import read_sources

    fetch(read_sources()[s.output[0]], mirror=s.config.get("mirror"))
