"""Embeddings of sets of sequences that are given by rows of a store."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from gde.embed import Chunk, default_rows, stream
from gde.evaluate.shared.rows import read_rows


def embed_rows(model: Any, store: Any, rows: np.ndarray) -> np.ndarray:
    """Embedding (l,) float64 of the sequences at rows (n,) of the store, exact and in constant memory."""
    step = default_rows(model)

    def chunks() -> Iterator[Chunk]:
        for start in range(0, len(rows), step):
            tokens, weight = read_rows(store, rows[start : start + step])
            x = torch.from_numpy(tokens).to(model.device)
            yield x, torch.zeros(len(x), dtype=torch.int64), None if weight is None else torch.from_numpy(weight)

    if len(rows) > step:
        return stream(model, chunks, [len(rows)])[0].double().cpu().numpy()
    x, _, weight = next(chunks())
    weight = None if weight is None else weight[None].to(x.device)
    with torch.no_grad():
        return model.encode(x[None], weight=weight)[0].double().cpu().numpy()


def embed_sets(model: Any, store: Any, sets: Sequence[np.ndarray]) -> np.ndarray:
    """Embeddings (s, l) float64 of sets of rows of the store."""
    return np.stack([embed_rows(model, store, rows) for rows in sets])
