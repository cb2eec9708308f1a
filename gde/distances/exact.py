"""Exact optimal transport between samples: assignments of small sets, POT's network simplex otherwise.

On the CPU, one thread per pair of sets.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from gde.distances.checks import check_sets, clear_unweighted, safe_sqrt, set_weights, shape_error
from gde.distances.sliced import quantile_w2_squared

Array = Tensor | np.ndarray
ASSIGN_UP_TO = 256  # samples; beyond, an assignment is slower than the network simplex for sets of different shape


def solve_ot(a: np.ndarray, b: np.ndarray, cost: np.ndarray) -> np.ndarray:
    """Optimal coupling (n, m) of weights a (n,), b (m,) with sums 1 for a cost (n, m). RuntimeError if not optimal."""
    import ot  # slow to import

    plan, log = ot.emd(a, b, cost, numItermax=10_000_000, log=True, check_marginals=False)
    if log["warning"] is not None:
        raise RuntimeError(f"optimal transport {cost.shape}: {log['warning']}")
    return plan


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
    if wx is None and wy is None and n == m <= ASSIGN_UP_TO:
        one = assign
    else:
        a = np.full(x_.shape[:2], 1 / n) if wx is None else wx.detach().cpu().numpy()
        b = np.full(y_.shape[:2], 1 / m) if wy is None else wy.detach().cpu().numpy()

        def one(x: np.ndarray, y: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            from scipy.spatial.distance import cdist  # slow to import

            plan = solve_ot(a[k], b[k], cdist(x, y, "sqeuclidean"))
            i, j = np.nonzero(plan)  # at most n + m - 1
            return i, j, plan[i, j]

    arguments = (x_, y_, range(len(x_)))
    threads = min(torch.get_num_threads(), len(x_))
    if threads <= 1:
        found = list(map(one, *arguments))
    else:
        with ThreadPoolExecutor(threads) as pool:
            found = list(pool.map(one, *arguments))
    sets = np.repeat(np.arange(len(found)), [len(i) for i, _, _ in found])
    return tuple(torch.from_numpy(v).to(x.device) for v in (sets, *map(np.concatenate, zip(*found, strict=True))))


def assign(x: np.ndarray, y: np.ndarray, _: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The optimal coupling of n samples each of one weight, which is a permutation: i, j and mass 1 / n, each (n,).

    The means are taken off first: they move no assignment, and far sets cost the solver five times as much.
    """
    from scipy.optimize import linear_sum_assignment  # slow to import
    from scipy.spatial.distance import cdist

    i, j = linear_sum_assignment(cdist(x - x.mean(0), y - y.mean(0), "sqeuclidean"))
    return i, j, np.full(len(i), 1 / len(i))


def exact_w2(x: Array, y: Array, a: Array | None = None, b: Array | None = None) -> Array:
    """Exact 2-Wasserstein distance (the root) between samples.

    x : (n, d) or (b, n, d), y : (m, d) or (b, m, d), numpy or torch; n and m may differ.
    a : (n,) or (b, n), b : (m,) or (b, m) weights >= 0, normalised here; None = uniform. Weight 0 masks a sample.
    returns a scalar or (b,), float64, unit of the samples; torch when x or y is a tensor, else numpy.
    Differentiable in x and y (envelope theorem: the coupling is held fixed), not in the weights; gradient 0 at 0.
    d = 1 compares quantiles; otherwise about n^2.5 time: .1 s for n = m = 1000, in memory 16 n m bytes per thread.
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
