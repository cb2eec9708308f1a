"""Flow matching (Lipman et al. 2023; Albergo & Vanden-Eijnden 2023)."""

import math
from itertools import pairwise

import torch
from torch import Tensor

from gde.generators.base import Modulation, PointGenerator, spread_times
from gde.sets.random import ShardRandom


class Flow(PointGenerator):
    """Velocity field from noise to data along y_t = cos(pi t / 2) noise + sin(pi t / 2) data.

    This path is the linear one up to a change of time and scale, with unit variance all along: between two standard
    normals its velocity is zero, so that (with `affine`) a Gaussian needs no transport and a coarse solver makes no
    error in its variance. The network learns the velocity divided by pi / 2.

    solver : euler (order 1), midpoint or heun (order 2, two evaluations a step).
    evaluations : network evaluations per sample drawn; even for the second-order solvers.
    """

    def __init__(
        self,
        dim: int,
        latent_dim: int,
        *,
        hidden: int = 128,
        layers: int = 4,
        time_features: int = 16,
        drop: float = 0.0,
        guidance: float = 1.0,
        affine: bool = False,
        moment_weight: float = 1.0,
        solver: str = "midpoint",
        evaluations: int = 16,
    ):
        super().__init__(
            dim,
            latent_dim,
            hidden=hidden,
            layers=layers,
            time_features=time_features,
            drop=drop,
            guidance=guidance,
            affine=affine,
            moment_weight=moment_weight,
        )
        if solver not in SOLVERS:
            raise ValueError(f"solver: found {solver!r}, expected one of {', '.join(SOLVERS)}")
        self.step, order = SOLVERS[solver]
        if evaluations < order or evaluations % order:
            raise ValueError(f"evaluations: found {evaluations}, expected a positive multiple of {order} for {solver}")
        self.n_steps = evaluations // order

    def path_loss(self, y: Tensor, modulation: Modulation, rng: ShardRandom) -> Tensor:
        """Squared error of the velocity, mean over features; y (b, n, d) -> (b, n)."""
        noise = rng.randn(*y.shape)
        t = spread_times(*y.shape[:2], rng)
        angle = (math.pi / 2 * t)[..., None]
        cos, sin = angle.cos(), angle.sin()
        velocity = self.net(cos * noise + sin * y, t, modulation)
        return (velocity - (cos * y - sin * noise)).square().mean(-1)

    def solve(self, y: Tensor, modulation: Modulation, generator: torch.Generator | None) -> Tensor:
        times = torch.linspace(0, 1, self.n_steps + 1, device=y.device, dtype=y.dtype)

        def velocity(y: Tensor, t: Tensor) -> Tensor:
            return math.pi / 2 * self.predict(y, t, modulation)

        for t0, t1 in pairwise(times):
            y = self.step(velocity, y, t0, t1 - t0)
        return y


def euler(f, y: Tensor, t: Tensor, dt: Tensor) -> Tensor:
    """One explicit Euler step of dy/dt = f(y, t)."""
    return y + dt * f(y, t)


def midpoint(f, y: Tensor, t: Tensor, dt: Tensor) -> Tensor:
    """One step of the explicit midpoint rule (order 2)."""
    return y + dt * f(y + dt / 2 * f(y, t), t + dt / 2)


def heun(f, y: Tensor, t: Tensor, dt: Tensor) -> Tensor:
    """One step of Heun's method, the explicit trapezoidal rule (order 2)."""
    v0 = f(y, t)
    return y + dt / 2 * (v0 + f(y + dt * v0, t + dt))


SOLVERS = {"euler": (euler, 1), "midpoint": (midpoint, 2), "heun": (heun, 2)}
