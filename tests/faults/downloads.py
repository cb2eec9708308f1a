"""A file to fetch, with published facts that are true, and what fetching it leaves."""

import hashlib
import json
import random
from pathlib import Path

from server import Answer

from gde.fetch.download import Limits
from gde.fetch.sources import PINS, Source

ROOT = Path(__file__).resolve().parents[2]
BODY = random.Random(0).randbytes(200_000)
OTHER = random.Random(1).randbytes(200_000)
GOOD = Answer(BODY)
CELLS = "site,species,a,b\n" + "".join(f"s{i % 4},x{i % 3},{i % 7},{i * i % 11}\n" for i in range(240))
CUT = 50_000  # bytes until a bad server hangs up
IMPATIENT = Limits(
    connect=2, stall=0.4, trickle=4096, attempts=3, progress=10_000, first_wait=0.01, longest_wait=3, jitter=0.01
)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def source(*urls: str, body: bytes | None = BODY, **changes) -> Source:
    """A file of the table whose published size and digest are those of `body`; None: nothing is published."""
    facts = {
        "dataset": "toy",
        "file": "data.bin",
        "access": "open",
        "origin": "the test",
        "licence": None,
        "citation": "none",
        "urls": urls,
        "bytes": None if body is None else len(body),
        "sha256": None if body is None else sha256(body),
        "md5": None,
        "package": None,
    }
    return Source(**facts | changes)


def then(*answers: Answer):
    """One answer after the other; the last one again and again."""
    return lambda asked: answers[min(asked, len(answers) - 1)]


def left(root: Path) -> set[str]:
    """Every file below the directory."""
    return {str(p.relative_to(root)) for p in root.rglob("*") if p.is_file()}


def got(root: Path, path: str = "resources/toy/data.bin") -> bytes:
    """The file; that nothing is left beside it but its record, which tells the truth."""
    data = (root / path).read_bytes()
    assert left(root) == {path, str(PINS)}
    pin = json.loads((root / PINS).read_text())[path]
    assert pin["bytes"] == len(data) and pin["sha256"] == sha256(data)
    return data
