"""Mean of the Gaussian kernel over all pairs of samples, with its gradient from the same pass."""

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from gde.distances.checks import PIECE, pieces


class _KernelMean(torch.autograd.Function):
    """Value and slopes from one kernel matrix: d/dx_i sum_j K_ij = -2 (x_i sum_j K_ij - sum_j K_ij y_j), two columns
    more of the product that the value needs. Left to autograd, the matrix would be kept and passed five times more."""

    @staticmethod
    def forward(ctx, x, y, a, b, own):
        n, m = x.shape[1], y.shape[1]
        value, slope_x, slope_y = x.new_zeros(len(x)), torch.zeros_like(x), torch.zeros_like(y)
        rows = max(1, min(n, PIECE // m))
        for s in pieces(len(x), rows * m):
            for r in (slice(start, start + rows) for start in range(0, n, rows)):
                k = gaussian(x[s, r], y[s])
                if own:
                    k.diagonal(r.start, 1, 2).fill_(1.0)  # exactly: self_weight takes it off again
                total = times(k.mT, b[s])
                value[s] += (total * a[s, r]).sum(1)
                if ctx.needs_input_grad[0]:
                    slope_x[s, r] = x[s, r] * total[..., None] - k @ (y[s] * b[s, :, None])
                if ctx.needs_input_grad[1]:
                    slope_y[s] += y[s] * times(k, a[s, r])[..., None] - k.mT @ (x[s, r] * a[s, r, None])
        # where x is y it stands on both sides, and the kernel is symmetric
        ctx.save_for_backward((-4 if own else -2) * a[..., None] * slope_x, -2 * b[..., None] * slope_y)
        return value

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        slopes = (grad[:, None, None] * s for s in ctx.saved_tensors)
        return *slopes, None, None, None


def kernel_mean(x: Tensor, y: Tensor, wx: Tensor | None, wy: Tensor | None) -> Tensor:
    """Sum over i, j of wx_i wy_j exp(-|x_i - y_j|²), one value per pair of sets.

    x : (b, n, d), y : (b, m, d), near the origin and in units of the kernel; wx : (b, n), wy : (b, m) with sums 1,
    None = uniform.  returns (b,) in the dtype of x. Differentiable in x and y, not in the weights. When y is x, the
    kernel of a sample with itself is exactly 1. Memory: a few times PIECE or m numbers, if that is more.
    """
    a, b = (z.new_full(z.shape[:2], 1 / z.shape[1]) if w is None else w.to(z) for z, w in ((x, wx), (y, wy)))
    return _KernelMean.apply(x, y.detach() if y is x else y, a, b, y is x)


def times(k: Tensor, w: Tensor) -> Tensor:
    """w k : (b, n, m), (b, n) -> (b, m). From the left, which is twice as fast as from the right."""
    return (w[:, None] @ k).squeeze(1)


def gaussian(x: Tensor, y: Tensor) -> Tensor:
    """exp(-|x_i - y_j|²), (b, n, m), from a single product of matrices; at most 1."""
    ones_x, ones_y = torch.ones_like(x[..., :1]), torch.ones_like(y[..., :1])
    left = torch.cat([2 * x, -x.square().sum(-1, keepdim=True), ones_x], -1)
    right = torch.cat([y, ones_y, -y.square().sum(-1, keepdim=True)], -1)
    # from below, too: what is beneath the rounding of the sum anyway would be denormal and slow
    return torch.bmm(left, right.mT).clamp_(-50.0, 0.0).exp_()
