"""W2 of Gaussians by their factors is W2 by their covariances."""

import pytest
import torch

from gde.distances.gaussian import gaussian_w2
from gde.distances.lowrank import lowrank_w2


@pytest.mark.parametrize(("r", "s"), [(1, 1), (2, 2), (3, 1), (1, 4), (5, 5)])
def test_it_is_the_distance_of_the_dense_covariances(r, s):
    m1, m2 = torch.randn(2, 20, 5, dtype=torch.float64)
    f1, f2 = torch.randn(20, 5, r, dtype=torch.float64), torch.randn(20, 5, s, dtype=torch.float64)
    expected = gaussian_w2(m1, f1 @ f1.mT, m2, f2 @ f2.mT)
    torch.testing.assert_close(lowrank_w2(m1, f1, m2, f2), expected, rtol=1e-6, atol=1e-6)


def test_a_turned_factor_is_the_same_distribution():
    """No digits are lost by cancellation: F Q with a rotation Q is at distance 0."""
    m, f = 100 * torch.randn(8, 40, dtype=torch.float64), 100 * torch.randn(8, 40, 3, dtype=torch.float64)
    q = torch.linalg.qr(torch.randn(8, 3, 3, dtype=torch.float64))[0]
    assert lowrank_w2(m, f, m, f @ q).max() < 1e-10


@pytest.mark.parametrize("shape", [(4, 3), (3, 5)])
def test_shapes_that_do_not_fit_are_refused(shape):
    m, f = torch.zeros(4, 5), torch.zeros(4, 5, 2)
    with pytest.raises(ValueError, match="lowrank_w2: found means"):
        lowrank_w2(m, f, torch.zeros(shape), f)
    with pytest.raises(ValueError, match="lowrank_w2: found means"):
        lowrank_w2(m, f, m, torch.zeros(*shape, 2))
