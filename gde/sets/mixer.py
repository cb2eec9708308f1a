"""New sets made by mixing groups."""

import numpy as np

from gde.errors import bad
from gde.sets.permute import without_replacement


class DirichletMixer:
    """Mixtures of `k` distinct groups with weights ~ Dirichlet(alpha, ..., alpha); each sample ~ Cat(weights)."""

    def __init__(self, k: int = 3, alpha: float = 1.0):
        if k < 1:
            raise bad("mixer.k", str(k), "an integer >= 1", "set how many groups make one set")
        if not 0 < alpha < float("inf"):
            raise bad("mixer.alpha", str(alpha), "a number > 0", "1 draws weights uniformly from the simplex")
        self.k, self.alpha = int(k), float(alpha)

    def __call__(self, groups: int, b: int, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Plan b sets of n samples from `groups` groups.

        returns groups (b, k) int64, distinct within a set, and the component (b, n) int64 in 0..k-1 of every sample,
        so the counts of a set are Multinomial(n, weights). GdeError when there are fewer than k groups.
        """
        if groups < self.k:
            raise bad("mixer.k", str(self.k), f"at most the number of groups, {groups}", "mix fewer groups")
        chosen = without_replacement(np.full(b, groups), np.full(b, self.k), rng).reshape(b, self.k)
        if self.k == 1:
            return chosen, np.zeros((b, n), np.int64)
        bounds = rng.dirichlet(np.full(self.k, self.alpha), b).cumsum(1)
        u = rng.random((b, n), dtype=np.float32)
        component = np.zeros((b, n), np.int64)
        for j in range(self.k - 1):  # the inverse of the cumulative weights, without a search for each sample
            component += u >= bounds[:, j : j + 1]
        return chosen, component
