"""Grid of the probability simplex of three categories."""

import numpy as np

STEPS = 9  # 55 points
CENTRE = (3, 3, 3)


def simplex_grid() -> np.ndarray:
    """All (i, j, k) >= 0 with sum STEPS, (55, 3)."""
    return np.array([(i, j, STEPS - i - j) for i in range(STEPS + 1) for j in range(STEPS + 1 - i)])
