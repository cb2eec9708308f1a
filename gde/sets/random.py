"""Random numbers that do not depend on how many processes draw them."""

import hashlib
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


def seed_of(*parts: object) -> int:
    """A 64-bit seed from the SHA-256 of the parts joined by '/' (Python's hash() differs between processes)."""
    return int.from_bytes(hashlib.sha256("/".join(map(str, parts)).encode()).digest()[:8], "little")


class ShardRandom:
    """Random tensors whose leading axis is cut into `shards` equal parts, each with a generator of its own.

    Part s of step t is a function of (seed, t, s, stream) alone, so one process that draws all shards and several
    that draw some each (`only`) get the same numbers, and step t needs no earlier step. Two objects of the same seed,
    step and stream repeat each other: give every independent use its own `stream`.

    The leading length b given to the methods is this process's: total / shards * len(only). ValueError when it cannot
    be cut evenly. Numbers on a GPU differ from those on a CPU. (The CPU's Mersenne twister takes 32 of the seed's bits:
    among a million (step, shard) pairs about a hundred repeat another's numbers, which training does not notice.)
    """

    def __init__(
        self,
        seed: int,
        step: int,
        *,
        stream: str = "",
        shards: int = 1,
        only: Sequence[int] | None = None,
        device: str | torch.device = "cpu",
    ):
        self.device = torch.device(device)
        self.only = tuple(range(shards)) if only is None else tuple(only)
        if not self.only or len(set(self.only)) < len(self.only) or not set(self.only) <= set(range(shards)):
            raise ValueError(f"only: found {list(self.only)}, expected distinct shard numbers below {shards}")
        self._seeds = [seed_of(seed, step, shard, stream) for shard in self.only]
        self._torch: list[torch.Generator] | None = None
        self._numpy: list[np.random.Generator] | None = None

    def _parts(self, out: Tensor):
        """Pairs of (a shard's rows of `out`, the shard's generator)."""
        if self._torch is None:  # made on first use: a sampler that only draws indices needs none
            self._torch = [torch.Generator(self.device).manual_seed(s) for s in self._seeds]
        if len(out) % len(self.only):
            raise ValueError(f"b = {len(out)} cannot be cut into {len(self.only)} equal shards")
        return zip(out.chunk(len(self.only)) if len(out) else (), self._torch, strict=bool(len(out)))

    def _empty(self, b: int, shape: tuple[int, ...], dtype=torch.float32) -> Tensor:
        return torch.empty(b, *shape, dtype=dtype, device=self.device)

    def randn(self, b: int, *shape: int) -> Tensor:
        """Standard normal numbers (b, *shape), float32."""
        out = self._empty(b, shape)
        for part, generator in self._parts(out):
            part.normal_(generator=generator)
        return out

    def rand(self, b: int, *shape: int) -> Tensor:
        """Uniform numbers in [0, 1) (b, *shape), float32."""
        out = self._empty(b, shape)
        for part, generator in self._parts(out):
            part.uniform_(generator=generator)
        return out

    def exponential(self, b: int, *shape: int) -> Tensor:
        """Exponential numbers of mean 1 (b, *shape), float32."""
        out = self._empty(b, shape)
        for part, generator in self._parts(out):
            part.exponential_(generator=generator)
        return out

    def gamma(self, alpha: Tensor | float, b: int, *shape: int) -> Tensor:
        """Gamma(alpha, 1) numbers (b, *shape), float32; `alpha` > 0 broadcasts against (b, *shape)."""
        out = self._empty(b, shape)
        alpha = torch.as_tensor(alpha, dtype=torch.float32, device=self.device).broadcast_to(out.shape)
        start = 0
        for part, generator in self._parts(out):
            part.copy_(torch._standard_gamma(alpha[start : start + len(part)].contiguous(), generator=generator))
            start += len(part)
        return out

    def poisson(self, rate: Tensor | float, b: int, *shape: int) -> Tensor:
        """Poisson(rate) counts (b, *shape), float32; `rate` >= 0 broadcasts against (b, *shape)."""
        out = self._empty(b, shape)
        rate = torch.as_tensor(rate, dtype=torch.float32, device=self.device).broadcast_to(out.shape)
        start = 0
        for part, generator in self._parts(out):
            part.copy_(torch.poisson(rate[start : start + len(part)].contiguous(), generator=generator))
            start += len(part)
        return out

    def randint(self, high: int, b: int, *shape: int) -> Tensor:
        """Integers uniform in [0, high) (b, *shape), int64."""
        out = self._empty(b, shape, torch.int64)
        for part, generator in self._parts(out):
            part.random_(0, high, generator=generator)
        return out

    def numpy(self) -> list[np.random.Generator]:
        """One numpy generator per shard drawn, always the same objects; independent of the tensor methods."""
        if self._numpy is None:
            self._numpy = [np.random.default_rng(s) for s in self._seeds]
        return self._numpy
