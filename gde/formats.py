"""Does a file look like what its name says? The only evidence there is where no digest is published."""

import gzip
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
