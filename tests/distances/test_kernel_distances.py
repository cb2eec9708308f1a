"""MMD and energy distance: both are means over pairs, so they obey the same laws."""

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from gde.distances.energy import energy_distance
from gde.distances.mmd import median_bandwidth, mmd

H = 1.3


def sets(seed, b=2, n=6, m=8, d=3):
    g = torch.Generator().manual_seed(seed)
    x, y = (torch.randn(b, k, d, generator=g, dtype=torch.float64) for k in (n, m))
    return (
        x,
        y + 0.5,
        torch.rand(b, n, generator=g, dtype=torch.float64),
        torch.rand(b, m, generator=g, dtype=torch.float64),
    )


def biased_mmd(x, y, **options):
    return mmd(x, y, H, biased=True, **options)


DISTANCES = {"mmd": biased_mmd, "energy": energy_distance}
UNBIASED = {
    "mmd": lambda x, y, **o: mmd(x, y, H, **o),
    "energy": lambda x, y, **o: energy_distance(x, y, unbiased=True, **o),
}
FUNCTIONS = {"mmd": lambda d: -np.exp(-(d**2) / (2 * H**2)), "energy": lambda d: d}


def by_loops(name, x, y, a, b, unbiased):
    def mean(p, q, u, v, own):
        values, weights = FUNCTIONS[name](cdist(p, q)), np.outer(u, v)
        if own and unbiased:
            np.fill_diagonal(weights, 0)
        return (values * weights).sum() / weights.sum()

    return 2 * mean(x, y, a, b, False) - mean(x, x, a, a, True) - mean(y, y, b, b, True)


@pytest.mark.parametrize("name", DISTANCES)
@pytest.mark.parametrize("unbiased", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("piece", [2**24, 10])
def test_equals_loops(name, unbiased, weighted, piece, monkeypatch):
    monkeypatch.setattr("gde.distances.checks.PIECE", piece)
    monkeypatch.setattr("gde.distances.pairwise.PIECE", piece)
    monkeypatch.setattr("gde.distances.kernel.PIECE", piece)
    x, y, wx, wy = sets(0)
    found = (UNBIASED if unbiased else DISTANCES)[name](x, y, **({"wx": wx, "wy": wy} if weighted else {}))
    for k in range(2):
        a, b = (wx[k].numpy(), wy[k].numpy()) if weighted else (np.ones(6), np.ones(8))
        assert found[k].item() == pytest.approx(by_loops(name, x[k].numpy(), y[k].numpy(), a, b, unbiased), rel=1e-9)


@given(st.integers(0, 2**31), st.integers(1, 9), st.integers(1, 9))
@settings(max_examples=25, deadline=None)
def test_energy_on_the_line_is_scipys_squared(seed, n, m):
    x, y, wx, wy = sets(seed, n=n, m=m, d=1)
    found = energy_distance(x, y, wx=wx, wy=wy)
    for k in range(2):
        expected = scipy.stats.energy_distance(x[k, :, 0], y[k, :, 0], wx[k], wy[k]) ** 2
        assert found[k].item() == pytest.approx(expected, rel=1e-7, abs=1e-9)


@pytest.mark.parametrize("name", DISTANCES)
@given(seed=st.integers(0, 2**31))
@settings(max_examples=20, deadline=None)
def test_laws(name, seed):
    distance = DISTANCES[name]
    x, y, _, _ = sets(seed)
    z = sets(seed + 1)[0]
    value = distance(x, y)
    assert (value >= 0).all()
    assert distance(x, x[:, torch.randperm(6)]).abs().max() < 1e-7
    torch.testing.assert_close(value, distance(y, x))
    torch.testing.assert_close(value, distance(x + 7, y + 7), rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(value, distance(x.repeat(1, 3, 1), y), rtol=1e-6, atol=1e-7)
    assert (value.sqrt() <= distance(x, z).clamp_min(0).sqrt() + distance(z, y).clamp_min(0).sqrt() + 1e-6).all()
    torch.testing.assert_close(energy_distance(3 * x, 3 * y), 3 * energy_distance(x, y))
    torch.testing.assert_close(mmd(3 * x, 3 * y), mmd(x, y))  # the median bandwidth scales along


@pytest.mark.parametrize("name", UNBIASED)
def test_unbiased_form_averages_to_zero_for_equal_laws(name):
    x, y, _, _ = sets(1, b=4000, n=5, m=6)
    value = UNBIASED[name](x, y - 0.5)
    assert abs(value.mean().item()) < 4 * (value.std() / len(value) ** 0.5).item()
    assert DISTANCES[name](x, y - 0.5).mean() > 0.05


def test_mmd_of_gaussians_has_its_closed_form():
    x, y, _, _ = sets(2, b=1, n=4000, m=4000, d=2)  # N(0, I), N(0.5, I)
    same = (H**2 / (H**2 + 2)) ** 1.0  # E k = (h^2 / (h^2 + 2))^(d / 2) exp(-|shift|^2 / (2 (h^2 + 2)))
    expected = 2 * same * (1 - np.exp(-0.5 / (2 * (H**2 + 2))))
    assert mmd(x, y, H).item() == pytest.approx(expected, abs=0.004)


@pytest.mark.parametrize("name", DISTANCES)
@pytest.mark.parametrize("unbiased", [False, True])
def test_gradient_by_finite_differences(name, unbiased):
    x, y, wx, _ = sets(3)
    distance = (UNBIASED if unbiased else DISTANCES)[name]
    assert torch.autograd.gradcheck(lambda x, y: distance(x, y, wx=wx), (x.requires_grad_(), y.requires_grad_()))


@pytest.mark.parametrize("name", DISTANCES)
def test_gradient_is_finite_for_equal_samples(name):
    x = sets(4)[0]
    x = torch.cat([x, x], 1).requires_grad_()
    DISTANCES[name](x, x.detach()).sum().backward()
    assert x.grad.abs().max() < 1e-6


@pytest.mark.parametrize("name", DISTANCES)
@pytest.mark.parametrize("unbiased", [False, True])
def test_masked_samples_reach_neither_value_nor_gradient(name, unbiased):
    distance = (UNBIASED if unbiased else DISTANCES)[name]
    x, y, _, _ = sets(5)
    mask = torch.arange(6).expand(2, 6) < 4
    hidden = x.masked_fill(~mask[..., None], torch.nan).requires_grad_()
    found = distance(hidden, y, mask_x=mask)
    torch.testing.assert_close(found, distance(x[:, :4], y))
    found.sum().backward()
    assert hidden.grad[:, 4:].abs().max() == 0
    assert hidden.grad.isfinite().all()


def test_median_bandwidth():
    x, y, _, _ = sets(6)
    expected = [np.sort(cdist(p, p)[np.triu_indices(14, 1)])[45] for p in torch.cat([x, y], 1).numpy()]  # 91 pairs
    assert median_bandwidth(x, y).tolist() == pytest.approx(expected)
    mask = torch.tensor([[True] * 3 + [False] * 3, [False] * 2 + [True] * 4])
    masked = median_bandwidth(x, y, mask_x=mask)
    alone = [median_bandwidth(x[k, mask[k]][None], y[k][None])[0].item() for k in range(2)]
    assert masked.tolist() == pytest.approx(alone)
    big_x, big_y, _, _ = sets(7, n=900, m=900)
    sub, whole = median_bandwidth(big_x, big_y), [np.median(cdist(p, p)) for p in torch.cat([big_x, big_y], 1).numpy()]
    assert sub.tolist() == pytest.approx(whole, rel=0.05)
    assert torch.equal(sub, median_bandwidth(big_x, big_y))
    assert median_bandwidth(torch.ones(1, 4, 2), torch.ones(1, 4, 2)).item() == 1
    alone = [np.median(cdist(p, p)[np.triu_indices(6, 1)]) for p in x.numpy()]
    assert median_bandwidth(x).tolist() == pytest.approx(alone)
    assert median_bandwidth(x, samples=2).tolist() == pytest.approx([np.linalg.norm(p[0] - p[3]) for p in x.numpy()])
    assert median_bandwidth(x[:, :1]).tolist() == [1, 1]


def test_bad_input_is_named():
    x = torch.randn(2, 4, 3)
    with pytest.raises(ValueError, match=r"x \(2, 4, 3\), y \(2, 4, 2\)"):
        mmd(x, x[..., :2])
    with pytest.raises(ValueError, match="bandwidth = 0"):
        mmd(x, x, 0)
    with pytest.raises(ValueError, match=r"bandwidth \(3,\)"):
        mmd(x, x, torch.ones(3))
    for one in (mmd, lambda x, y: energy_distance(x, y, unbiased=True)):
        with pytest.raises(ValueError, match="one sample"):
            one(x[:, :1], x)
