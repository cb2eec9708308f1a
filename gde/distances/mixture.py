"""MW2: optimal transport between Gaussian mixtures whose couplings are themselves Gaussian mixtures.

MW2^2 = min over couplings pi of the component weights of sum_kl pi_kl W2^2(N_k, N_l) >= W2^2. Delon and Desolneux 2020.
"""

from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from itertools import combinations

import numpy as np
import torch
from torch import Tensor

from gde.distances.checks import pieces, safe_sqrt, shape_error
from gde.distances.exact import solve_ot
from gde.distances.gaussian import bures2, gaussian_w2_matrix

_MAX_VERTICES = 100  # above this many candidate couplings the network simplex is faster


def check_mixture(where: str, w: Tensor, m: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Weights (b, k) normalised, means (b, k, d), covariances (b, k, d, d), all float64; ValueError otherwise."""
    w, m, c = (torch.as_tensor(t).double() for t in (w, m, c))
    if m.ndim != 3 or w.shape != m.shape[:2] or c.shape != (*m.shape, m.shape[-1]):
        found = f"weights {tuple(w.shape)}, means {tuple(m.shape)}, covariances {tuple(c.shape)}"
        raise shape_error(where, found, "(b, k), (b, k, d), (b, k, d, d)", "give one mixture per row")
    if not bool(((w >= 0).all(-1) & (w.sum(-1) > 0) & w.isfinite().all(-1)).all()):
        raise shape_error(where, "a negative, non-finite or all-zero weight", "weights >= 0", "check the mixture")
    return w / w.sum(-1, keepdim=True), m, c


@lru_cache
def _vertices(k: int, m: int) -> Tensor:
    """Linear maps (v, k * m, k + m - 1) from the marginals (a, b without its last) to the basic couplings of k x m.

    A vertex of the transport polytope lives on a spanning tree of the k + m nodes: k^(m-1) m^(k-1) trees.
    """
    constraints = np.zeros((k + m, k * m))
    for cell in range(k * m):
        constraints[cell // m, cell] = constraints[k + cell % m, cell] = 1
    size = k + m - 1
    maps = []
    for basis in combinations(range(k * m), size):
        square = constraints[:-1, basis]
        if abs(np.linalg.det(square)) > 0.5:  # totally unimodular: the determinant is 0 or +-1
            solution = np.zeros((k * m, size))
            solution[list(basis)] = np.round(np.linalg.inv(square))
            maps.append(solution)
    return torch.from_numpy(np.stack(maps))


def _couplings(w1: Tensor, w2: Tensor, cost: Tensor) -> Tensor:
    """Optimal couplings (p, k, m) of weights (p, k), (p, m) for costs (p, k, m); every vertex is tried if few."""
    p, k, m = cost.shape
    if k ** (m - 1) * m ** (k - 1) > _MAX_VERTICES:
        problems = zip(*(t.detach().cpu().numpy() for t in (w1, w2, cost)), strict=True)
        with ThreadPoolExecutor(torch.get_num_threads()) as pool:
            plans = list(pool.map(lambda args: solve_ot(*map(np.ascontiguousarray, args)), problems))
        return torch.from_numpy(np.stack(plans)).to(cost.device)
    maps = _vertices(k, m).to(cost.device)
    marginals = torch.cat([w1, w2[:, :-1]], 1)
    best = []
    for part in pieces(p, maps.shape[0] * k * m):
        candidates = torch.einsum("vcs,ps->pvc", maps, marginals[part])
        total = torch.einsum("pvc,pc->pv", candidates, cost[part].flatten(1))
        total = total.masked_fill(candidates.amin(-1) < -1e-12, torch.inf)
        chosen = total.argmin(1)
        best.append(candidates[torch.arange(len(chosen), device=chosen.device), chosen].clamp_min(0))
    return torch.cat(best).reshape(p, k, m)


def mw2(w1: Tensor, m1: Tensor, c1: Tensor, w2: Tensor, m2: Tensor, c2: Tensor) -> Tensor:
    """MW2 distance (the root) between Gaussian mixtures, pair by pair.

    w1 : (b, k), m1 : (b, k, d), c1 : (b, k, d, d); w2, m2, c2 the same with their own k. Weights are normalised here.
    returns (b,) float64, unit of the samples. Differentiable in means and covariances (coupling held fixed: envelope
    theorem), not in the weights. Raises ValueError on wrong shapes, RuntimeError when the solver stops early.
    """
    w1, m1, c1 = check_mixture("mw2", w1, m1, c1)
    w2, m2, c2 = check_mixture("mw2", w2, m2, c2)
    if len(w1) != len(w2) or m1.shape[-1] != m2.shape[-1]:
        found = f"means {tuple(m1.shape)} and {tuple(m2.shape)}"
        raise shape_error("mw2", found, "the same b and d", "pair the mixtures one to one, or use mw2_matrix")
    cost = (m1[:, :, None] - m2[:, None]).square().sum(-1) + bures2(c1[:, :, None], c2[:, None])  # (b, k1, k2)
    with torch.no_grad():
        coupling = _couplings(w1, w2, cost)
    return safe_sqrt((coupling * cost).sum((1, 2)))


@torch.no_grad()
def mw2_matrix(w: Tensor, m: Tensor, c: Tensor) -> Tensor:
    """MW2 distances (roots) between all pairs of mixtures.

    w : (b, k), m : (b, k, d), c : (b, k, d, d).  returns (b, b) float64, symmetric, zero diagonal; no gradient.
    The component distances take 8 (b k)^2 bytes. Errors as `mw2`.
    """
    w, m, c = check_mixture("mw2_matrix", w, m, c)
    b, k = w.shape
    squared = gaussian_w2_matrix(m.flatten(0, 1), c.flatten(0, 1)).square_().reshape(b, k, b, k)
    i, j = torch.triu_indices(b, b, 1, device=w.device)
    result = w.new_zeros(b, b)
    for part in pieces(len(i), k * k):
        cost = squared[i[part], :, j[part]]  # (p, k, k)
        result[i[part], j[part]] = (_couplings(w[i[part]], w[j[part]], cost) * cost).sum((1, 2)).sqrt()
    return result + result.mT
