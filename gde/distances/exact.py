"""Exact optimal transport between samples: assignments of sets of one size, POT's network simplex otherwise.

On the CPU, one thread per pair of sets.
"""

from concurrent.futures import ThreadPoolExecutor
from math import isqrt

import numpy as np
import torch
from torch import Tensor

from gde.distances.checks import check_sets, clear_unweighted, safe_sqrt, set_weights, shape_error
from gde.distances.sliced import quantile_w2_squared

Array = Tensor | np.ndarray
ASSIGN_UP_TO = 1000  # samples; beyond, the network simplex is faster
REDUCE_FROM = 256  # samples; below, near potentials save less than they take


def solve_ot(a: np.ndarray, b: np.ndarray, cost: np.ndarray) -> np.ndarray:
    """Optimal coupling (n, m) of weights a (n,), b (m,) with sums 1 for a cost (n, m). RuntimeError if not optimal."""
    return _network_simplex(a, b, cost)[0]


def _network_simplex(a: np.ndarray, b: np.ndarray, cost: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Optimal coupling (n, m) and the potential (n,) of a."""
    import ot  # slow to import

    plan, log = ot.emd(a, b, cost, numItermax=10_000_000, log=True, check_marginals=False)
    if log["warning"] is not None:
        raise RuntimeError(f"optimal transport {cost.shape}: {log['warning']}")
    return plan, log["u"]


def reduce_cost(a: np.ndarray, b: np.ndarray, cost: np.ndarray) -> None:
    """Take potentials that are nearly optimal off a cost (n, m) in place: no coupling's rank changes, the cost stays
    >= 0, and a solver that starts from zero is nearly done.

    They are the mean of the optimal potentials of disjoint parts of the samples: what sampling does to the potentials
    of a part averages out over the parts, which take a fraction of the time of the whole.
    """
    parts = isqrt(min(cost.shape)) // 4  # more are solved sooner, but lie further from the optimum
    u = np.zeros(len(cost))
    for k in range(parts):
        own = slice(k, None, parts)
        part = np.ascontiguousarray(cost[own, own])
        potential = _network_simplex(a[own] / a[own].sum(), b[own] / b[own].sum(), part)[1]
        v = (part - potential[:, None]).min(0)
        u += (cost[:, own] - v).min(1)
    cost -= (cost - u[:, None] / parts).min(0)
    cost -= cost.min(1, keepdims=True)


def _batched(where: str, x: Array, y: Array, a: Array | None, b: Array | None) -> tuple:
    """Tensors (b, n, d), (b, m, d) in float64, weights (b, n), (b, m) or None, and whether the batch axis was added."""
    x, y = torch.as_tensor(x), torch.as_tensor(y)
    single = x.ndim == 2 and y.ndim == 2
    if single:
        x, y = x[None], y[None]
        a, b = (None if w is None else torch.as_tensor(w)[None] for w in (a, b))
    x, y = (z if z.is_floating_point() else z.double() for z in (x, y))
    check_sets(where, x, y)
    wx, wy = (None if w is None else torch.as_tensor(w, device=x.device) for w in (a, b))
    wx, wy = set_weights(where, x, wx, None), set_weights(where, y, wy, None)
    x, y = clear_unweighted(x.double(), wx), clear_unweighted(y.double(), wy)
    if not bool(x.isfinite().all() and y.isfinite().all()):
        raise shape_error(where, "NaN or infinity in the samples", "finite numbers", "give padded samples weight 0")
    return x, y, wx, wy, single


def _couplings(x: Tensor, y: Tensor, wx: Tensor | None, wy: Tensor | None) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The pairs that carry mass in the optimal couplings of b pairs of sets: set, sample of x, sample of y, mass."""
    x_, y_ = x.detach().cpu().numpy(), y.detach().cpu().numpy()
    n, m = x.shape[1], y.shape[1]
    assigned = wx is None and wy is None and n == m <= ASSIGN_UP_TO
    a = np.full(x_.shape[:2], 1 / n) if wx is None else wx.detach().cpu().numpy()
    b = np.full(y_.shape[:2], 1 / m) if wy is None else wy.detach().cpu().numpy()

    def one(*pair: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return _coupling(*pair, assigned=assigned)

    arguments = (x_, y_, a, b)
    threads = min(torch.get_num_threads(), len(x_))
    if threads <= 1:
        found = list(map(one, *arguments))
    else:
        with ThreadPoolExecutor(threads) as pool:
            found = list(pool.map(one, *arguments))
    sets = np.repeat(np.arange(len(found)), [len(i) for i, _, _ in found])
    return tuple(torch.from_numpy(v).to(x.device) for v in (sets, *map(np.concatenate, zip(*found, strict=True))))


def _coupling(
    x: np.ndarray, y: np.ndarray, a: np.ndarray, b: np.ndarray, *, assigned: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The pairs i, j that carry mass in the optimal coupling of x (n, d), y (m, d), and their mass, each (pairs,).

    assigned : n samples each of one weight; the coupling is a permutation. The means are taken off first: they change
    no coupling, and far sets cost the solvers up to five times as much.
    """
    from scipy.optimize import linear_sum_assignment  # slow to import
    from scipy.spatial.distance import cdist

    cost = cdist(x - a @ x, y - b @ y, "sqeuclidean")
    if min(cost.shape) >= REDUCE_FROM and a.all() and b.all():
        reduce_cost(a, b, cost)
    if assigned:
        i, j = linear_sum_assignment(cost)
        return i, j, a
    plan = solve_ot(a, b, cost)
    i, j = np.nonzero(plan)  # at most n + m - 1
    return i, j, plan[i, j]


def exact_w2(x: Array, y: Array, a: Array | None = None, b: Array | None = None) -> Array:
    """Exact 2-Wasserstein distance (the root) between samples.

    x : (n, d) or (b, n, d), y : (m, d) or (b, m, d), numpy or torch; n and m may differ.
    a : (n,) or (b, n), b : (m,) or (b, m) weights >= 0, normalised here; None = uniform. Weight 0 masks a sample.
    returns a scalar or (b,), float64, unit of the samples; torch when x or y is a tensor, else numpy.
    Differentiable in x and y (envelope theorem: the coupling is held fixed), not in the weights; gradient 0 at 0.
    d = 1 compares quantiles; otherwise about n^2.5 time: .07 s for n = m = 1000, in memory 16 n m bytes per thread.
    Raises ValueError on wrong shapes or non-finite samples, RuntimeError when the solver stops early.
    """
    as_numpy = not isinstance(x, Tensor) and not isinstance(y, Tensor)
    x, y, wx, wy, single = _batched("exact_w2", x, y, a, b)
    if x.shape[-1] == 1:
        wx, wy = (None if w is None else w.detach() for w in (wx, wy))
        squared = quantile_w2_squared(x[..., 0], y[..., 0], wx, wy)
    else:
        k, i, j, mass = _couplings(x, y, wx, wy)
        squared = x.new_zeros(len(x)).index_add(0, k, mass * (x[k, i] - y[k, j]).square().sum(-1))
    w2 = safe_sqrt(squared)[0] if single else safe_sqrt(squared)
    return w2.numpy()[()] if as_numpy else w2


def exact_ot_plan(x: Array, y: Array, a: Array | None = None, b: Array | None = None) -> Array:
    """Optimal coupling for the squared distance: (n, m) or (b, n, m) float64, rows summing to a and columns to b.

    Arguments, return kind and errors as `exact_w2`; no gradient.
    """
    as_numpy = not isinstance(x, Tensor) and not isinstance(y, Tensor)
    x, y, wx, wy, single = _batched("exact_ot_plan", x, y, a, b)
    k, i, j, mass = _couplings(x, y, wx, wy)
    plan = x.new_zeros(len(x), x.shape[1], y.shape[1]).index_put((k, i, j), mass)
    plan = plan[0] if single else plan
    return plan.numpy() if as_numpy else plan
