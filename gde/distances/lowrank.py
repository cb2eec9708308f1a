"""2-Wasserstein distance between Gaussians whose covariances are given by factors of low rank."""

import torch
from torch import Tensor

from gde.distances.checks import pieces, shape_error


@torch.no_grad()
def lowrank_w2(m1: Tensor, f1: Tensor, m2: Tensor, f2: Tensor) -> Tensor:
    """W2 (the root) between N(m1, F1 F1') and N(m2, F2 F2'), pair by pair, without any (d, d) matrix.

    m1, m2 : (p, d) means.  f1 : (p, d, r), f2 : (p, d, s) factors.  returns (p,) float64; no gradient.
    With F1' F2 = P diag(s) Q', Bures² = |F1|² + |F2|² - 2 sum(s) = |F1 P - F2 Q|² over the common columns plus the rest
    of the wider factor: no cancellation. Raises ValueError for other shapes.
    """
    shapes = f"means {tuple(m1.shape)}, {tuple(m2.shape)}, factors {tuple(f1.shape)}, {tuple(f2.shape)}"
    if m1.ndim != 2 or m1.shape != m2.shape or f1.ndim != 3 or f2.ndim != 3:
        raise shape_error("lowrank_w2", shapes, "(p, d) and (p, d, r)", "pair the Gaussians one to one")
    if f1.shape[:2] != m1.shape or f2.shape[:2] != m1.shape:
        raise shape_error("lowrank_w2", shapes, "one p and one d", "pair the Gaussians one to one")
    out = m1.new_zeros(len(m1), dtype=torch.float64)
    for part in pieces(len(m1), 4 * m1.shape[1] * max(f1.shape[2], f2.shape[2])):
        a, b = f1[part].double(), f2[part].double()
        left, _, right = torch.linalg.svd(a.mT @ b)  # (p, r, r), (p, s, s)
        a, b = a @ left, b @ right.mT
        common = min(a.shape[2], b.shape[2])
        squared = (m1[part].double() - m2[part].double()).square().sum(1)
        squared += (a[..., :common] - b[..., :common]).square().sum((1, 2))
        squared += a[..., common:].square().sum((1, 2)) + b[..., common:].square().sum((1, 2))
        out[part] = squared.sqrt()
    return out
