"""The 700 blood cells that scanpy ships (10x PBMC 68k, reduced): the real example that is always at hand."""

import importlib.util
from pathlib import Path

from gde.errors import bad
from gde.prepare.common import h5ad_store

DEFAULTS = {
    "groupby": ["bulk_labels"],
    "labels": [],
    "use_raw": True,  # X is scaled; .raw holds the log-normalised values of the 765 genes
    "values": "lognorm",
    "n_hvg": None,
    "scale": True,
    "n_pcs": 20,
    "min_size": 3,
    "split": {"by": "sample", "fractions": [0.6, 0.1, 0.3], "seed": 0},  # ten groups are too few to hold some out
}


def bundled_file() -> Path:
    """Where the installed scanpy keeps the file, found without importing scanpy (seconds)."""
    spec = importlib.util.find_spec("scanpy")
    if spec is None or spec.origin is None:
        raise bad(
            "scanpy", "not installed", "the package that ships the pbmc68k data", "install the locked requirements"
        )
    path = Path(spec.origin).parent / "datasets" / "10x_pbmc68k_reduced.h5ad"
    if not path.is_file():
        raise bad(path, "no such file", "scanpy's bundled data", "install the scanpy version of requirements.lock")
    return path


def prepare(cfg: dict, out: Path, *, name: str, seed: int, provenance: dict | None = None) -> None:
    """Write the store at `out`; cfg may override DEFAULTS. `data` is 'release' for the file of known digest only."""
    cfg = {**DEFAULTS, **cfg, "path": str(bundled_file())}
    h5ad_store.write(cfg, out, name=name, seed=seed, provenance=provenance)
