"""The kernel's width is a distance: it does not depend on where the samples lie."""

import pytest
import torch

from gde.evaluate.shared.bandwidth import median_distance


@pytest.mark.parametrize("away", [0.0, 1e3, 1e4])
def test_the_width_is_the_median_distance_wherever_the_samples_lie(away):
    x = torch.randn(2, 60, 3, generator=torch.Generator().manual_seed(0)) + away
    exact = torch.stack([torch.pdist(own.double()).median() for own in x])
    torch.testing.assert_close(median_distance(x).double(), exact, rtol=1e-3, atol=0)


def test_equal_samples_have_the_mean_distance_or_one():
    x = torch.zeros(2, 9, 1)
    x[0, 0] = 3.0
    assert median_distance(x).tolist() == [pytest.approx(3 * 8 / 36), 1.0]
