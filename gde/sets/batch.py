"""Batches: the sets of one training step, and what an objective needs beside them."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any, Self

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Sets:
    """b sets of n samples.

    x : (b, n, *sample_shape) in the units of the data: float32, of sequences tokens uint8, of images
        pixels uint8 or uint16.
    mask : (b, n) bool, which samples are real; None when all are. Masked ones are 0.
    weight : (b, n) float32, how many samples each one stands for, 0 for masked ones; None where each is one.
    """

    x: Tensor
    mask: Tensor | None = None
    weight: Tensor | None = None

    def __len__(self) -> int:
        """The number of sets."""
        return len(self.x)

    @property
    def real(self) -> Tensor:
        """How many samples are real, (), float32."""
        if self.mask is None:
            b, n = self.x.shape[:2]
            return torch.tensor(float(b * n), device=self.x.device)
        return self.mask.sum().float()

    def samples(self) -> Tensor:
        """The real samples of all sets, (m, *sample_shape)."""
        return self.x.flatten(0, 1) if self.mask is None else self.x[self.mask]

    def to(self, device: torch.device | str) -> Self:
        """The same with all tensors on a device."""
        return replace(self, **{f.name: _moved(getattr(self, f.name), device) for f in fields(self)})


@dataclass(frozen=True, eq=False)
class Companion(Sets):
    """A further set for each set of a batch, as the one that follows it or its control.

    valid : (b,) bool, whether there is one; where not, x holds samples of the set's own group.
    """

    valid: Tensor | None = None


@dataclass(frozen=True, eq=False)
class Batch(Sets):
    """What a sampler gives for a step, and `gde.models.base.Model.loss` is told.

    group : (b,) int64, row in `store.groups`; -1 for mixtures and for synthetic sets.
    mix : (b, G) float32, the realised share of each of the sampler's groups in the set's real samples, by their
        weights; None without a mixer.
    params, pair_w2 : of synthetic sets their parameters, leading axis b, and the family's W2 between them,
        pair_w2(params, i, j) -> (p,); else None.
    What `gde.sets.companions` add for an objective, None for the others:
    label : (b, c) float32, share of each class.   condition : (b,) int64, number of the condition.
    next : the set that follows.   control : the set of the control.
    """

    group: Tensor | None = None
    mix: Tensor | None = None
    params: dict[str, Tensor] | None = None
    pair_w2: Callable[..., Tensor] | None = None
    label: Tensor | None = None
    condition: Tensor | None = None
    next: Companion | None = None
    control: Companion | None = None


def _moved(value: Any, device: torch.device | str) -> Any:
    if isinstance(value, dict):
        return {key: _moved(inner, device) for key, inner in value.items()}
    return value.to(device) if isinstance(value, Tensor | Sets) else value
