"""What a set store or a table of embeddings says, whatever the order in which it was read."""

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pandas as pd

from gde.sets.store.set_store import SetStore

FREQUENCIES = 32


class Content:
    """Split, size and samples of every group. Equal are those whose samples agree to `tolerance`, in any order.

    Vectors are compared by sums of random waves over the samples of a group: two sets of the same size whose waves
    agree are the same but for a set of measure zero. Sequences are compared letter by letter.
    """

    def __init__(self, groups: dict, tolerance: float = 1e-3):
        self.groups, self.tolerance = groups, tolerance

    def __eq__(self, other) -> bool:
        if self.groups.keys() != other.groups.keys():
            return False
        return all(_same(self.groups[k], other.groups[k], self.tolerance) for k in self.groups)

    __hash__ = None

    def __repr__(self) -> str:
        return f"{len(self.groups)} groups: {[(k, *v[:2]) for k, v in self.groups.items()]}"

    def without_splits(self) -> "Content":
        """Groups and samples alone, for a change that may fall upon the split."""
        return Content({k: (None, *v[1:]) for k, v in self.groups.items()}, self.tolerance)


def _same(a: tuple, b: tuple, tolerance: float) -> bool:
    if a[:2] != b[:2] or type(a[2]) is not type(b[2]):
        return False
    return a[2] == b[2] if isinstance(a[2], str) else np.allclose(a[2], b[2], atol=tolerance)


def waves(x: np.ndarray, names: list[str]) -> np.ndarray:
    """Sums over samples (n, d) of waves whose frequencies depend on the names of features, not on their order."""
    seeds = [int.from_bytes(hashlib.sha256(n.encode()).digest()[:4], "little") for n in names]
    frequency = np.array([np.random.default_rng(s).normal(0, 0.3, FREQUENCIES) for s in seeds])
    phase = x.astype(float) @ frequency
    return np.concatenate([np.cos(phase).sum(0), np.sin(phase).sum(0)])


def content(store: SetStore) -> Content:
    """Of an open store."""
    names, groups = store.meta.get("feature_names"), {}
    for g, row in enumerate(store.groups.itertuples()):
        x = store.read(g)
        if store.alphabet is None:
            told = waves(x, names or [str(j) for j in range(x.shape[1])])
        else:
            told = hashlib.sha256(b"\n".join(sorted(bytes(r).rstrip(b"\0") for r in x))).hexdigest()
        groups[row.group, row.split] = (row.split, len(x), told)
    return Content(groups)


def write_as_it_stands(frame: pd.DataFrame, path: Path, delimiter: str = "\t") -> None:
    """A table whose texts are quoted by nobody, whatever they hold."""
    rows = [list(frame.columns), *frame.astype(str).to_numpy().tolist()]
    path.write_text("".join(delimiter.join(row) + "\n" for row in rows))


def made_content(prepare, config: dict, here: Path) -> Content:
    """Prepare a store, take it away again, and say what was in it."""
    out = here / "sets/mine"
    prepare(config, out, name="mine", seed=0)
    try:
        return content(SetStore.open(out))
    finally:
        shutil.rmtree(out)
