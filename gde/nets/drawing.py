"""Drawing tokens from logits, with temperature and nucleus (top-p) truncation."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from gde.nets.registry import Options


@dataclass(frozen=True, kw_only=True)
class DrawingOptions(Options):
    """Options of a kind that draws tokens, unless `sample` is told otherwise.

    temperature, top_p : as in `draw`; 1, 1 = the model's own distribution.
    """

    temperature: float = 1.0
    top_p: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_drawing(self.temperature, self.top_p)


def draw(logits: Tensor, *, temperature: float, top_p: float, generator: torch.Generator | None = None) -> Tensor:
    """One token per row from softmax(logits / temperature), cut to its nucleus: (..., v) -> (...,) int64.

    top_p : only the most likely tokens are drawn, as few as together have this probability (Holtzman et al. 2020);
    1 = all, towards 0 only the likeliest. By a race of exponential clocks, which is exact: argmin of Exp(1) / p.
    """
    p = nucleus((logits.float() / temperature).softmax(-1), top_p)
    clocks = torch.empty_like(p).exponential_(generator=generator)
    return (p / clocks).argmax(-1)


def nucleus(p: Tensor, top_p: float) -> Tensor:
    """Probabilities (..., v) with zeros outside the nucleus; not normalised again.

    A token is kept while the likelier ones together have less than top_p; the likeliest always is.
    """
    if top_p >= 1:
        return p
    ordered, order = p.sort(dim=-1, descending=True, stable=True)
    outside = ordered.cumsum(-1) - ordered >= top_p
    outside[..., 0] = False
    return torch.where(torch.zeros_like(outside).scatter(-1, order, outside), 0.0, p)


def check_drawing(temperature: float, top_p: float) -> None:
    """ValueError for a temperature or top_p that cannot be."""
    if not (temperature > 0 and math.isfinite(temperature)):
        raise ValueError(
            f"temperature: found {temperature}, expected a positive number; 1 is the model's own distribution"
        )
    if not 0 < top_p <= 1:
        raise ValueError(f"top_p: found {top_p}, expected a number in (0, 1]; 1 = every token")


def drawing(own: tuple[float, float], temperature: float | None, top_p: float | None) -> dict[str, float]:
    """Options of `draw`: those given, where None a model's `own` (temperature, top_p). ValueError as check_drawing."""
    options = {
        "temperature": own[0] if temperature is None else temperature,
        "top_p": own[1] if top_p is None else top_p,
    }
    check_drawing(**options)
    return options
