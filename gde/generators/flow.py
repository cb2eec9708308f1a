"""Flow matching (Lipman et al. 2023; Albergo & Vanden-Eijnden 2023)."""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from gde.generators.base import Modulation, PointGenerator, PointOptions, beside, spread_times
from gde.sets.random import ShardRandom


@dataclass(frozen=True, kw_only=True)
class FlowOptions(PointOptions):
    """Options of `Flow`.

    solver : euler (order 1), midpoint or heun (order 2, two evaluations a step).
    evaluations : network evaluations per sample drawn; even for the second-order solvers.
    """

    solver: str = "midpoint"
    evaluations: int = 16

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.solver not in SOLVERS:
            raise ValueError(f"solver: found {self.solver!r}, expected one of {', '.join(SOLVERS)}")
        order = SOLVERS[self.solver][1]
        if self.evaluations < order or self.evaluations % order:
            expected = f"a positive multiple of {order} for {self.solver}"
            raise ValueError(f"evaluations: found {self.evaluations}, expected {expected}")


class Flow(PointGenerator):
    """Velocity field from noise to data along y_t = cos(pi t / 2) noise + sin(pi t / 2) data.

    This path is the linear one up to a change of time and scale, with unit variance all along: between two standard
    normals its velocity is zero, so that (with `affine`) a Gaussian needs no transport and a coarse solver makes no
    error in its variance. The network learns the velocity divided by pi / 2.
    """

    Options = FlowOptions

    def __init__(self, options: FlowOptions, **sizes: Any):
        super().__init__(options, **sizes)
        self.step, order = SOLVERS[options.solver]
        self.n_steps = options.evaluations // order

    def path_loss(self, y: Tensor, modulation: Modulation, rng: ShardRandom) -> Tensor:
        """Squared error of the velocity, mean over features; y (b, n, d) -> (b, n)."""
        noise = rng.randn(*y.shape)
        t = spread_times(*y.shape[:2], rng)
        angle = beside(math.pi / 2 * t, y)
        cos, sin = angle.cos(), angle.sin()
        velocity = self.net(cos * noise + sin * y, t, modulation)
        return (velocity - (cos * y - sin * noise)).square().flatten(2).mean(-1)

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
