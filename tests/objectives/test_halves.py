"""Cutting a set in two: disjoint, sized as asked, and harmless to masks and lonely samples."""

import pytest
import torch

from gde.objectives.halves import halves
from gde.sets.random import ShardRandom


def cut(x, mask=None, weight=None, context=3):
    return halves(x, mask, weight, ShardRandom(0, 0), context=context)


def test_halves_are_disjoint_and_the_second_is_whole():
    x = torch.arange(40.0).expand(5000, 40)[..., None]
    (shown, mask, _), (learned, there, _) = cut(x)
    assert there.all()
    assert not set(shown[mask].flatten().tolist()) & set(learned.flatten().tolist())
    assert set(learned[0].flatten().tolist()) == set(range(1, 40, 2))


def test_context_sizes_lie_between_the_least_and_half_and_small_ones_are_common():
    (_, mask, _), _ = cut(torch.zeros(5000, 40, 1))
    size = mask.sum(1)
    assert (size.min(), size.max()) == (3, 20)
    assert 0.35 < (size < 8).float().mean() < 0.65  # half of the logarithmic range


def test_masked_samples_are_in_neither_half_and_one_sample_is_in_both():
    x = torch.arange(8.0).expand(3, 8)[..., None].contiguous()
    real = torch.arange(8) < torch.tensor([[8], [3], [1]])
    weight = torch.rand(3, 8)
    (shown, mask, w), (learned, there, v) = cut(x, real, weight, context=1)
    assert (mask.sum(1) >= 1).all()
    assert learned[1][there[1]].tolist() == [[1.0]]
    assert shown[2][mask[2]].tolist() == learned[2][there[2]].tolist() == [[0.0]]
    assert torch.equal(v[2][there[2]], weight[2, :1])
    assert torch.equal(w, weight[:, ::2])


def test_too_large_a_context_is_refused():
    with pytest.raises(ValueError, match=r"objective\.context: found 21 with sets of 40 samples"):
        cut(torch.zeros(2, 40, 1), context=21)
