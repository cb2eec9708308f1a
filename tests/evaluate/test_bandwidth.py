"""The kernel's width is the median distance, wherever the points lie."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import pdist

from gde.evaluate.shared.bandwidth import median_distance


@pytest.mark.parametrize("far", [0.0, 30.0, 1000.0])
@pytest.mark.parametrize("n", [2, 24, 26, 60, 300])
def test_it_is_the_median_of_all_pairs(far, n):
    """Also for more than 25 points, from which on torch takes matrix products by itself."""
    x = torch.randn(2, n, 5, generator=torch.Generator().manual_seed(n)) + far
    pairs = [np.sort(pdist(points[:200].double().numpy())) for points in x]
    expected = [p[(len(p) - 1) // 2] for p in pairs]  # torch's median is the lower of two in the middle
    np.testing.assert_allclose(median_distance(x), expected, rtol=1e-3 if far == 1000 else 1e-4)


def test_equal_points_have_a_width():
    x = torch.zeros(1, 10, 2)
    assert median_distance(x) == 1
    x[0, 0] = 3.0
    assert median_distance(x) == pytest.approx(9 / 45 * 18**0.5)
