"""A Gaussian read off the embedding: the frame in which a generator works on the shape that remains."""

import math

import torch
from torch import Tensor, nn

from gde.nets.pool import set_mean, set_products

START = -2.0  # logarithm of the first scales, standardised units; clamped only so that no step overflows
FULL_UP_TO = 32  # beyond this many features the covariance is diagonal: a full one grows with the square


class GaussianFrame(nn.Module):
    """Location m(z) and lower-triangular scale L(z); samples are x = m(z) + L(z) y with y ~ zero mean, unit covariance.

    Fitted by maximum likelihood (`nll`), whose optimum for any distribution has its first two moments exactly; the
    moments then cost the generator nothing and a coarse solver cannot shrink them. Units: standardised features.
    Features beyond FULL_UP_TO get a diagonal scale. The scale is at least `floor`, so that a degenerate set (one
    sample, a constant feature) has a finite likelihood.
    """

    def __init__(self, dim: int, latent_dim: int, hidden: int, floor: float = 0.01):
        super().__init__()
        self.dim, self.floor, self.full = dim, floor, dim <= FULL_UP_TO
        n_off = dim * (dim - 1) // 2 if self.full else 0
        n_out = 2 * dim + n_off
        self.linear = nn.Linear(latent_dim, n_out)
        self.residual = nn.Sequential(
            nn.Linear(latent_dim, hidden), nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU(), nn.Linear(hidden, n_out)
        )
        nn.init.zeros_(self.residual[-1].weight)
        nn.init.zeros_(self.residual[-1].bias)
        if self.full:
            rows, cols = torch.tril_indices(dim, dim, -1)
            self.register_buffer("rows", rows, persistent=False)
            self.register_buffer("cols", cols, persistent=False)

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """z : (b, l).   returns location (b, 1, d) and scale (b, d, d) lower-triangular, or (b, 1, d) when diagonal."""
        with torch.autocast(z.device.type, enabled=False):  # triangular solves have no bfloat16
            z = z.to(self.linear.weight.dtype)
            out = self.linear(z) + self.residual(z)
        location, diagonal, off = out.split([self.dim, self.dim, out.shape[-1] - 2 * self.dim], -1)
        # Logarithmic, rows relative to their diagonal: the likelihood then weighs an error of a narrow set as one of a
        # wide set. In absolute units the location's errors drown those of the scale.
        diagonal = self.floor + (diagonal + START).clamp(-12, 12).exp()
        if not self.full:
            return location[:, None], diagonal[:, None]
        off = off * diagonal[:, self.rows]
        scale = torch.diag_embed(diagonal)
        return location[:, None], scale.index_put(
            (torch.arange(len(z), device=z.device)[:, None], self.rows, self.cols), off
        )

    @torch.no_grad()
    def of_samples(self, x: Tensor, mask: Tensor | None, weight: Tensor | None) -> tuple[Tensor, Tensor]:
        """Location and scale of the samples themselves, shaped as by `forward`; floor² is added to the variances.

        A generator trains on samples in this frame, not in the predicted one, which moves while it is learned: its
        target, and with it the meaning of its loss, then stays the same throughout training.
        """
        location = set_mean(x, mask, weight)
        y = x - location
        if not self.full:
            return location, (set_mean(y.square(), mask, weight) + self.floor**2).sqrt()
        covariance = set_products(y, mask, weight)  # (b, d, d)
        covariance.diagonal(dim1=-2, dim2=-1).add_(self.floor**2)
        return location, torch.linalg.cholesky(covariance).to(x.dtype)

    def to_frame(self, x: Tensor, location: Tensor, scale: Tensor) -> Tensor:
        """y = L^-1 (x - m); (b, n, d) -> (b, n, d)."""
        if not self.full:
            return (x - location) / scale
        return torch.linalg.solve_triangular(scale.mT, x - location, upper=True, left=False)

    def from_frame(self, y: Tensor, location: Tensor, scale: Tensor) -> Tensor:
        """x = m + L y; (b, n, d) -> (b, n, d)."""
        return location + (y * scale if not self.full else y @ scale.mT)

    def nll(self, y: Tensor, scale: Tensor) -> Tensor:
        """Negative log-likelihood of each sample, in nats per feature; y : (b, n, d) in the frame -> (b, n)."""
        diagonal = scale.squeeze(1) if not self.full else scale.diagonal(dim1=-2, dim2=-1)
        log_det = diagonal.log().sum(-1, keepdim=True)  # (b, 1)
        return (0.5 * y.square().sum(-1) + log_det) / self.dim + 0.5 * math.log(2 * math.pi)
