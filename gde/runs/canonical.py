"""Digests of content that leave out what may differ between equal runs: timings, host, device, seals."""

import csv
import gzip
import hashlib
import zipfile
import zlib
from pathlib import Path
from typing import Any

from gde.errors import bad
from gde.files.io import read_json, sha256_file, sha256_json
from gde.files.sealed_gzip import read_about
from gde.files.sealed_zip import read_about as read_archive
from gde.files.seals import SEAL
from gde.runs.card import VARIABLE
from gde.runs.provenance import ENVIRONMENT

CARDS = ("MODEL_CARD.md", "card.html")
SUMMARY = "summary.tsv"  # of a grid
VOLATILE = ("seconds", "hardware", "device", "sets_per_s", ENVIRONMENT, SEAL)  # the seal covers the others
VOLATILE_HDF5 = f"uns/gde/provenance/{ENVIRONMENT}/"


def canonical_digest(path: Path) -> str:
    """SHA-256 of what is in a file.

    JSON, the model card and a grid's summary without timings and host; .h5ad by its arrays (HDF5 files carry
    addresses) and .gz by what is compressed (which compressors do differently) and its record, .zip by what lies in it
    and its record, all without the environment of their provenance; everything else by its bytes.
    """
    if path.suffix == ".json":
        return sha256_json(_stable(read_json(path)))
    if path.suffix == ".h5ad":
        return _hdf5_digest(path)
    if path.suffix == ".gz":
        return _gzip_digest(path)
    if path.suffix == ".zip":
        return _zip_digest(path)
    if path.name == SUMMARY:
        with path.open(newline="") as f:
            return sha256_json([_stable(row) for row in csv.DictReader(f, delimiter="\t")])
    if path.name in CARDS:
        lines = path.read_text().splitlines()
        lines = [line for line in lines if not line.removeprefix("<p>").startswith(VARIABLE) and SEAL not in line]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()
    return sha256_file(path)


def _stable(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _stable(v) for k, v in value.items() if k not in VOLATILE}
    return [_stable(v) for v in value] if isinstance(value, list) else value


def _gzip_digest(path: Path) -> str:
    about = _stable(read_about(path))
    try:
        with gzip.open(path) as f:
            return sha256_json([about, hashlib.file_digest(f, "sha256").hexdigest()])
    except (OSError, EOFError, zlib.error) as e:
        raise bad(path, f"unreadable ({e})", "a whole .gz file", "make it again") from e


def _zip_digest(path: Path) -> str:
    about = _stable(read_archive(path))
    with zipfile.ZipFile(path) as archive:
        members = {name: hashlib.sha256(archive.read(name)).hexdigest() for name in sorted(archive.namelist())}
    return sha256_json([about, members])


def _hdf5_digest(path: Path) -> str:
    import h5py

    digest = hashlib.sha256()

    def visit(name: str, node: Any) -> None:
        if isinstance(node, h5py.Dataset) and not name.startswith(VOLATILE_HDF5):
            digest.update(f"{name} {node.shape} {node.dtype}".encode())
            digest.update(_values(node))

    with h5py.File(path) as f:
        f.visititems(visit)
    return digest.hexdigest()


def _values(node: Any) -> bytes:
    """What a dataset of HDF5 holds, the same for equal content: text of every length lies somewhere else in a file."""
    import h5py

    if node.shape is None:  # None in uns, as scanpy writes it
        return b""
    if h5py.check_string_dtype(node.dtype):
        return str(node.asstr()[...].tolist()).encode()
    values = node[...]
    return str(values.tolist()).encode() if values.dtype.hasobject else values.tobytes()
