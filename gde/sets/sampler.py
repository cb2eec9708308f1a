"""Batches of sets for training: from a set store or from a family, each a function of (seed, step, shard) alone."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gde.errors import bad, many
from gde.sets.batch import Batch
from gde.sets.mixer import DirichletMixer, NeighbourMixer
from gde.sets.random import ShardRandom
from gde.sets.store.set_store import SetStore


def _per_shard(n_sets: int, set_size: int, shards: int) -> int:
    if set_size < 1:
        raise bad("training.set_size", str(set_size), "an integer >= 1", "set the number of samples in a set")
    if shards < 1 or n_sets < 1 or n_sets % shards:
        expected = f"a positive multiple of training.shards = {shards}"
        raise bad("training.n_sets", str(n_sets), expected, "change one of the two")
    return n_sets // shards


class SetSampler:
    """Sets of `set_size` samples of real data: one group, uniform over the groups of a split, or a mixture of groups,
    or (NeighbourMixer) a group with its neighbours, which keeps the group's number.

    `n_sets` is the whole batch; a process that draws only the shards `only` gets its part of it. Groups with fewer
    than `min_size` samples are left out; those with fewer than they are asked for are masked.
    `groups` (G,) are the row positions in `store.groups` that are drawn from: the columns of a batch's `mix`.
    `companions` adds what an objective needs beside the sets (`gde.sets.companions`).   mixture_w2 : the W2
    between mixtures that their batches tell (`gde.sets.mixture_w2`); None = none.
    """

    def __init__(
        self,
        store: SetStore,
        *,
        split: str = "train",
        n_sets: int,
        set_size: int,
        seed: int,
        mixer: DirichletMixer | NeighbourMixer | None = None,
        shards: int = 4,
        only: Sequence[int] | None = None,
        device: str | torch.device = "cpu",
        min_size: int = 1,
        companions: Callable[..., dict[str, Any]] | None = None,
        mixture_w2: Callable[..., Tensor] | None = None,
    ):
        self.store, self.split, self.mixer, self.companions = store, split, mixer, companions
        self.mixture_w2 = mixture_w2 if isinstance(mixer, DirichletMixer) else None
        self.n_sets, self.set_size, self.seed = n_sets, set_size, seed
        self.shards, self.only, self.device = shards, only, torch.device(device)
        self._b = _per_shard(n_sets, set_size, shards)
        positions = store.select(split)
        self.groups = positions[store.sizes[positions] >= min_size]
        self._pick = mixer or DirichletMixer(k=1)
        if isinstance(mixer, NeighbourMixer):
            self._pick = mixer.of(store, self.groups)
        if len(self.groups) < self._pick.k:
            found = f"{many(len(self.groups), 'group')} of {min_size} or more samples in split {split!r}"
            raise bad(store.path, found, f"{self._pick.k} or more", "change the split, min_size or mixer.k")

    def __call__(self, step: int) -> Batch:
        """The batch of a step, with what `companions` add; no distance between its sets is known in closed form but
        that of `mixture_w2`."""
        picks, rows = [], []
        for rng in ShardRandom(self.seed, step, stream=self.split, shards=self.shards, only=self.only).numpy():
            pick, component = self._pick(len(self.groups), self._b, self.set_size, rng)
            picks.append(pick)
            rows.append(self.store.rows(self.groups[pick], component, rng))
        pick, row = np.concatenate(picks), np.concatenate(rows)
        x, mask = self.store.gather(row)
        weight, mix = self.store.weights(row), None
        if isinstance(self.mixer, DirichletMixer):
            group = np.full(len(pick), -1)
            mix = self._realised(pick, row, None if weight is None else weight.numpy())
        else:
            group = self.groups[pick[:, 0]]
        share = None if mix is None else torch.from_numpy(mix)
        batch = Batch(x, mask, weight, group=torch.from_numpy(group), mix=share)
        if self.mixture_w2 is not None:
            batch = replace(batch, params={"probability": share}, pair_w2=self.mixture_w2)
        if self.companions is not None:  # with random numbers of their own: the sets are those of every objective
            rng = ShardRandom(self.seed, step, stream=f"{self.split}/companions", shards=self.shards, only=self.only)
            batch = replace(batch, **self.companions(self, group, mix, rng.numpy()))
        return batch.to(self.device)

    def _realised(self, pick: np.ndarray, row: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
        """Share of each group in each set's real samples (b, G), float32; pick (b, k), row and weight (b, n)."""
        share = np.empty(pick.shape, np.float32)
        weight = (row >= 0).astype(np.float32) if weight is None else weight
        whole = weight.sum(1)
        start, size = self.store.starts[self.groups], self.store.sizes[self.groups]
        for j, column in enumerate(pick.T):
            offset = row - start[column, None]
            share[:, j] = (weight * ((offset >= 0) & (offset < size[column, None]))).sum(1) / whole
        mix = np.zeros((len(pick), len(self.groups)), np.float32)
        np.put_along_axis(mix, pick, share, 1)
        return mix


class FamilySampler:
    """Sets of `set_size` samples of synthetic distributions, drawn on `device`, never stored."""

    def __init__(
        self,
        family: Any,
        *,
        n_sets: int,
        set_size: int,
        seed: int,
        shards: int = 4,
        only: Sequence[int] | None = None,
        device: str | torch.device = "cpu",
    ):
        self.family, self.n_sets, self.set_size, self.seed = family, n_sets, set_size, seed
        self.shards, self.only, self.device = shards, only, torch.device(device)
        self._b = _per_shard(n_sets, set_size, shards) * (shards if only is None else len(only))

    def __call__(self, step: int) -> Batch:
        """The batch of a step: every sample real, with the true parameters and the family's distance between them."""
        rng = ShardRandom(self.seed, step, stream="family", shards=self.shards, only=self.only, device=self.device)
        params = self.family.draw(self._b, rng)
        x = self.family.sample(params, self.set_size, rng)
        group = torch.full((self._b,), -1, device=self.device)
        return Batch(x, group=group, params=params, pair_w2=self.family.pair_w2)
