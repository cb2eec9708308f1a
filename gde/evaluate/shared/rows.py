"""Rows of a store of sequences: which ones belong to groups and splits, random ones of them, and their tokens."""

from collections.abc import Iterator
from typing import Any

import numpy as np

ROWS = 65_536  # sequences read together
Chunk = tuple[np.ndarray, np.ndarray | None]  # tokens (n, L) and weights (n,), or None where all weigh alike


def rows_of(store: Any, group: int) -> np.ndarray:
    """Rows (n,) of one group, in order."""
    return np.arange(store.starts[group], store.starts[group] + store.sizes[group])


def rows_in(store: Any, wanted: np.ndarray) -> np.ndarray:
    """Rows of the store, sorted, of the groups (g,) bool that are wanted."""
    return np.concatenate([np.zeros(0, np.int64), *(rows_of(store, g) for g in np.flatnonzero(wanted))])


def drawn(rows: np.ndarray, most: int, rng: np.random.Generator) -> np.ndarray:
    """All rows, or a random `most` of them, sorted."""
    return rows if len(rows) <= most else np.sort(rng.choice(rows, most, replace=False))


def drawn_rows(store: Any, split: str, n: int, rng: np.random.Generator) -> np.ndarray:
    """Rows (n,) of the store, drawn with replacement from all of a split."""
    groups = store.select(split=split)
    return _rows_at(store, groups, rng.integers(store.sizes[groups].sum(), size=n))


def draw_tokens(store: Any, split: str, most: int, rng: np.random.Generator) -> np.ndarray:
    """At most `most` sequences of a split (m, L), at random over all of its groups."""
    groups = store.select(split=split)
    chosen = np.sort(rng.permutation(int(store.sizes[groups].sum()))[:most])
    return tokens_of(store, _rows_at(store, groups, chosen))


def _rows_at(store: Any, groups: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Rows of the store at places (n,), counted through the groups one after the other."""
    stops = np.cumsum(store.sizes[groups])
    of = np.searchsorted(stops, places, side="right")
    return store.starts[groups][of] + places - (stops[of] - store.sizes[groups][of])


def tokens_of(store: Any, rows: np.ndarray) -> np.ndarray:
    """Tokens (n, L) uint8 at rows (n,)."""
    return store.gather(rows[None])[0][0].numpy()


def read_rows(store: Any, rows: np.ndarray) -> Chunk:
    """Tokens (n, L) at rows (n,) of the store, and their weights (n,) or None."""
    weight = store.weights(rows[None])
    return tokens_of(store, rows), None if weight is None else weight[0].numpy()


def draw_weighted(store: Any, rows: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """n sequences (n, L) drawn with replacement from those at `rows` by their weights."""
    weight = store.weights(rows[None])
    share = None if weight is None else weight[0].numpy().astype(float) / weight[0].numpy().sum(dtype=float)
    return tokens_of(store, rows[rng.choice(len(rows), n, p=share)])


def read_groups(store: Any, groups: np.ndarray, share: float = 1.0) -> Iterator[Chunk]:
    """Chunks of tokens and weights of this share of each of the groups, at least one sequence."""
    for g in groups:
        size = int(np.ceil(store.sizes[g] * share))
        for start in range(0, size, ROWS):
            part = slice(start, min(start + ROWS, size))
            yield store.read(int(g), part), store.read_weights(int(g), part)


def read_split(store: Any, split: str, most: int | None = None) -> Iterator[Chunk]:
    """Chunks of tokens and weights of all sequences of a split; of about `most` of them, of each group by its size."""
    groups = store.select(split=split)
    yield from read_groups(store, groups, 1.0 if most is None else min(1.0, most / store.sizes[groups].sum()))
