"""scikit-learn's 1,797 handwritten digits (8 x 8): sets of images of one digit."""

from pathlib import Path

import numpy as np
import pandas as pd

from gde.errors import bad
from gde.features.moments import Moments
from gde.prepare.common.groups import assign
from gde.prepare.common.split import DEFAULT
from gde.prepare.common.write import source_of
from gde.sets.store.writer import StoreWriter

DIGEST = "09f66e6debdee2cd2b5ae59e0d6abbb73fc2b0e0185d2e1957e9ebb51e23aa22"  # digits.csv.gz of scikit-learn


def prepare(cfg: dict, out: Path, *, name: str, seed: int, provenance: dict | None = None) -> None:
    """Write the store at `out`: x (1797, 64) in [0, 1], a group per digit, split by sample unless cfg differs."""
    import sklearn.datasets

    source = source_of(Path(sklearn.datasets.__file__).parent / "data" / "digits.csv.gz")
    digits = sklearn.datasets.load_digits()
    x = (digits.data / 16).astype(np.float32)  # ink counts 0..16 of 4 x 4 blocks
    cfg = {"labels": [], "min_size": 3, **cfg, "groupby": ["digit"]}
    cfg["split"] = {**DEFAULT, "by": "sample", **(cfg.get("split") or {})}
    if cfg["split"]["by"] not in ("group", "sample"):
        raise bad("dataset.split.by", f"'{cfg['split']['by']}'", "'group' or 'sample' for digits", "choose one of them")
    table = pd.DataFrame({"digit": digits.target})
    assignment = assign(table, cfg, "digits")
    train = Moments(64)
    train.add(x[assignment.train])
    with StoreWriter(Path(out), groups=assignment.groups, sample_shape=(64,), seed=seed) as writer:
        kept = assignment.row >= 0
        writer.write(x[kept], assignment.row[kept])
        meta = {
            "name": name,
            "kind": "digits",
            "data": "release" if source["sha256"] == DIGEST else "user",
            "source": source,
            "units": "ink per pixel, 0 to 1",
            "groupby": ["digit"],
            "labels": [],
            **assignment.meta(),
            "dim": 64,
            "sample_shape": [64],
            "image_shape": [8, 8],
            "feature_names": [f"pixel_{i}_{j}" for i in range(8) for j in range(8)],
            "mean": train.mean.tolist(),
            "scale": train.sd().tolist(),
        }
        writer.finish(meta, provenance=provenance)
