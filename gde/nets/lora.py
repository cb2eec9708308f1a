"""Low-rank adapters (Hu et al. 2021): W x becomes W x + B A x, W as it was and A, B trained."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class Adapted(nn.Linear):
    """A linear map with the parameters of another one, to whose output an adapter adds while `adapter` is set."""

    adapter: Callable[[Tensor], Tensor] | None = None  # no module: it is another network's part

    def __init__(self, linear: nn.Linear):
        nn.Module.__init__(self)
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.weight, self.bias = linear.weight, linear.bias

    def forward(self, x: Tensor) -> Tensor:
        out = super().forward(x)
        return out if self.adapter is None else out + self.adapter(x)


class Adapter(nn.Module):
    """x (..., i) -> B A x (..., o), A (r, i) normal / sqrt(i), B (o, r) zero at first: then nothing is changed."""

    def __init__(self, inputs: int, outputs: int, rank: int):
        super().__init__()
        self.down = nn.Parameter(torch.randn(rank, inputs) / inputs**0.5)
        self.up = nn.Parameter(torch.zeros(outputs, rank))

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.down.T @ self.up.T


@contextmanager
def adapted_by(maps: Sequence[Adapted], adapters: Sequence[nn.Module]) -> Iterator[None]:
    """While it lasts, each of the maps adds its adapter: networks that share the maps bring their own."""
    try:
        for one, adapter in zip(maps, adapters, strict=True):
            one.adapter = adapter.forward
        yield
    finally:
        for one in maps:
            one.adapter = None
