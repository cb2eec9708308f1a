"""The held-out sets of a parametric family: rows of the store, embeddings and true parameters."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from gde.embed import encode_pieces
from gde.errors import bad
from gde.sets.random import ShardRandom

CHUNK = 200_000  # points held at once per source


@dataclass(frozen=True)
class Sets:
    """Held-out sets of one distribution: rows in the store, embeddings (s, l), true parameters (leading axis s), points
    each."""

    rows: np.ndarray
    z: Tensor
    params: dict[str, Tensor]
    size: int

    def part(self, index) -> "Sets":
        return Sets(self.rows[index], self.z[index], {k: v[index] for k, v in self.params.items()}, self.size)


def form(params: dict[str, Tensor]) -> Literal["normal", "mixture", "counts"]:
    """What is known in closed form: W2 and paths of `normal`s, MW2 of a `mixture` of them, neither for `counts`."""
    return "mixture" if "weight" in params else "normal" if "mean" in params else "counts"


def count(params: dict[str, Tensor]) -> int:
    """How many distributions the parameters are of."""
    return len(next(iter(params.values())))


def chunks(n_sets: int, size: int) -> Iterator[slice]:
    """Slices of sets of `size` points each, about CHUNK points at a time."""
    step = max(1, CHUNK // size)
    for start in range(0, n_sets, step):
        yield slice(start, min(n_sets, start + step))


def load_sets(model: Any, store: Any, distribution: str) -> Sets:
    """The test sets of one distribution with their embeddings; GdeError when there are fewer than three or sizes
    differ."""
    rows = store.select(split="test", distribution=distribution)
    sizes = np.unique(store.sizes[rows])
    if len(rows) < 3 or len(sizes) != 1:
        found = f"{len(rows)} test sets of distribution {distribution!r} with sizes {sizes.tolist()}"
        raise bad(store.path, found, "three or more of one size", "raise dataset.test_sets and prepare again")
    size = int(sizes[0])
    z = [encode_pieces(model, read_sets(store, rows[part]).to(model.device)) for part in chunks(len(rows), size)]
    params = {k: v[torch.as_tensor(rows)].to(model.device) for k, v in store.truth.items()}
    return Sets(rows, torch.cat(z), params, size)


def read_sets(store: Any, rows: np.ndarray) -> Tensor:
    """Samples of groups of one size, (b, n, d) float32."""
    return torch.from_numpy(np.stack([store.read(int(g)) for g in rows]))


def fresh_sets(family: Any, params: dict[str, Tensor], size: int, *, seed: int, stream: str) -> Iterator[Tensor]:
    """New samples (b, size, d) of each distribution of `params`, a chunk of them at a time, on its device."""
    device = next(iter(params.values())).device
    for part in chunks(count(params), size):
        rng = ShardRandom(seed, part.start, stream=f"evaluate/{stream}/samples", device=device)
        yield family.sample({k: v[part] for k, v in params.items()}, size, rng)
