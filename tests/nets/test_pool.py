"""Means over the samples of sets against plain loops."""

import pytest
import torch

from gde.nets.pool import sample_mean, set_mean, set_products

MASK = torch.arange(6) < torch.tensor([[6], [4], [1]])
CASES = pytest.mark.parametrize(
    ("mask", "weighted"),
    [(None, False), (MASK, False), (None, True), (MASK, True)],
    ids=["plain", "mask", "weight", "mask-weight"],
)


def draw():
    g = torch.Generator().manual_seed(0)
    return (torch.randn(3, 6, 2, generator=g, dtype=torch.float64), torch.rand(3, 6, generator=g).double() + 0.1)


@CASES
def test_set_mean_and_products_equal_loops_over_real_samples(mask, weighted):
    h, weight = draw()
    weight = weight if weighted else None
    real = torch.ones(3, 6, dtype=torch.bool) if mask is None else mask
    w = torch.ones(3, 6).double() if weight is None else weight
    rows = [[i for i in range(6) if real[s, i]] for s in range(3)]
    total = [sum(w[s, i] for i in rows[s]) for s in range(3)]
    mean = torch.stack([sum(w[s, i] * h[s, i] for i in rows[s]) / total[s] for s in range(3)])
    products = [sum(w[s, i] * torch.outer(h[s, i], h[s, i]) for i in rows[s]) / total[s] for s in range(3)]
    torch.testing.assert_close(set_mean(h, mask, weight), mean[:, None])
    torch.testing.assert_close(set_products(h, mask, weight), torch.stack(products))


@pytest.mark.parametrize("pool", [set_mean, set_products, lambda h, m, w: sample_mean(h[..., 0], m, w)])
@pytest.mark.parametrize("garbage", [float("inf"), float("nan"), 1e300])
@CASES
def test_nothing_behind_the_mask_matters(pool, garbage, mask, weighted):
    h, weight = draw()
    weight = weight if weighted else None
    mask = torch.ones(3, 6, dtype=torch.bool) if mask is None else mask
    clean = h.clone().requires_grad_()
    dirty = torch.where(mask[..., None], h, garbage).requires_grad_()
    dirty_weight = None if weight is None else torch.where(mask, weight, garbage)
    results = pool(clean, mask, weight), pool(dirty, mask, dirty_weight)
    assert torch.equal(*results)
    for result in results:
        result.square().sum().backward()
    assert torch.equal(dirty.grad, clean.grad)
    assert not dirty.grad[~mask].any()


@pytest.mark.parametrize("pool", [set_mean, set_products])
def test_weights_are_multiplicities_and_their_scale_is_free(pool):
    h, _ = draw()
    weight = torch.tensor([1.0, 0.0, 2.0, 1.0, 3.0, 0.0]).expand(3, 6)
    repeated = h[:, [0, 2, 2, 3, 4, 4, 4]]
    torch.testing.assert_close(pool(h, None, weight), pool(repeated))
    torch.testing.assert_close(pool(h, None, 7 * weight), pool(h, None, weight))


@CASES
def test_gradients(mask, weighted):
    h, weight = draw()
    h.requires_grad_()
    weight = weight if weighted else None
    for pool in (set_mean, set_products):
        assert torch.autograd.gradcheck(lambda h, pool=pool: pool(h, mask, weight), (h,))
    assert torch.autograd.gradcheck(lambda h: sample_mean(h[..., 0], mask, weight), (h,))


def test_a_set_without_real_samples_has_no_mean_and_leaves_others_alone():
    h = torch.ones(2, 3, 1)
    mask = torch.tensor([[False] * 3, [True] * 3])
    assert set_mean(h, mask)[0].isnan().all()
    assert torch.equal(set_mean(h, mask)[1], h[1, :1])


def test_sample_mean_counts_every_real_sample_once():
    loss = torch.arange(18.0).view(3, 6)
    torch.testing.assert_close(sample_mean(loss, MASK), loss[MASK].mean())
    torch.testing.assert_close(sample_mean(loss), loss.mean())


def test_sample_mean_counts_a_weighted_set_by_its_number_of_real_samples():
    loss = torch.arange(18.0).view(3, 6)
    weight = torch.rand(3, 6) + 0.1
    means = [(w * x)[m].sum() / w[m].sum() for x, w, m in zip(loss, weight, MASK, strict=True)]
    expected = (6 * means[0] + 4 * means[1] + 1 * means[2]) / 11
    torch.testing.assert_close(sample_mean(loss, MASK, weight), expected)
    torch.testing.assert_close(sample_mean(loss, MASK, 5 * weight), expected)
    torch.testing.assert_close(sample_mean(loss, MASK, torch.ones(3, 6)), sample_mean(loss, MASK))
