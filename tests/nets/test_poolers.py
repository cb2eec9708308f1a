"""Feature-wise poolers against plain loops over samples written out, and the laws that all of them share."""

import math
from functools import partial

import numpy as np
import pytest
import torch

from gde.nets.poolers import PARAMETERS, POOLERS, huber, logsumexp_mean, median, pooler, softmax_mean, trimmed_mean

MASK = torch.arange(6) < torch.tensor([[6], [4], [1]])
CASES = pytest.mark.parametrize(
    ("mask", "weighted"),
    [(None, False), (MASK, False), (None, True), (MASK, True)],
    ids=["plain", "mask", "weight", "mask-weight"],
)
ALL = pytest.mark.parametrize("pool", POOLERS.values(), ids=POOLERS)


def draw(dtype=torch.float64):
    g = torch.Generator().manual_seed(0)
    return torch.randn(3, 6, 2, generator=g).to(dtype), torch.rand(3, 6, generator=g).to(dtype) + 0.1


def columns(h, mask, weight):
    """Per set and feature: the real samples' values and weights as numpy arrays."""
    for s in range(len(h)):
        real = np.ones(h.shape[1], bool) if mask is None else mask[s].numpy()
        w = np.ones(h.shape[1]) if weight is None else weight[s].numpy()
        for f in range(h.shape[2]):
            yield h[s, :, f].numpy()[real], w[real]


def trimmed(x, w, trim=0.1):
    x = np.sort(np.repeat(x, np.rint(20_000 * w).astype(int)))
    cut = round(trim * len(x))
    return x[cut : len(x) - cut].mean()


def middle(x, w):
    return np.median(np.repeat(x, np.rint(20_000 * w).astype(int)))


def location(x, w, delta=1.345):
    """The root of sum w psi((x - m) / s) by bisection."""
    bound = delta * (1.4826 * middle(abs(x - middle(x, w)), w) + 1e-3)
    low, high = x.min(), x.max()
    for _ in range(80):
        m = (low + high) / 2
        low, high = (m, high) if (w * np.clip(x - m, -bound, bound)).sum() > 0 else (low, m)
    return m


LOOPS = {
    "mean": lambda x, w: (w * x).sum() / w.sum(),
    "median": middle,
    "trimmed_mean": trimmed,
    "huber": location,
    "softmax": lambda x, w: (w * np.exp(x) * x).sum() / (w * np.exp(x)).sum(),
    "logsumexp": lambda x, w: math.log((w * np.exp(x)).sum() / w.sum()),
}


@CASES
@pytest.mark.parametrize("name", POOLERS)
def test_poolers_equal_loops_over_real_samples(name, mask, weighted):
    h, weight = draw()
    weight = weight if weighted else None
    pool = partial(huber, steps=50) if name == "huber" else POOLERS[name]
    expected = torch.tensor([LOOPS[name](x, w) for x, w in columns(h, mask, weight)], dtype=torch.float64)
    rounded = name == "trimmed_mean" and weighted  # the loop's, to 1/20,000 of a sample
    torch.testing.assert_close(pool(h, mask, weight).flatten(), expected, rtol=0, atol=1e-3 if rounded else 1e-6)


@pytest.mark.parametrize("n", [1, 2, 5, 8])
def test_the_median_is_numpys(n):
    h = torch.randn(4, n, 3)
    torch.testing.assert_close(median(h)[:, 0], torch.from_numpy(np.median(h.numpy(), axis=1)))


@ALL
def test_weights_are_multiplicities_and_their_scale_is_free(pool):
    h, _ = draw()
    weight = torch.tensor([1.0, 0.0, 2.0, 1.0, 3.0, 1.0]).expand(3, 6)
    many = h[:, [0, 2, 2, 3, 4, 4, 4, 5]]  # eight of them: the middle lies between two
    torch.testing.assert_close(pool(h, None, weight), pool(many))
    torch.testing.assert_close(pool(h, None, 0.1 * weight), pool(many))
    torch.testing.assert_close(pool(h, None, 7 * weight), pool(many))


@pytest.mark.parametrize("k", [2, 3, 7])
@ALL
def test_duplicates_change_nothing(pool, k):
    for n in (1, 4, 5):
        h = torch.randn(2, n, 3, generator=torch.Generator().manual_seed(n), dtype=torch.float64)
        torch.testing.assert_close(pool(h.repeat(1, k, 1)), pool(h))
        torch.testing.assert_close(pool(h.flip(1)), pool(h))


@ALL
def test_one_sample_and_equal_samples_are_their_own_pool(pool):
    h = torch.randn(4, 1, 3, dtype=torch.float64)
    torch.testing.assert_close(pool(h), h)
    torch.testing.assert_close(pool(h.expand(-1, 9, -1)), h)


@ALL
def test_location_is_followed(pool):
    h, weight = draw()
    torch.testing.assert_close(pool(h + 5, None, weight), pool(h, None, weight) + 5)


@ALL
@pytest.mark.parametrize("garbage", [float("inf"), float("nan"), -1e300])
@pytest.mark.parametrize("weighted", [False, True])
def test_nothing_behind_the_mask_matters(pool, garbage, weighted):
    h, weight = draw()
    clean = h.clone().requires_grad_()
    dirty = torch.where(MASK[..., None], h, garbage).requires_grad_()
    weights = [weight, torch.where(MASK, weight, garbage)] if weighted else [None, None]
    results = pool(clean, MASK, weights[0]), pool(dirty, MASK, weights[1])
    assert torch.equal(*results)
    for result in results:
        result.square().sum().backward()
    assert torch.equal(dirty.grad, clean.grad)
    assert not dirty.grad[~MASK].any()


@CASES
@pytest.mark.parametrize("name", POOLERS)
def test_gradients(name, mask, weighted):
    """Against finite differences; Huber's is that of the solution, hence of many steps."""
    h, weight = draw()
    pool = partial(huber, steps=80) if name == "huber" else POOLERS[name]
    assert torch.autograd.gradcheck(lambda h: pool(h, mask, weight if weighted else None), (h.requires_grad_(),))


@ALL
def test_gradients_are_finite_where_samples_are_equal(pool):
    for h in (torch.zeros(2, 5, 3), torch.ones(2, 1, 3), torch.tensor([0.0, 0, 0, 9, -9]).view(1, 5, 1)):
        h.requires_grad_()
        pool(h).sum().backward()
        assert h.grad.isfinite().all()
        torch.testing.assert_close(h.grad.sum(1), torch.ones_like(h[:, 0]))  # moving all samples moves the pool


@ALL
def test_a_set_without_real_samples_has_no_pool_and_leaves_others_alone(pool):
    h = torch.ones(2, 3, 1)
    mask = torch.tensor([[False] * 3, [True] * 3])
    for weight in (None, torch.ones(2, 3)):
        assert pool(h, mask, weight)[0].isnan().all()
        torch.testing.assert_close(pool(h, mask, weight)[1], h[1, :1])


@ALL
def test_large_values_do_not_overflow(pool):
    h = torch.tensor([1e4, 2e4, -3e4, 0.0]).view(1, 4, 1)
    assert pool(h).isfinite().all()


def test_half_precision_is_pooled_in_single():
    h = torch.randn(2, 9, 3).bfloat16()
    for name in PARAMETERS.keys() | {"median"}:
        pooled = POOLERS[name](h)
        assert pooled.dtype == torch.float32
        torch.testing.assert_close(pooled, POOLERS[name](h.float()))


def test_one_outlier_moves_the_robust_poolers_little():
    """The bound of each is what the good samples alone allow; the mean has none."""
    h = torch.randn(1, 99, 1, generator=torch.Generator().manual_seed(0))
    with_outlier = torch.cat([h, torch.full((1, 1, 1), 1e6)], 1)
    for pool in (median, trimmed_mean, huber):
        assert (pool(with_outlier) - pool(h)).abs() < 0.1
    assert (POOLERS["mean"](with_outlier) - POOLERS["mean"](h)).abs() > 1e3


def test_parameters_lead_from_the_mean_to_the_extremes():
    h = torch.randn(3, 20, 2)
    mean, largest = h.mean(1, keepdim=True), h.amax(1, keepdim=True)
    torch.testing.assert_close(trimmed_mean(h, trim=0.0), mean)
    torch.testing.assert_close(trimmed_mean(h, trim=0.4999), median(h), atol=1e-3, rtol=0)
    torch.testing.assert_close(huber(h, delta=1e3), mean)
    torch.testing.assert_close(softmax_mean(h, temperature=1e4), mean, atol=1e-3, rtol=0)
    torch.testing.assert_close(softmax_mean(h, temperature=1e-4), largest, atol=1e-3, rtol=0)
    torch.testing.assert_close(logsumexp_mean(h, sharpness=1e-3), mean, atol=1e-2, rtol=0)
    torch.testing.assert_close(logsumexp_mean(h, sharpness=1e3), largest, atol=1e-2, rtol=0)


@pytest.mark.parametrize(
    ("name", "parameter"),
    [
        ("trimmed_mean", 0.5),
        ("trimmed_mean", -0.1),
        ("huber", 0.5),
        ("softmax", 0.0),
        ("softmax", -1.0),
        ("softmax", math.nan),
        ("logsumexp", 0.0),
        ("logsumexp", math.inf),
        ("median", 0.1),
        ("mean", 0.1),
    ],
)
def test_impossible_parameters_are_refused_with_their_value(name, parameter):
    with pytest.raises(ValueError, match=rf"found .*{parameter}"):
        pooler(name, parameter)


def test_unknown_poolers_and_empty_sets_are_refused():
    with pytest.raises(ValueError, match=r"'max', expected one of mean, median"):
        pooler("max")
    for name in ("median", "trimmed_mean", "huber"):
        with pytest.raises(ValueError, match=r"\(2, 0, 3\)"):
            pooler(name)(torch.zeros(2, 0, 3))
