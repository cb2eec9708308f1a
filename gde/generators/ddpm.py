"""Denoising diffusion (Ho et al. 2020) with ancestral and DDIM (Song et al. 2021) sampling."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gde.generators.base import Modulation, PointGenerator, PointOptions, beside, spread_times
from gde.sets.random import ShardRandom


@dataclass(frozen=True, kw_only=True)
class DdpmOptions(PointOptions):
    """Options of `Ddpm`.

    steps : T; beta_start, beta_end : ends of the linear schedule.
    zero_terminal_snr : rescale the schedule so that step T is pure noise, and predict the velocity
        sqrt(a) noise - sqrt(1 - a) data instead of the noise, which is undefined there (Lin et al. 2024).
    sampler : `ancestral` takes all T steps, `ddim` takes `evaluations` of them without noise (None = T).
    """

    steps: int = 400
    beta_start: float = 1e-4
    beta_end: float = 0.02
    zero_terminal_snr: bool = False
    sampler: str = "ancestral"
    evaluations: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        steps, start, end, evaluations = self.steps, self.beta_start, self.beta_end, self.evaluations
        if steps < 2:
            raise ValueError(f"steps: found {steps}, expected at least 2")
        if not 0 < start <= end < 1:
            raise ValueError(f"beta_start, beta_end: found {start}, {end}, expected 0 < start <= end < 1")
        if self.sampler not in ("ancestral", "ddim"):
            raise ValueError(f"sampler: found {self.sampler!r}, expected ancestral or ddim")
        if evaluations is not None and (self.sampler == "ancestral" or not 1 <= evaluations <= steps):
            raise ValueError(f"evaluations: found {evaluations}, expected null, or 1 to {steps} with sampler ddim")


class Ddpm(PointGenerator):
    """Discrete-time diffusion with a linear beta schedule."""

    Options = DdpmOptions

    def __init__(self, options: DdpmOptions, **sizes: Any):
        super().__init__(options, **sizes)
        self.n_steps, self.sampler, self.predict_velocity = options.steps, options.sampler, options.zero_terminal_snr
        self.evaluations = options.evaluations or options.steps
        beta = torch.linspace(options.beta_start, options.beta_end, options.steps, dtype=torch.float64)
        signal = torch.cumprod(1 - beta, 0)
        if options.zero_terminal_snr:
            root = signal.sqrt()
            signal = ((root - root[-1]) * root[0] / (root[0] - root[-1])).square()
        self.register_buffer("signal", signal.float(), persistent=False)  # (T,) alpha-bar of steps 1..T

    def path_loss(self, y: Tensor, modulation: Modulation, rng: ShardRandom) -> Tensor:
        """Squared error of the predicted noise (or velocity), mean over features; y (b, n, d) -> (b, n)."""
        noised, t, target = self.noised(y, rng)
        return (self.net(noised, t, modulation) - target).square().flatten(2).mean(-1)

    def noised(self, y: Tensor, rng: ShardRandom) -> tuple[Tensor, Tensor, Tensor]:
        """Samples y (b, n, d) at random steps, their times (b, n), and what the network is to predict (b, n, d)."""
        noise = rng.randn(*y.shape)
        k = (spread_times(*y.shape[:2], rng) * self.n_steps).long()  # (b, n) step - 1
        a = beside(self.signal[k], y)
        target = a.sqrt() * noise - (1 - a).sqrt() * y if self.predict_velocity else noise
        return a.sqrt() * y + (1 - a).sqrt() * noise, (k + 1) / self.n_steps, target

    def solve(self, y: Tensor, modulation: Modulation, generator: torch.Generator | None) -> Tensor:
        one = self.signal.new_ones(())
        grid = torch.linspace(self.n_steps - 1, 0, self.evaluations).round().long().tolist()
        for k, after in zip(grid, grid[1:] + [-1], strict=True):
            a, b = self.signal[k], self.signal[after] if after >= 0 else one  # alpha-bar now and after this step
            out = self.predict(y, one * (k + 1) / self.n_steps, modulation)
            if self.predict_velocity:
                data, noise = a.sqrt() * y - (1 - a).sqrt() * out, a.sqrt() * out + (1 - a).sqrt() * y
            else:
                data, noise = (y - (1 - a).sqrt() * out) / a.sqrt(), out
            if self.sampler == "ddim" or after < 0:
                y = b.sqrt() * data + (1 - b).sqrt() * noise
                continue
            # ancestral step: posterior q(y_after | y, data), variance (1 - b) / (1 - a) (1 - a / b)
            variance = (1 - b) / (1 - a) * (1 - a / b)
            fresh = torch.randn(y.shape, generator=generator, device=y.device, dtype=y.dtype)
            y = b.sqrt() * data + (1 - b - variance).sqrt() * noise + variance.sqrt() * fresh
        return y
