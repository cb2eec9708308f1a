"""Influence: how much each sample of a set pulls the set's embedding, and where to."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gde.embed import PIECE, TOKENS_PIECE, default_rows
from gde.errors import bad
from gde.models.base import Model
from gde.nets.poolers import median
from gde.nets.statistic import FeatureWise, Mean

REFERENCE = 2048  # samples of the reference distribution at most, of sequences fewer
APPENDED = 1e-3  # weight of a sample whose influence is asked for, in a set of weight one
NUMBERS = 2e7  # of one stage that backward passes hold together


def influence(
    model: Model, x: np.ndarray, weight: np.ndarray | None = None, *, reference: np.ndarray | None = None
) -> np.ndarray:
    """Influence functions (n, l) of the embedding z at the distribution P of a reference set, for samples x (n, d):

        phi(x) = d/de z((1 - e) P + e delta_x) at e = 0   (Hampel 1974), latent units.

    So z(Q) = z(P) + E_Q phi to first order, the mean of phi over P is 0, and the covariance of phi over n is that of
    the embedding of n samples (the delta method). reference (r, d) : samples of P, of which at most REFERENCE evenly
    spaced ones are taken; default x itself, with its weights (n,), samples that stand for several.

    One pass over the samples where all that the encoder pools are means; else about l passes. GdeError for an encoder
    of medians, which no single sample moves smoothly (`smooth`).
    """
    if not smooth(model):
        found, expected = "an encoder that pools medians", "one whose embedding moves smoothly with its samples"
        raise bad("influence", found, expected, "ask for the exact test, which embeds all deals anew")
    own = x if reference is None else reference
    at_most = max(16, default_rows(model, REFERENCE, TOKENS_PIECE))
    keep = np.unique(np.linspace(0, len(own) - 1, min(len(own), at_most)).round().astype(int))
    w = None if weight is None or reference is not None else weight[keep]
    base = _placed(model, own[keep])
    w = torch.ones(len(keep)) if w is None else torch.from_numpy(np.asarray(w, np.float32))
    w = (w / w.sum())[None].to(model.device)
    with model.encoder.unchanging():
        pull = _means if _only_means(model.encoder) else _appended
        rows = list(pull(model, base, w, x))
    return np.concatenate(rows) if rows else np.empty((0, model.latent_dim))


def smooth(model: Model) -> bool:
    """Whether the embedding is a differentiable function of the samples' weights."""
    statistics = (model.encoder.statistic(k) for k in range(model.encoder.n_stages))
    return not any(isinstance(s, FeatureWise) and s.pooler is median for s in statistics)


def _only_means(encoder: Any) -> bool:
    return all(isinstance(encoder.statistic(k), Mean) for k in range(encoder.n_stages))


def _placed(model: Model, x: np.ndarray) -> Tensor:
    """Samples (1, n, ...) on the device, as the encoder takes them."""
    x = model.sample_type.tensor(x)[None]
    model.sample_type.check(x, None)
    return model.standardise(model.sample_type.placed(x, model.x_mean))


def _pieces(model: Model, x: np.ndarray) -> Iterator[Tensor]:
    step = default_rows(model, PIECE, TOKENS_PIECE)
    for start in range(0, len(x), step):
        yield _placed(model, x[start : start + step])


def _jacobian(z: Tensor, of: list[Tensor]) -> list[Tensor]:
    """Derivatives (l, *shape) of z (l,) by some tensors, zero where it does not depend on one."""
    rows = [torch.autograd.grad(one, of, retain_graph=True, allow_unused=True) for one in z]
    return [
        torch.stack([torch.zeros_like(t) if g is None else g for g in column])
        for t, column in zip(of, zip(*rows, strict=True), strict=True)
    ]


def _means(model: Model, base: Tensor, weight: Tensor, x: np.ndarray) -> Iterator[np.ndarray]:
    """A set mean m_k of stage k moves by e (h_k(x) - m_k), and z by that times its derivative by m_k, those by way of
    all later stages included."""
    encoder = model.encoder
    with torch.enable_grad():
        u, h, pooled = encoder.prepare(base), None, []
        for k in range(encoder.n_stages):
            h = encoder.stage(k, u, h, pooled)
            mean = encoder.statistic(k)(h, None, weight)
            pooled.append(mean if mean.requires_grad else mean.detach().requires_grad_())
        slopes = _jacobian(encoder.readout(pooled)[0], pooled)
    pooled = [p.detach() for p in pooled]
    for piece in _pieces(model, x):
        with torch.no_grad():
            u, h, phi = encoder.prepare(piece), None, 0.0
            for k, slope in enumerate(slopes):
                h = encoder.stage(k, u, h, pooled[:k])
                phi = phi + ((h - pooled[k])[0].flatten(1) @ slope.flatten(1).T).double()
        yield phi.cpu().numpy()


def _appended(model: Model, base: Tensor, weight: Tensor, x: np.ndarray) -> Iterator[np.ndarray]:
    """Derivatives by the weights of samples that are appended to the reference with next to none."""
    for piece in _pieces(model, x):
        n = piece.shape[1]
        with torch.enable_grad():
            added = torch.full((1, n), APPENDED / n, device=weight.device, requires_grad=True)
            own = weight.clone().requires_grad_()
            z = model.encoder(torch.cat([base, piece], 1), weight=torch.cat([own, added], 1))[0]
            by_own, by_added = _jacobian(z, [own, added])
        mean = (by_own[:, 0] * weight[0]).sum(1, keepdim=True)  # of the reference, 0 but for what was appended
        yield (by_added[:, 0] - mean).T.detach().double().cpu().numpy()
