"""Signatures: does a file look like what its name says? The only evidence there is where no digest is published."""

import gzip
import json
import zlib
from pathlib import Path

SIGNATURES = {
    ".gz": b"\x1f\x8b",
    ".bgz": b"\x1f\x8b",
    ".tgz": b"\x1f\x8b",
    ".zst": b"\x28\xb5\x2f\xfd",
    ".xz": b"\xfd7zXZ\x00",
    ".bz2": b"BZh",
    ".zip": b"PK",
    ".h5ad": b"\x89HDF\r\n\x1a\n",
    ".h5": b"\x89HDF\r\n\x1a\n",
    ".parquet": b"PAR1",
}
BLOCK = 1 << 20


def flaw(path: Path, name: str) -> str | None:
    """What shows that the file at `path` is not whole or not of the format that `name` ends in; None if nothing does.

    gzip is read to its end, since it ends in a checksum.
    """
    if path.stat().st_size == 0:
        return "an empty file"
    suffix = Path(name).suffix
    expected = SIGNATURES.get(suffix, b"")
    with path.open("rb") as f:
        start = f.read(len(expected))
    if start != expected:
        return f"a file that begins with {start!r} and not, as {suffix} does, with {expected!r}"
    if suffix == ".safetensors":
        return _flaw_of_safetensors(path)
    if suffix == ".json":
        return _flaw_of_json(path)
    if expected == SIGNATURES[".gz"]:
        try:
            with gzip.open(path) as f:
                while f.read(BLOCK):
                    pass
        except EOFError:
            return "a truncated gzip file"
        except (gzip.BadGzipFile, zlib.error) as e:
            return f"a damaged gzip file ({e})"
    return None


def _flaw_of_safetensors(path: Path) -> str | None:
    """The header tells where the last tensor ends, which must be the end of the file."""
    size = path.stat().st_size
    with path.open("rb") as f:
        length = int.from_bytes(f.read(8), "little")
        if not 2 <= length <= size - 8:
            return f"a file of {size} bytes whose header would have {length}, no safetensors or a truncated file"
        try:
            header = json.loads(f.read(length))
            ends = [tensor["data_offsets"][1] for name, tensor in header.items() if name != "__metadata__"]
            end = 8 + length + max(ends, default=0)
        except (ValueError, LookupError, TypeError, AttributeError):
            return "a file without a header of safetensors"
    return None if size == end else f"{size} bytes where the header of the safetensors says {end}"


def _flaw_of_json(path: Path) -> str | None:
    try:
        json.loads(path.read_bytes())
    except ValueError as e:
        return f"a file that is no JSON ({e})"
    return None
