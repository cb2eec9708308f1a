"""The files that a listing named when they were fetched, with their published digests."""

from pathlib import Path
from typing import Any

from gde.errors import bad
from gde.files.io import read_json


def read_listed(path: Path) -> dict[str, Any]:
    """What `gde.fetch.listing.fetch_listed` wrote. GdeError for something else."""
    found = read_json(path)
    files = found.get("files") if isinstance(found, dict) else None
    if not (isinstance(files, dict) and files and all(isinstance(f, dict) and "md5" in f for f in files.values())):
        raise bad(path, "something else", "names and digests of fetched files", f"delete it and run `snakemake {path}`")
    return found
