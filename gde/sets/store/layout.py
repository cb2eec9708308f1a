"""Layout of a store: what writer and reader of a set store must agree on."""

import hashlib
from pathlib import Path

from gde.files.io import SUMS

PROVENANCE = "provenance.json"  # where and when the store was made
FORMAT = 1  # of the directory; raised when an older reader could misread a newer store
SPLITS = ("train", "validation", "test")
OFFSETS = "offsets"  # field of a store of sequences: where in `x` each one starts, and the end of the last
WEIGHT = "weight"  # field: how many samples each one stands for


def store_digest(store: Path) -> str:
    """The identity of a store's content: SHA-256 of its SHA256SUMS but for the line of provenance.json."""
    lines = (store / SUMS).read_bytes().splitlines(keepends=True)
    return hashlib.sha256(
        b"".join(line for line in lines if not line.endswith(f"  {PROVENANCE}\n".encode()))
    ).hexdigest()
