"""Counts of genes from hidden states: Poisson around rates whose logarithm is linear in the state."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

BLOCK = 20_000_000  # rates held at a time


@dataclass(frozen=True)
class Genes:
    """base (g,): log share of each gene; loadings (k, g): what a unit of each state adds to the log rate."""

    base: np.ndarray
    loadings: np.ndarray

    @classmethod
    def draw(cls, genes: int, states: int, rng: np.random.Generator, *, informative: int = 200, size: float = 0.7):
        """Shares spread over three orders of magnitude; each state moves about a third of the `informative` genes."""
        base = np.log(rng.gamma(0.4, 1.0, genes) + 1e-3)
        base -= np.log(np.exp(base).sum())
        loadings = np.zeros((states, genes))
        chosen = np.argsort(-base)[: min(informative, genes)]  # expressed well enough for a shift to be seen
        moved = rng.random((states, len(chosen))) < 1 / 3
        loadings[:, chosen] = moved * rng.normal(0, size, (states, len(chosen)))
        return cls(base, loadings)

    def counts(self, state: np.ndarray, depth: np.ndarray, rng: np.random.Generator) -> Iterator[np.ndarray]:
        """Counts (m, g) float32 of successive cells; state (n, k), depth (n,) their expected totals."""
        n, g = len(state), len(self.base)
        step = max(1, BLOCK // g)
        used = np.flatnonzero(self.loadings.any(0))
        for start in range(0, n, step):
            here = slice(start, min(start + step, n))
            rate = np.exp(np.broadcast_to(self.base, (here.stop - start, g)))
            rate[:, used] *= np.exp(state[here] @ self.loadings[:, used])
            rate *= (depth[here] / rate.sum(1))[:, None]
            yield rng.poisson(rate).astype(np.float32)


def depths(n: int, mean: float, rng: np.random.Generator) -> np.ndarray:
    """Expected totals (n,) of cells: log-normal, about 30 % apart."""
    return mean * np.exp(rng.normal(0, 0.3, n))
