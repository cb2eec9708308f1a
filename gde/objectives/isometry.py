"""Latent distance = W2: asked for directly, on pairs of sets in the batch."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from gde.distances.exact import exact_w2

if TYPE_CHECKING:
    from gde.sets.batch import Batch

POINTS = 128  # samples per set for exact transport, which costs their cube


def isometry_loss(z: Tensor, batch: "Batch", *, unit: float, parts: int = 1) -> Tensor:
    """Mean over pairs of (|z_i - z_j| - W2_ij / unit)².

    W2 is in closed form between the parameters of synthetic distributions (MW2 for mixtures), and between mixtures of
    groups of images (`gde.sets.mixture_w2`), all pairs; otherwise
    exact transport between at most 128 samples of each set, neighbours in the batch.
    z : (b, l); unit : length in data units that becomes 1 in the latent space; parts : pairs are formed inside each
    of so many equal parts of the batch (its shards), so that they do not depend on the number of processes.
    """
    i, j, w2 = pair_distances(batch, parts)
    # the floor keeps the gradient of the root finite where two embeddings coincide
    latent = ((z[i] - z[j]).square().sum(-1) + 1e-12).sqrt()
    return (latent - w2.to(z) / unit).square().mean()


@torch.no_grad()
def pair_distances(batch: "Batch", parts: int = 1) -> tuple[Tensor, Tensor, Tensor]:
    """Pairs (i, j) of sets and their W2 in data units, each (p,)."""
    x, pair_w2 = batch.x, batch.pair_w2
    size = len(x) // parts
    first = torch.arange(parts, device=x.device)[:, None] * size  # (parts, 1)
    if pair_w2 is not None:
        i, j = ((first + pair).flatten() for pair in torch.triu_indices(size, size, 1, device=x.device))
        return i, j, pair_w2(batch.params, i, j)
    i = torch.arange(len(x), device=x.device)
    j = (first + torch.arange(size, device=x.device).roll(1)).flatten()
    x = x[:, :POINTS]
    real = None if batch.mask is None else batch.mask[:, :POINTS].to(x)
    return i, j, exact_w2(x, x[j], real, None if real is None else real[j])
