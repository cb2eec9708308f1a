"""Generators whose network is replaced by the exact answer for data ~ N(MEAN, SD²)."""

from collections.abc import Callable

from torch import Tensor, nn

from gde.generators.base import PointGenerator

MEAN, SD = 2.0, 0.5


class Answer(nn.Module):
    """Stands in for `ConditionalMLP`: `answer(y, t)` whatever the embedding; t broadcasts against y."""

    def __init__(self, answer: Callable[[Tensor, Tensor], Tensor]):
        super().__init__()
        self.answer = answer

    def modulation(self, z):
        return [z]

    def forward(self, y, t, modulation):
        return self.answer(y, t[..., None])


def with_answer(generator: PointGenerator, answer: Callable[[Tensor, Tensor], Tensor]) -> PointGenerator:
    """The generator with its network replaced."""
    generator.net = Answer(answer)
    return generator


def posterior(y: Tensor, signal: Tensor) -> tuple[Tensor, Tensor]:
    """E[data | y] and E[noise | y] for y = sqrt(signal) data + sqrt(1 - signal) noise."""
    deviation = (y - signal.sqrt() * MEAN) / (signal * SD**2 + 1 - signal)
    return MEAN + signal.sqrt() * SD**2 * deviation, (1 - signal).sqrt() * deviation
