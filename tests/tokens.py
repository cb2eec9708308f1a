"""Sequences for tests: random ones, and stores made of them."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gde.sets.store.set_store import SetStore
from gde.sets.store.token_writer import TokenStoreWriter


def sequences(n: int, length: int, seed: int = 0, shortest: int = 1) -> np.ndarray:
    """Random tokens (n, length) of `shortest` to `length` tokens."""
    rng = np.random.default_rng(seed)
    x = rng.integers(1, 6, (n, length)).astype(np.uint8)
    x[np.arange(length) >= rng.integers(shortest, length + 1, n)[:, None]] = 0
    return x


def numbered(n: int, length: int = 8) -> np.ndarray:
    """Different sequences (n, length): the number of each in base 4, its digits as tokens."""
    return (np.arange(n)[:, None] // 4 ** np.arange(length) % 4 + 1).astype(np.uint8)


def numbers(x: np.ndarray) -> np.ndarray:
    """The numbers of `numbered` sequences (..., length)."""
    return ((x.astype(np.int64) - 1) * 4 ** np.arange(x.shape[-1])).sum(-1)


def store_of(
    x: np.ndarray,
    code: np.ndarray,
    path: Path,
    *,
    seed: int = 0,
    splits: Any = "train",
    chunk: int = 10**6,
    **columns: Any,
) -> SetStore:
    """A store of sequences x (m, L) in groups g0, g1, ...; fields and columns of the groups by their length."""
    groups = pd.DataFrame({"group": [f"g{i}" for i in range(code.max() + 1)], "split": splits})
    fields = {k: v for k, v in columns.items() if len(v) == len(x)}
    groups = groups.assign(**{k: v for k, v in columns.items() if k not in fields})
    kinds = dict.fromkeys(fields, "float32")
    with TokenStoreWriter(path, length=x.shape[1], seed=seed, fields=kinds) as writer:
        for i in range(0, len(x), chunk):
            part = slice(i, i + chunk)
            writer.write(x[part], code[part], **{k: v[part] for k, v in fields.items()})
        writer.finish(groups, {"kind": "test", "data": "simulated"})
    return SetStore.open(path)
