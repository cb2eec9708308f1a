"""Digests of what is written, checked by whatever reads it.

Directories (set stores, models, checkpoints, tables) list their files in SHA256SUMS (`gde.files.io.verify_sums`), and
so does the directory of a grid's summary. A file that stands alone carries its digest inside, so that it travels with
it: metrics.json and run.json as their first key, .h5ad as an attribute of the root group, .svg and .md as a comment at
the end, each ``content_sha256 <64 hexadecimal digits>``: SHA-256 of the file's bytes with those digits as zeros.

For writers: `write_sealed_json`, or put `SEAL_TEXT` into the file and call `seal` before it gets its name.
For readers: `read_sealed_json`, `check_seal`; both raise GdeError with the digest found, the expected one, the remedy.
For `gde verify`: `audit(directory)` gives every file with its recorded and its found digest; canonical digests of equal
runs leave out the key or line of `SEAL`, which depends on timings.
"""

import hashlib
import io
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

from gde.errors import bad
from gde.files.io import SUMS, atomic_path, read_sums, sha256_file
from gde.files.sniffing import check_file

SEAL = "content_sha256"
_BLANK = "0" * 64
SEAL_TEXT = f"{SEAL} {_BLANK}"
_PATTERN = re.compile(SEAL.encode() + rb"\W{1,8}([0-9a-f]{64})")
_LONGEST = len(SEAL) + 8 + 64
_BLOCK = 1 << 20


class Audited(NamedTuple):
    """A file and its digests; `recorded` None: it carries none and no SHA256SUMS lists it; `found` None: missing."""

    path: Path
    recorded: str | None
    found: str | None


def seal(path: Path) -> None:
    """Fill the digest into a file that holds `SEAL_TEXT` (the first such place counts)."""
    with path.open("r+b") as f:
        place = _find(f)
        if place is None or _at(f, place) != _BLANK:
            raise ValueError(f"{path}: found no blank {SEAL!r}, expected SEAL_TEXT; write it first")
        digest = _digest(f, place)
        f.seek(place)
        f.write(digest.encode())


def digests(path: Path) -> tuple[str | None, str]:
    """The digest that a file carries (None: none) and the one that its bytes have."""
    with path.open("rb") as f:
        return _digests(f)


def check_seal(path: str | os.PathLike, *, remedy: str = "", required: bool = True) -> bool:
    """GdeError when the file is not the one that was sealed. False for one of another program, unless `required`."""
    path = Path(path)
    check_file(path, "a file written by gde", remedy or "run the rule that makes it")
    with path.open("rb") as f:
        return _check(f, path, remedy, required)


def write_sealed_json(path: str | os.PathLike, value: dict[str, Any]) -> None:
    """Write indented JSON atomically, its digest as the first key. ValueError for NaN or infinity."""
    rest = {k: v for k, v in value.items() if k != SEAL}
    text = json.dumps({SEAL: _BLANK, **rest}, indent=1, allow_nan=False)
    with atomic_path(path) as tmp:
        tmp.write_text(text + "\n")
        seal(tmp)


def read_sealed_json(path: str | os.PathLike, *, remedy: str = "") -> dict[str, Any]:
    """What `write_sealed_json` was given; GdeError names a file that is missing, damaged or edited."""
    path = Path(path)
    check_file(path, "a JSON file", remedy or "run the rule that makes it")
    content = path.read_bytes()
    _check(io.BytesIO(content), path, remedy, required=True)
    return {k: v for k, v in json.loads(content).items() if k != SEAL}


def audit(directory: Path) -> Iterator[Audited]:
    """Every file below a directory, by name, and every one that a SHA256SUMS there lists; hidden ones left out.

    GdeError for a SHA256SUMS that is itself damaged.
    """
    recorded: dict[Path, str] = {}
    for sums in sorted(directory.rglob(SUMS)):
        recorded |= {sums.parent / name: digest for name, digest in read_sums(sums.parent).items()}
    there = {p for p in directory.rglob("*") if p.is_file() and p.name != SUMS}
    for path in sorted(there | recorded.keys()):
        if any(part.startswith(".") for part in path.relative_to(directory).parts):
            continue
        if path not in there:
            yield Audited(path, recorded[path], None)
        elif path in recorded:
            yield Audited(path, recorded[path], sha256_file(path))
        else:
            yield Audited(path, *digests(path))


def _check(f: IO[bytes], path: Path, remedy: str, required: bool) -> bool:
    recorded, found = _digests(f)
    again = remedy or f"make it again with `snakemake --force {path}`"
    if recorded is None:
        f.seek(0)
        if required or SEAL.encode() in f.read(_BLOCK):
            what = f"sha256 {found}, and no whole {SEAL} in it"
            raise bad(path, what, "the digest that gde writes into it", f"the file is damaged, cut or old: {again}")
        return False
    if recorded != found:
        raise bad(path, f"sha256 {found}", f"sha256 {recorded}", f"the file is damaged or was edited: {again}")
    return True


def _digests(f: IO[bytes]) -> tuple[str | None, str]:
    place = _find(f)
    return (None if place is None else _at(f, place)), _digest(f, place)


def _find(f: IO[bytes]) -> int | None:
    """Where the 64 digits begin."""
    f.seek(0)
    start, before = 0, b""
    while block := f.read(_BLOCK):
        text = before + block
        if match := _PATTERN.search(text):
            return start - len(before) + match.start(1)
        start, before = start + len(block), text[-_LONGEST:]
    return None


def _at(f: IO[bytes], place: int) -> str:
    f.seek(place)
    return f.read(64).decode()


def _digest(f: IO[bytes], place: int | None) -> str:
    """SHA-256 of all bytes, those of the digest itself as zeros."""
    f.seek(0)
    whole, start = hashlib.sha256(), 0
    while block := f.read(_BLOCK):
        if place is not None and place < start + len(block) and place + 64 > start:
            low, high = max(place - start, 0), min(place + 64 - start, len(block))
            block = block[:low] + _BLANK[: high - low].encode() + block[high:]
        whole.update(block)
        start += len(block)
    return whole.hexdigest()
