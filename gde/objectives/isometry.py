"""Latent distance = W2: asked for directly, on pairs of sets in the batch."""

import torch
from torch import Tensor

from gde.distances import exact_w2, gaussian_w2_matrix, mw2_matrix

POINTS = 128  # samples per set for exact transport, which costs their cube


def isometry_loss(z: Tensor, batch: dict, *, unit: float) -> Tensor:
    """Mean over pairs of (|z_i - z_j| - W2_ij / unit)².

    W2 is in closed form between the parameters of synthetic Gaussians and mixtures (MW2), all pairs of the batch;
    otherwise exact transport between at most 128 samples of each set, neighbours in the batch.
    z : (b, l); unit : length in data units that becomes 1 in the latent space.
    """
    i, j, w2 = pair_distances(batch)
    # the floor keeps the gradient of the root finite where two embeddings coincide
    latent = ((z[i] - z[j]).square().sum(-1) + 1e-12).sqrt()
    return (latent - w2.to(z) / unit).square().mean()


@torch.no_grad()
def pair_distances(batch: dict) -> tuple[Tensor, Tensor, Tensor]:
    """Pairs (i, j) of sets and their W2 in data units, each (p,)."""
    x, b = batch["x"], len(batch["x"])
    if (params := batch.get("params")) is not None:
        if "weight" in params:
            w2 = mw2_matrix(params["weight"], params["mean"], params["cov"])
        else:
            w2 = gaussian_w2_matrix(params["mean"], params["cov"])
        i, j = torch.triu_indices(b, b, 1, device=x.device)
        return i, j, w2[i, j]
    i = torch.arange(b, device=x.device)
    j = i.roll(1)
    x = x[:, :POINTS]
    real = None if batch["mask"] is None else batch["mask"][:, :POINTS].to(x)
    return i, j, exact_w2(x, x[j], real, None if real is None else real[j])
