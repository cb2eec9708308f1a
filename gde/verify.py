"""Digests of results that leave out what may differ between equal runs: timings, host, device."""

import csv
import hashlib
from pathlib import Path
from typing import Any

from gde.card import BUDGET
from gde.errors import bad
from gde.io import read_json, sha256_file, sha256_json, verify_sums

CARD = "MODEL_CARD.md"
SUMMARY = "summary.tsv"  # of a grid
VOLATILE = ("seconds", "hardware", "device", "sets_per_s")


def canonical_digests(directory: Path) -> dict[str, str]:
    """File name -> SHA-256 of what is in it, for results/<experiment>.

    JSON, the model card and a grid's summary without timings and host; .h5ad by its arrays (HDF5 files carry
    addresses); everything else by its bytes. Hidden files are left out.
    Raises GdeError for a missing directory or a model whose files do not fit their sums.
    """
    if not directory.is_dir():
        raise bad(directory, "no such directory", "results/<experiment>", "build the experiment first")
    if (directory / "model").is_dir():
        verify_sums(directory / "model")
    names = sorted(p.relative_to(directory) for p in directory.rglob("*") if p.is_file())
    names = (n for n in names if n.name not in ("SHA256SUMS", "log.jsonl"))
    names = (n for n in names if not any(part.startswith(".") for part in n.parts))  # e.g. .snakemake_timestamp
    return {str(n): _digest(directory / n) for n in names}


def compare(a: dict[str, str], b: dict[str, str], first: Path, second: Path) -> None:
    """GdeError naming the files in which two directories differ."""
    differ = [name for name in sorted(a.keys() | b.keys()) if a.get(name) != b.get(name)]
    if differ:
        found = f"other results in {', '.join(differ[:5])}{' ...' if len(differ) > 5 else ''}"
        raise bad(second, found, f"those of {first}", "compare settings, seed, data and code with `gde compare`")


def _digest(path: Path) -> str:
    if path.suffix == ".json":
        return sha256_json(_stable(read_json(path)))
    if path.suffix == ".h5ad":
        return _hdf5_digest(path)
    if path.name == SUMMARY:
        with path.open(newline="") as f:
            return sha256_json([_stable(row) for row in csv.DictReader(f, delimiter="\t")])
    if path.name == CARD:
        lines = [line for line in path.read_text().splitlines() if not line.startswith(BUDGET)]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()
    return sha256_file(path)


def _stable(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _stable(v) for k, v in value.items() if k not in VOLATILE}
    return [_stable(v) for v in value] if isinstance(value, list) else value


def _hdf5_digest(path: Path) -> str:
    import h5py

    digest = hashlib.sha256()

    def visit(name: str, node: Any) -> None:
        if isinstance(node, h5py.Dataset):
            values = node.asstr()[...] if h5py.check_string_dtype(node.dtype) else node[...]
            digest.update(f"{name} {node.shape} {node.dtype}".encode())
            text = h5py.check_string_dtype(node.dtype) is not None
            digest.update(str(values.tolist()).encode() if text else values.tobytes())

    with h5py.File(path) as f:
        f.visititems(visit)
    return digest.hexdigest()
