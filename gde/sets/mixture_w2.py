"""W2 between mixtures of groups that are all as far from each other."""

import torch
from torch import Tensor


def mixture_w2(params: dict[str, Tensor], i: Tensor, j: Tensor) -> Tensor:
    """W2 distances (p,) float64 between sets i and j (p,) of shares params["probability"] (b, k) of k groups, in normal
    approximation: a sample is the corner of its group, so that a set has mean p and covariance diag p - p p'; two
    groups alone are sqrt 2 apart. It is the published measure of the geometry of mixtures (arXiv 2505.18150), and
    closed: of groups whose samples cost too much to be transported, such as images.
    """
    from gde.distances.gaussian import gaussian_w2

    p = params["probability"].double()
    used = p.any(0)  # groups of no set of the batch add nothing
    p = p[:, used] / p.sum(1, keepdim=True)
    covariance = torch.diag_embed(p) - p[:, :, None] * p[:, None]
    return gaussian_w2(p[i], covariance[i], p[j], covariance[j])
