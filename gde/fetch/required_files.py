"""The files of resources/sources.yaml that an experiment reads, and which of them would be downloaded."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gde.config.inputs import listed_files
from gde.fetch.lockfile import read_pins
from gde.fetch.sources import files_of, read_listing, weights_of


def downloads(resolved: Mapping[str, Any], root: Path = Path()) -> list[dict[str, Any]]:
    """One row per file that a resolved experiment reads: file, bytes (None = unknown), licence (None = none is stated),
    access (open, user, bundled) and present. A file that is not present and `open` would be downloaded.
    """
    pins = read_pins(root)
    rows = []
    for source in files_of(resolved["dataset"], root) + weights_of(resolved, root):
        size = source.bytes or pins.get(str(source.path), {}).get("bytes")
        facts = {"licence": source.licence, "access": source.access, "present": (root / source.path).is_file()}
        rows.append({"file": str(source.path), "bytes": size, **facts})
    if (listing := listed_files(resolved["dataset"])) is not None:  # of several files, which nobody knows yet
        facts = {"licence": read_listing(listing.parent.name, root).licence, "access": "open"}
        rows.append({"file": str(listing), "bytes": None, **facts, "present": (root / listing).is_file()})
    return rows
