"""Disjoint sets of samples cut from groups: more to learn a label from than the groups themselves."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch


@dataclass(frozen=True)
class Pieces:
    """Sets of samples: rows of the store of each, and the place of the group that it was cut from."""

    rows: list[np.ndarray]
    group: np.ndarray


def cut(
    store: Any, groups: Sequence[int], chosen: np.ndarray, *, repeats: int, most: int, rng: np.random.Generator
) -> Pieces:
    """At most `repeats` disjoint sets of two to `most` samples of each of the `groups` that is `chosen` (a mask)."""
    rows, group = [], []
    for i in np.flatnonzero(chosen):
        g = groups[i]
        size = int(store.sizes[g])
        parts = max(1, min(repeats, size // 2))
        each = min(most, size // parts)
        # samples of a group lie in random order: these are fair samples, and no permutation of millions is needed
        first = int(store.starts[g]) + int(rng.integers(size - parts * each + 1))
        for k in range(parts):
            rows.append(np.arange(first + k * each, first + (k + 1) * each))
            group.append(i)
    return Pieces(rows, np.array(group))


def embed_pieces(model: Any, store: Any, pieces: Pieces) -> np.ndarray:
    """Embedding (p, l) of each set, float64."""
    out = []
    for rows in pieces.rows:
        x, _ = store.gather(rows[None])
        weight = store.weights(rows[None])
        weight = None if weight is None else weight.to(model.device)
        with torch.no_grad():
            out.append(model.encode(x.to(model.device), weight=weight)[0].double().cpu().numpy())
    return np.stack(out)
