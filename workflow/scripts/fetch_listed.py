"""Download files whose names are found in a listing, or go on with it, and write their names."""

from pathlib import Path

from gde.cli.script import job

with job(snakemake) as s:  # noqa: F821
    from gde.fetch.listing import fetch_listed
    from gde.fetch.sources import read_listing

    many, out = s.wildcards["many"], Path(s.output[0])
    wanted = None if many == "all" else int(many)
    fetch_listed(read_listing(out.parent.name), out, wanted, mirror=s.config.get("mirror"))
