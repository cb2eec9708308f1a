"""Small cells and tables for the tests of prepare, and what every refusal must satisfy."""

from contextlib import contextmanager
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from gde.errors import GdeError

SPLIT = {"by": "group", "fractions": [0.6, 0.2, 0.2], "seed": 0}


def make_cells(n: int = 240, genes: int = 30, seed: int = 0, form=sp.csr_matrix) -> ad.AnnData:
    """Counts of n cells of 6 donors and 2 types whose expression differs; every donor has both types."""
    rng = np.random.default_rng(seed)
    donor, kind = np.arange(n) % 6, np.arange(n) // 6 % 2
    rate = rng.gamma(1.0, 2.0, (2, genes))[kind] * rng.gamma(20, 0.05, (6, genes))[donor]
    counts = rng.poisson(rate).astype(np.float32)
    obs = pd.DataFrame(
        {"donor": pd.Categorical([f"D{d}" for d in donor]), "kind": np.array(["T", "B"])[kind], "batch": donor // 2},
        index=[f"cell{i}" for i in range(n)],
    )
    return ad.AnnData(form(counts), obs, pd.DataFrame(index=[f"gene{j}" for j in range(genes)]))


def h5ad_cfg(path, **changes) -> dict:
    """A complete dataset of kind h5ad."""
    cfg = {"kind": "h5ad", "path": str(path), "groupby": ["donor"], "layer": None, "use_raw": False, "values": "counts",
           "labels": [], "n_hvg": None, "scale": True, "n_pcs": 5, "min_size": 3, "split": SPLIT}  # fmt: skip
    return cfg | changes


@contextmanager
def refused(out: Path, *parts: str):
    """The block raises one line that contains every part, and leaves nothing beside `out`."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with pytest.raises(GdeError) as e:
        yield
    message = str(e.value)
    assert "\n" not in message
    for part in parts:
        assert part in message, message
    assert not out.exists()
    assert list(out.parent.iterdir()) == []
