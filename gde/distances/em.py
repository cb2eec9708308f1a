"""Expectation-maximisation of Gaussian mixtures from given parameters, for many sets at once."""

import math

import torch
from torch import Tensor

from gde.distances.checks import pieces, set_weights, shape_error
from gde.distances.mixture import check_mixture


def _step(x: Tensor, v: Tensor, w: Tensor, m: Tensor, c: Tensor, floor: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """One EM step: the new parameters and the mean log-likelihood before it.

    x (b, d, n) samples, v (b, n) their weights with sums 1. All moments are taken of the samples whitened by the
    current component, u = L^-1 (x - m): one product for every component, and no cancellation far from the origin.
    """
    b, k, d = m.shape
    factor = torch.linalg.cholesky(c)
    eye = torch.eye(d, dtype=x.dtype, device=x.device)
    inverse = torch.linalg.solve_triangular(factor, eye.expand_as(factor), upper=False)
    shift = (inverse @ m[..., None]).reshape(b, k * d, 1)
    u = torch.baddbmm(shift, inverse.reshape(b, k * d, d), x, beta=-1).reshape(b, k, d, -1)
    constant = w.log() - factor.diagonal(dim1=-2, dim2=-1).log().sum(-1) - 0.5 * d * math.log(2 * math.pi)
    joint = constant[..., None] - 0.5 * u.square().sum(2)  # (b, k, n)
    evidence = joint.logsumexp(1, keepdim=True)
    likelihood = (evidence[:, 0] * v).sum(-1)
    share = (joint - evidence).exp() * v[:, None]  # (b, k, n)
    mass = share.sum(-1)
    weighted = u * share[:, :, None]  # (b, k, d, n)
    scale = mass.clamp_min(1e-300)
    mean_u = weighted.sum(-1) / scale[..., None]
    cov_u = weighted @ u.mT / scale[..., None, None] - mean_u[..., None] * mean_u[..., None, :]
    means = m + (factor @ mean_u[..., None])[..., 0]
    covs = factor @ cov_u @ factor.mT
    covs = (covs + covs.mT) / 2 + floor * eye
    alive = mass > 1e-12  # a component that no sample supports keeps its place and shape
    means = torch.where(alive[..., None], means, m)
    covs = torch.where(alive[..., None, None], covs, c)
    return mass / mass.sum(-1, keepdim=True), means, covs, likelihood


@torch.no_grad()
def fit_gmm_from(
    points: Tensor,
    w: Tensor,
    m: Tensor,
    c: Tensor,
    *,
    mask: Tensor | None = None,
    steps: int = 100,
    tolerance: float = 1e-3,
    floor: float = 1e-6,
) -> tuple[Tensor, Tensor, Tensor]:
    """Fit a Gaussian mixture to every set by EM started at the given parameters (the published GMM metric).

    points : (b, n, d); w : (b, k), m : (b, k, d), c : (b, k, d, d) the start; mask : (b, n) bool, True = real.
    Each set stops when its mean log-likelihood per sample rises by less than `tolerance`, at the latest after `steps`:
    the rule and defaults of scikit-learn's GaussianMixture. floor : variance (squared unit of the points) added to
    every covariance's diagonal, start included, so that it cannot collapse on one sample.
    returns weights (b, k), means (b, k, d), covariances (b, k, d, d), float64. Component k stays the successor of the
    start's component k; one that loses all samples keeps its mean and covariance with weight 0.
    Raises ValueError on wrong shapes, non-finite points, or floor <= 0.
    """
    w, m, c = check_mixture("fit_gmm_from", w, m, c)
    x = torch.as_tensor(points).double()
    if x.ndim != 3 or len(x) != len(m) or x.shape[-1] != m.shape[-1] or x.shape[1] == 0:
        found = f"points {tuple(x.shape)} for means {tuple(m.shape)}"
        raise shape_error("fit_gmm_from", found, f"({len(m)}, n, {m.shape[-1]})", "give one set of points per mixture")
    if not floor > 0 or steps < 1:
        raise shape_error("fit_gmm_from", f"floor = {floor}, steps = {steps}", "both positive", "use the defaults")
    v = set_weights("fit_gmm_from", x, None, mask)
    if v is None:
        v = x.new_full((1, 1), 1 / x.shape[1]).expand(x.shape[:2])
    else:
        x = x.masked_fill((v == 0)[..., None], 0.0)
    if not bool(x.isfinite().all()):
        raise shape_error("fit_gmm_from", "NaN or infinity in the points", "finite numbers", "check the generator")
    c = (c + c.mT) / 2 + floor * torch.eye(x.shape[-1], dtype=x.dtype, device=x.device)
    w, m, c = w.clone(), m.clone(), c.clone()
    x = x.mT.contiguous()
    for part in pieces(len(x), 16 * m.shape[1] * x[0].numel()):  # small parts: a step is many passes over its memory
        running = torch.arange(part.start, part.stop, device=x.device)
        before = x.new_full((len(running),), -torch.inf)
        for _ in range(steps):
            *new, likelihood = _step(x[running], v[running], w[running], m[running], c[running], floor)
            for target, value in zip((w, m, c), new, strict=True):
                target[running] = value
            going = (likelihood - before).abs() >= tolerance
            running, before = running[going], likelihood[going]
            if len(running) == 0:
                break
    return w, m, c
