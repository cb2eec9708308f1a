"""2-Wasserstein distance between Gaussians (Bures-Wasserstein) and its geodesics. Everything is computed in float64.

With A = S1^1/2, B = S2^1/2 and the singular values A B = P diag(s) Q^T,
    tr (S1^1/2 S2 S1^1/2)^1/2 = sum(s)   and   Bures^2 = tr S1 + tr S2 - 2 sum(s) = |A P - B Q|_F^2.
The last form has no cancellation and no inverse: it is exact for equal and for singular covariances.
Sources: Dowson and Landau 1982; Takatsu 2011; Bhatia, Jain and Lim 2019.
"""

from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from gde.distances.checks import PIECE, safe_sqrt, shape_error

_CPU_BLOCK = 2**17  # numbers per task on a CPU: 1 MB stays in the cache of one core


def _covariances(where: str, c: Tensor) -> Tensor:
    """(…, d, d) as float64, symmetrised; ValueError for a wrong shape or a non-finite entry."""
    c = torch.as_tensor(c).double()
    if c.ndim < 2 or c.shape[-1] != c.shape[-2] or c.shape[-1] == 0:
        raise shape_error(where, f"covariance {tuple(c.shape)}", "(…, d, d)", "give one square matrix per Gaussian")
    if not bool(c.isfinite().all()):
        raise shape_error(where, "NaN or infinity in a covariance", "finite numbers", "check the samples behind it")
    return (c + c.mT) / 2


def _pair(where: str, m1: Tensor, c1: Tensor, m2: Tensor, c2: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    m1, m2 = torch.as_tensor(m1).double(), torch.as_tensor(m2).double()
    c1, c2 = _covariances(where, c1), _covariances(where, c2)
    dims = {m1.shape[-1] if m1.ndim else 0, m2.shape[-1] if m2.ndim else 0, c1.shape[-1], c2.shape[-1]}
    if len(dims) != 1:
        found = f"means {tuple(m1.shape)}, {tuple(m2.shape)}, covariances {tuple(c1.shape)}, {tuple(c2.shape)}"
        raise shape_error(where, found, "means (…, d) and covariances (…, d, d) with one d", "give matching parameters")
    if not bool(m1.isfinite().all() and m2.isfinite().all()):
        raise shape_error(where, "NaN or infinity in a mean", "finite numbers", "check the samples behind it")
    return m1, c1, m2, c2


def _psd_root(where: str, c: Tensor) -> tuple[Tensor, Tensor]:
    """Symmetric root (…, d, d) and eigenvalues (…, d) ascending; negative ones beyond float32 rounding are refused."""
    values, vectors = torch.linalg.eigh(c)
    smallest, largest = values[..., 0], values.abs().amax(-1)
    if bool((smallest < -1e-5 * largest).any()):
        found = f"a covariance with eigenvalue {float(smallest.min()):g}"
        raise shape_error(where, found, "a positive semi-definite matrix", "check that it is a covariance")
    values = values.clamp_min(0)
    return (vectors * values.sqrt()[..., None, :]) @ vectors.mT, values


def _rotation_2x2(product: Tensor) -> Tensor:
    """Polar factor of A B for 2 x 2 positive semi-definite A, B: a rotation, as det(A B) >= 0. (…, 2, 2)."""
    cosine = product[..., 0, 0] + product[..., 1, 1]
    sine = product[..., 1, 0] - product[..., 0, 1]
    norm = torch.hypot(cosine, sine)
    cosine, sine = torch.where(norm > 0, cosine / norm, 1.0), torch.where(norm > 0, sine / norm, 0.0)
    return torch.stack([torch.stack([cosine, -sine], -1), torch.stack([sine, cosine], -1)], -2)


class _Bures2(torch.autograd.Function):
    """Bures^2 with its analytic gradient I - T, T the optimal map.

    Differentiating through eigh instead divides by differences of eigenvalues: NaN for isotropic covariances.
    """

    @staticmethod
    def forward(ctx, c1: Tensor, c2: Tensor) -> Tensor:
        ctx.save_for_backward(c1, c2)
        a, b = _psd_root("bures2", c1)[0], _psd_root("bures2", c2)[0]
        if c1.shape[-1] == 1:
            return (a - b)[..., 0, 0].square()
        if c1.shape[-1] == 2:
            return (a @ _rotation_2x2(a @ b) - b).square().sum((-2, -1))
        left, _, right = torch.linalg.svd(a @ b)
        return (a @ left - b @ right.mT).square().sum((-2, -1))

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
        c1, c2 = ctx.saved_tensors
        a, b = _psd_root("bures2", c1)[0], _psd_root("bures2", c2)[0]
        left, values, right = _factors(a, b)
        inverse = torch.where(values > 0, 1 / values, 0.0)[..., None, :]
        eye, grad = torch.eye(c1.shape[-1], dtype=c1.dtype, device=c1.device), grad[..., None, None]
        forward_map, backward_map = b @ right, a @ left  # T12 = B Q s^-1 Q^T B ; T21 = A P s^-1 P^T A
        grad1 = grad * (eye - (forward_map * inverse) @ forward_map.mT) if ctx.needs_input_grad[0] else None
        grad2 = grad * (eye - (backward_map * inverse) @ backward_map.mT) if ctx.needs_input_grad[1] else None
        return grad1 if grad1 is None else grad1.sum_to_size(c1.shape), (
            grad2 if grad2 is None else grad2.sum_to_size(c2.shape)
        )


def _factors(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """P, s, Q of A B = P diag(s) Q^T, with s below rounding set to exactly 0 (the pseudo-inverse's cut)."""
    left, values, right = torch.linalg.svd(a @ b)
    scale = torch.linalg.matrix_norm(a) * torch.linalg.matrix_norm(b)
    cut = 1e-12 * scale[..., None]
    return left, torch.where(values > cut, values, 0.0), right.mT


def bures2(c1: Tensor, c2: Tensor) -> Tensor:
    """Squared Bures distance tr(S1 + S2 - 2 (S1^1/2 S2 S1^1/2)^1/2), pair by pair.

    c1, c2 : (…, d, d) covariances, batch axes broadcast; singular ones are allowed.  returns (…) float64, squared unit.
    Gradient: exact for invertible covariances; on the null space of a singular one the map's pseudo-inverse is used
    (the true derivative is infinite there). First order only.
    Raises ValueError for wrong shapes, non-finite entries, an eigenvalue below -1e-5 of the largest.
    """
    c1, c2 = _covariances("bures2", c1), _covariances("bures2", c2)
    if c1.shape[-1] != c2.shape[-1]:
        found = f"covariances {tuple(c1.shape)}, {tuple(c2.shape)}"
        raise shape_error("bures2", found, "one dimension d", "compare Gaussians on the same space")
    return _Bures2.apply(c1, c2)


def gaussian_w2(m1: Tensor, c1: Tensor, m2: Tensor, c2: Tensor) -> Tensor:
    """2-Wasserstein distance (the root) between Gaussians, pair by pair.

    m1, m2 : (…, d) means.  c1, c2 : (…, d, d) covariances; batch axes broadcast.  returns (…) float64, sample unit.
    The gradient at distance 0 is 0. Raises ValueError as `bures2`.
    """
    m1, c1, m2, c2 = _pair("gaussian_w2", m1, c1, m2, c2)
    return safe_sqrt((m1 - m2).square().sum(-1) + bures2(c1, c2))


def _trace_root_block(root1: Tensor, c2: Tensor, root2: Tensor, well: bool) -> Tensor:
    """tr (S_i^1/2 S_j S_i^1/2)^1/2 of all pairs: root1 (r, d, d), c2 and root2 (s, d, d) -> (r, s)."""
    r, s, d = len(root1), len(c2), root1.shape[-1]
    right = c2 if well and d > 2 else root2
    product = right.reshape(s * d, d) @ root1.permute(1, 0, 2).reshape(d, r * d)  # one matrix product for all pairs
    product = product.reshape(s, d, r, d).permute(2, 0, 1, 3)  # (r, s, d, d)
    if d == 1:
        return product[..., 0, 0]
    if d == 2:  # nuclear norm of a 2 x 2 matrix with det >= 0
        return torch.hypot(product[..., 0, 0] + product[..., 1, 1], product[..., 1, 0] - product[..., 0, 1])
    if well:  # eigenvalues are cheaper, but their rounding error eps * largest is square-rooted: only if none is small
        return torch.linalg.eigvalsh(root1[:, None] @ product).clamp_min(0).sqrt().sum(-1)
    return torch.linalg.svdvals(product).sum(-1)


@torch.no_grad()
def gaussian_w2_matrix(m: Tensor, c: Tensor, m2: Tensor | None = None, c2: Tensor | None = None) -> Tensor:
    """2-Wasserstein distances (roots) between all pairs of Gaussians.

    m : (b, d), c : (b, d, d); m2 : (b2, d), c2 : (b2, d, d), or None for the distances within m, c (symmetric, exact
    zeros on the diagonal).  returns (b, b2) float64, unit of the samples. No gradient.
    Every root is taken once; each pair then costs one product and one values-only decomposition (closed form for
    d <= 2), in memory-sized blocks, on a CPU over torch's number of threads. Rounding: about 1e-8 * sqrt(tr S).
    Raises ValueError as `bures2`, or when only one of m2, c2 is given.
    """
    if (m2 is None) != (c2 is None):
        raise shape_error("gaussian_w2_matrix", "only one of m2 and c2", "both or neither", "give the other too")
    within = m2 is None
    m, c, m2, c2 = _pair("gaussian_w2_matrix", m, c, *((m, c) if within else (m2, c2)))
    d = m.shape[-1]
    if m.ndim != 2 or c.shape != (len(m), d, d) or m2.ndim != 2 or c2.shape != (len(m2), d, d):
        found = f"m {tuple(m.shape)}, c {tuple(c.shape)}, m2 {tuple(m2.shape)}, c2 {tuple(c2.shape)}"
        raise shape_error("gaussian_w2_matrix", found, "(b, d), (b, d, d)", "flatten the batch axes")
    root, values = _psd_root("gaussian_w2_matrix", c)
    root2, values2 = (root, values) if within else _psd_root("gaussian_w2_matrix", c2)
    # the smallest eigenvalue of a product is at least the product of the smallest ones
    spread = (
        (values[:, 0] / values[:, -1]).amin() * (values2[:, 0] / values2[:, -1]).amin() if len(m) and len(m2) else 1
    )
    well = bool(spread > 1e-6)
    cross = m.new_zeros(len(m), len(m2))

    on_cpu = m.device.type == "cpu"
    budget = (_CPU_BLOCK if on_cpu else PIECE) // (d * d) or 1
    columns = min(max(1, len(m2)), budget)
    rows = max(1, budget // columns)

    def fill(block: tuple[int, int]) -> None:
        i, j = block
        parts = (root[i : i + rows], c2[j : j + columns], root2[j : j + columns])
        cross[i : i + rows, j : j + columns] = _trace_root_block(*parts, well)

    blocks = [
        (i, j)
        for i in range(0, len(m), rows)
        for j in range(i if within else 0, len(m2), columns)  # within one set of Gaussians: the upper triangle
    ]
    if on_cpu and len(blocks) > 1:
        with ThreadPoolExecutor(torch.get_num_threads()) as pool:
            list(pool.map(torch.no_grad()(fill), blocks))  # grad mode is per thread
    else:
        for block in blocks:
            fill(block)
    trace, trace2 = values.sum(-1), values2.sum(-1)
    squared = trace[:, None] + trace2 - 2 * cross
    squared += torch.cdist(m, m2, compute_mode="donot_use_mm_for_euclid_dist").square()
    if within:
        squared = squared.triu(1)
        squared = squared + squared.mT
    return squared.clamp_min_(0).sqrt_()


def gaussian_ot_path(m1: Tensor, c1: Tensor, m2: Tensor, c2: Tensor, t: Tensor | float) -> tuple[Tensor, Tensor]:
    """The Wasserstein geodesic between Gaussians: mean linear, covariance of (1-t) x + t y under an optimal coupling.

    m1, m2 : (…, d); c1, c2 : (…, d, d); t : number or (k,) tensor in [0, 1].
    returns means (…, d), covariances (…, d, d) for a number, (…, k, d) and (…, k, d, d) for a tensor; float64.
    S_t = (1-t)^2 S1 + t^2 S2 + t (1-t) (A P Q^T B + (A P Q^T B)^T): equal to S1^-1/2 [(1-t) S1 + t (S1^1/2 S2
    S1^1/2)^1/2]^2 S1^-1/2 where S1 is invertible, and without an inverse. Where singular covariances leave several
    geodesics, the one without correlation on the null space of A B (singular values below 1e-12 relative) is returned.
    No gradient through the covariances. Raises ValueError as `gaussian_w2`, and for t outside [0, 1].
    """
    m1, c1, m2, c2 = _pair("gaussian_ot_path", m1, c1, m2, c2)
    t = torch.as_tensor(t, dtype=torch.float64, device=m1.device)
    if t.ndim > 1 or not bool(((t >= 0) & (t <= 1)).all()):
        raise shape_error("gaussian_ot_path", f"t of shape {tuple(t.shape)}", "numbers in [0, 1]", "give t as (k,)")
    with torch.no_grad():
        a, b = _psd_root("gaussian_ot_path", c1)[0], _psd_root("gaussian_ot_path", c2)[0]
        left, values, right = _factors(a, b)
        cross = a @ (left * (values > 0).double()[..., None, :]) @ right.mT @ b
        cross = cross + cross.mT
    if t.ndim:
        m1, m2 = m1[..., None, :], m2[..., None, :]
        c1, c2, cross = c1[..., None, :, :], c2[..., None, :, :], cross[..., None, :, :]
    s = t[..., None]
    means = (1 - s) * m1 + s * m2
    s = s[..., None]
    covs = (1 - s) ** 2 * c1 + s**2 * c2 + s * (1 - s) * cross
    return means.broadcast_to(covs.shape[:-1]), covs
