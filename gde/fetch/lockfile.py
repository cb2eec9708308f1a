"""resources/sources.lock.json: size and digest of every file that was fetched or put in place, for ever the same."""

import logging
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from gde.errors import GdeError, bad
from gde.fetch.sources import LOCKS, PINS, TABLE, Source, read_sources
from gde.files.checksums import Digests
from gde.files.io import read_json, storage_errors, write_json
from gde.files.lock import Held, Lock

log = logging.getLogger(__name__)
PATIENCE = 60.0  # seconds that another process may take to write the record


def read_pins(root: Path = Path()) -> dict[str, dict[str, Any]]:
    """What was recorded, by path: {'bytes', 'sha256', 'from'}. GdeError when the file is damaged."""
    if not (root / PINS).exists():
        return {}
    pins = read_json(root / PINS)
    shaped = isinstance(pins, dict) and all(isinstance(p, dict) and "sha256" in p for p in pins.values())
    if not shaped:
        raise bad(root / PINS, "something else", "file: {bytes, sha256, from}", "restore it, or delete it")
    return pins


def difference(source: Source, found: Digests, pins: dict[str, Any]) -> tuple[str, str, Path] | None:
    """What is wrong with a file: (found, expected, file that expects it), or None.

    The table's published values come first; where it has no digest, the recorded one binds.
    """
    if source.bytes is not None and found.bytes != source.bytes:
        return f"{found.bytes} bytes", f"{source.bytes} bytes", TABLE
    for algorithm in ("sha256", "md5"):
        expected, got = getattr(source, algorithm), getattr(found, algorithm)
        if expected is not None and got != expected:
            return f"{algorithm} {got}", f"{algorithm} {expected}", TABLE
    pin = pins.get(str(source.path))
    if source.digest is None and pin is not None and found.sha256 != pin["sha256"]:
        return f"sha256 {found.sha256}", f"sha256 {pin['sha256']}", PINS
    return None


def accept(source: Source, found: Digests, origin: str, root: Path = Path()) -> None:
    """Record a file's size and digest; the log is told where nothing else vouches for it.

    Raises GdeError when it differs from the table or from what was recorded before.
    """
    key, new = str(source.path), {"bytes": found.bytes, "sha256": found.sha256, "from": origin}
    lock = Lock(root / LOCKS / "pins", patience=PATIENCE)
    try:
        with storage_errors(root / PINS):
            lock.acquire()
    except Held as e:
        raise bad(PINS, f"{e} writing it for {PATIENCE:.0f} s", "a moment", "end that process and run again") from None
    with lock.held():
        pins = read_pins(root)
        if wrong := difference(source, found, pins):
            raise refused(source, wrong)
        known = key in pins and pins[key]["sha256"] == found.sha256
        if not known:
            write_json(root / PINS, dict(sorted((pins | {key: new}).items())))
    if source.digest is None and not known:
        log.info("%s: no digest is published; that of this file is recorded and binds from now on", source.path)


def check_file(source: Source, root: Path = Path()) -> None:
    """Re-hash a file that is in place, and record it if it is new.

    Raises GdeError when it is missing or is another file than the published or recorded one.
    """
    path = root / source.path
    if not path.is_file():
        raise bad(source.path, "no such file", "a file of resources/sources.yaml", f"run `snakemake {source.path}`")
    accept(source, Digests.of(path), "put in place", root)


def check_inputs(paths: Iterable[str], root: Path = Path()) -> None:
    """`check_file` of those paths that are in resources/sources.yaml; others are a user's own, and not our business."""
    table = read_sources(root)
    for path in map(os.path.normpath, paths):
        if path in table:
            check_file(table[path], root)


def refused(source: Source, wrong: tuple[str, str, Path]) -> GdeError:
    """The error for a file in place that differs."""
    found, expected, by = wrong
    remedy = "delete it and run again"
    if by == PINS:
        remedy += f"; if the publisher's new version is wanted, delete its entry in {PINS} too"
    return bad(source.path, found, f"{expected} ({by})", remedy)
