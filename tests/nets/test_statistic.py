"""Statistics of streamed sets are those in memory, whatever the pieces and the passes."""

import pytest
import torch

from gde.nets import statistic
from gde.nets.poolers import POOLERS
from gde.nets.statistic import FeatureWise, Gathered, Mean

SIZES = [1, 12, 31]


class Pieces:
    """Samples of three sets in turns, a few at a time; counts its passes."""

    def __init__(self, at_once, width=5):
        generator = torch.Generator().manual_seed(0)
        self.sets = [torch.randn(1, n, width, generator=generator) for n in SIZES]
        self.at_once, self.passes = at_once, 0

    def __call__(self):
        self.passes += 1
        for start in range(0, max(SIZES), self.at_once):
            for s, h in enumerate(self.sets):
                if start < h.shape[1]:
                    yield s, h[:, start : start + self.at_once], None


@pytest.mark.parametrize("at_once", [1, 7, 100])
@pytest.mark.parametrize("name", POOLERS)
@pytest.mark.parametrize(("held", "passes"), [(10**6, 1), (2 * sum(SIZES) + 1, 3), (1, 5)])
def test_feature_wise_statistics(monkeypatch, name, at_once, held, passes):
    monkeypatch.setattr(statistic, "HELD", held)
    visit, pooled = Pieces(at_once), FeatureWise(POOLERS[name])
    found = pooled.streamed(visit, SIZES)
    assert visit.passes == passes
    for h, part in zip(visit.sets, found, strict=True):
        torch.testing.assert_close(part, pooled(h), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("at_once", [1, 7, 100])
def test_means_take_one_pass(at_once):
    visit = Pieces(at_once)
    found = Mean().streamed(visit, SIZES)
    assert visit.passes == 1
    for h, part in zip(visit.sets, found, strict=True):
        torch.testing.assert_close(part, h.mean(1, keepdim=True))
        assert part.dtype == torch.float32


def test_means_are_summed_in_double_precision():
    """In single precision a sum of 2**24 does not grow by ones."""
    values = [2.0**24, *[1.0] * 1000]
    found = Mean().streamed(lambda: ((0, torch.full((1, 1, 1), v), None) for v in values), [1001])
    assert found[0].item() == pytest.approx((2**24 + 1000) / 1001, rel=1e-7)


def test_sets_that_are_not_complete_are_refused():
    held = Gathered([2, 3])
    held.add(0, torch.zeros(1, 2, 1))
    held.add(1, torch.zeros(1, 2, 1))
    with pytest.raises(ValueError, match=r"found \[2, 2\] samples, expected \[2, 3\]"):
        held.sets()
