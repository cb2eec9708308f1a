import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta, chisquare, dirichlet, multinomial, poisson

from gde.errors import GdeError
from gde.sets.families import REGISTRY, build
from gde.sets.families.poisson import cumulative
from gde.sets.random import ShardRandom

CASES = [
    ("normal", {}),
    ("mvn", {"dim": 3, "df": 8}),
    ("mvn", {"dim": 1, "df": 5}),
    ("mvn_lowrank", {"dim": 6, "rank": 2, "scale": 0.7}),
    ("multinomial", {"categories": 4, "trials": 7, "alpha": [0.5, 1.0, 2.0, 1.0]}),
    ("gmm", {"dim": 2, "df": 10}),
    ("poisson", {}),
]
IDS = ["normal", "mvn3", "mvn1", "mvn_lowrank", "multinomial", "gmm", "poisson"]


@pytest.mark.parametrize(("kind", "distribution"), CASES, ids=IDS)
def test_sample_moments_converge_to_the_true_ones(kind, distribution):
    family, n = build(kind, **distribution), 100_000
    params = family.draw(6, ShardRandom(3, 0, shards=2))
    mean, cov = family.moments(params)
    x = family.sample(params, n, ShardRandom(3, 0, stream="x", shards=2)).double()
    assert x.shape == (6, n, family.dim)
    sd = cov.diagonal(dim1=1, dim2=2).sqrt()  # (b, d)
    assert ((x.mean(1) - mean).abs() < 5 * sd / n**0.5).all()
    centred = x - x.mean(1, keepdim=True)
    assert torch.allclose(centred.mT @ centred / n, cov.double(), atol=0.03 * float(sd.max()) ** 2)


@pytest.mark.parametrize(("kind", "distribution"), CASES, ids=IDS)
def test_batches_do_not_depend_on_how_shards_are_split(kind, distribution):
    family = build(kind, **distribution)

    def draw(b, only=None):
        rng = ShardRandom(0, 5, shards=4, only=only)
        params = family.draw(b, rng)
        return [*params.values(), family.sample(params, 17, rng)]

    whole, halves = draw(8), zip(draw(4, [0, 1]), draw(4, [2, 3]), strict=True)
    assert all(torch.equal(w, torch.cat(h)) for w, h in zip(whole, halves, strict=True))


@pytest.mark.parametrize(("dim", "df"), [(1, 6), (3, 9), (5, 40)])
def test_covariances_follow_the_inverse_wishart_law(dim, df):
    cov = build("mvn", dim=dim, df=df).draw(40_000, ShardRandom(1, 0))["cov"].double()
    assert torch.equal(cov, cov.mT)
    # E[S] = I / (df - dim - 1); the precision is Wishart: E = df I, var of an entry df (1 + [i = j]).
    assert torch.allclose(cov.mean(0), torch.eye(dim).double() / (df - dim - 1), atol=0.05 / (df - dim - 1))
    precision = torch.linalg.inv(cov)
    assert torch.allclose(precision.mean(0), df * torch.eye(dim).double(), atol=5 * (2 * df / 40_000) ** 0.5)
    variance = df * (1 + torch.eye(dim).double())
    assert torch.allclose(precision.var(0), variance, rtol=0.08)


def test_means_cover_their_range_and_weights_the_simplex():
    params = build("gmm", dim=2, mean_low=-1.0, mean_high=2.0, alpha=0.5).draw(20_000, ShardRandom(0, 0))
    mean, weight = params["mean"], params["weight"]
    assert mean.min() >= -1
    assert mean.max() <= 2
    assert float(mean.mean()) == pytest.approx(0.5, abs=0.02)
    assert torch.allclose(weight.sum(1), torch.ones(20_000))
    # Dirichlet(a, a, a): mean 1/3, variance (1/3)(2/3) / (3a + 1)
    assert torch.allclose(weight.mean(0), torch.full((3,), 1 / 3), atol=0.01)
    assert torch.allclose(weight.var(0), torch.full((3,), 2 / 9 / 2.5), rtol=0.05)


def test_mixture_samples_fall_on_components_as_the_weights_say():
    family = build("gmm", dim=1, df=5)
    params = {
        "mean": torch.tensor([[[-100.0], [0.0], [100.0]]] * 2),
        "cov": torch.ones(2, 3, 1, 1),
        "weight": torch.tensor([[0.2, 0.5, 0.3], [0.0, 0.0, 1.0]]),
    }
    x = family.sample(params, 40_000, ShardRandom(0, 0)).squeeze(-1)
    share = torch.stack([(x < -50).float().mean(1), (x.abs() < 50).float().mean(1), (x > 50).float().mean(1)], 1)
    assert torch.allclose(share, params["weight"], atol=0.012)
    component = (x[0] > -50).long() + (x[0] > 50).long()
    alike = (component[1:] == component[:-1]).float().mean()  # any part of a set is a fair sample, not one component
    assert float(alike) == pytest.approx(0.04 + 0.25 + 0.09, abs=0.012)


def _bures(a, b):
    w, v = np.linalg.eigh(a)
    root = (v * np.sqrt(w.clip(0))) @ v.T
    cross = np.sqrt(np.clip(np.linalg.eigvalsh(root @ b @ root), 0, None)).sum()
    return np.trace(a) + np.trace(b) - 2 * cross


@pytest.mark.parametrize(("kind", "distribution"), CASES[:5], ids=IDS[:5])
def test_w2_of_normals_is_the_closed_form(kind, distribution):
    """Also where covariances are singular, and for the normal approximation of counts."""
    family = build(kind, **distribution)
    params = family.draw(6, ShardRandom(0, 0))
    w2 = np.asarray(family.w2(params))
    mean, cov = (p.double().numpy() for p in family.moments(params))
    for i in range(6):
        for j in range(i):
            expected = np.sqrt(((mean[i] - mean[j]) ** 2).sum() + _bures(cov[i], cov[j]))
            # the moments are float32: next to a singular covariance that shows as the root of its rounding
            assert w2[i, j] == pytest.approx(expected, rel=1e-6 if kind in ("normal", "mvn") else 1e-4)


@pytest.mark.parametrize(("kind", "distribution"), CASES, ids=IDS)
@given(seed=st.integers(0, 10**6))
@settings(max_examples=8, deadline=None)
def test_w2_is_a_metric(kind, distribution, seed):
    family = build(kind, **distribution)
    w2 = np.asarray(family.w2(family.draw(8, ShardRandom(seed, 0))))
    assert w2.dtype == np.float64
    assert np.allclose(np.diag(w2), 0, atol=1e-5)
    assert np.allclose(w2, w2.T, atol=1e-9)
    assert (w2[:, None] <= w2[:, :, None] + w2[None] + 1e-6).all()
    assert w2[~np.eye(8, dtype=bool)].min() > 0


@pytest.mark.parametrize(("kind", "distribution"), CASES, ids=IDS)
def test_pairs_are_entries_of_the_matrix(kind, distribution):
    family = build(kind, **distribution)
    params = family.draw(7, ShardRandom(2, 0))
    i, j = torch.tensor([0, 3, 6, 2, 5]), torch.tensor([1, 2, 0, 2, 6])
    pairs = family.pair_w2(params, i, j)
    assert pairs.dtype == torch.float64
    torch.testing.assert_close(pairs, torch.as_tensor(family.w2(params))[i, j], rtol=1e-6, atol=1e-6)


def test_w2_of_counts_is_the_distance_of_their_quantiles():
    """Against the quantile functions on a grid; the point mass at 0 in closed form: E[X²] = rate + rate²."""
    rates = [0.0, 1.0, 1.1, 6.0, 10.0, 300.0]
    params = {"rate": torch.tensor(rates)[:, None]}
    w2 = build("poisson", rate_high=300.0).w2(params)
    u = (np.arange(100_000) + 0.5) / 100_000
    quantiles = np.stack([poisson.ppf(u, r) for r in params["rate"][:, 0].double().numpy()])
    expected = np.sqrt(np.square(quantiles[:, None] - quantiles).mean(2))
    assert np.allclose(w2, expected, atol=1e-3, rtol=1e-3)
    assert np.allclose(w2[0], [(r + r * r) ** 0.5 for r in rates], rtol=1e-7)


@pytest.mark.parametrize("rate", [0.3, 8.0, 5000.0])
def test_the_support_of_counts_leaves_almost_nothing_out(rate):
    first, cdf = cumulative(torch.tensor([rate], dtype=torch.float64))
    assert poisson.cdf(int(first) - 1, rate) < 1e-12
    assert poisson.sf(int(first) + cdf.shape[1] - 1, rate) < 1e-12
    exact = poisson.cdf(int(first) + np.arange(cdf.shape[1]), rate)
    assert np.allclose(cdf[0], exact, atol=1e-12)


def test_counts_follow_their_law():
    x = build("poisson").sample({"rate": torch.tensor([[0.0], [2.0]])}, 20_000, ShardRandom(0, 0))
    assert (x[0] == 0).all()
    observed = np.bincount(x[1, :, 0].long(), minlength=8)[:8]
    expected = poisson.pmf(np.arange(7), 2.0)
    expected = np.append(expected, 1 - expected.sum())
    observed[7] = 20_000 - observed[:7].sum()
    assert chisquare(observed, 20_000 * expected).pvalue > 1e-3


def test_categories_are_counted_as_their_probabilities_say():
    family = build("multinomial", categories=3, trials=5)
    p = torch.tensor([[0.5, 0.2, 0.3], [0.0, 1.0, 0.0]])
    x = family.sample({"probability": p}, 30_000, ShardRandom(0, 0))
    assert (x.sum(-1) == 5).all()
    assert (x == x.round()).all()
    assert (x[1, :, 1] == 5).all()
    a, b = np.indices((6, 6)).reshape(2, -1)
    a, b = (v[a + b <= 5] for v in (a, b))
    expected = multinomial.pmf(np.stack([a, b, 5 - a - b], 1), 5, [0.5, 0.2, 0.3])
    table = np.zeros((6, 6))
    np.add.at(table, tuple(x[0, :, :2].long().T.numpy()), 1)
    assert chisquare(table[a, b], 30_000 * expected / expected.sum()).pvalue > 1e-3


@pytest.mark.parametrize("alpha", [[1.0], [0.03125, 1.0, 1.0], [32.0, 1.0, 1.0], [0.01, 0.01, 0.02]])
def test_probabilities_follow_the_dirichlet_law(alpha):
    p = build("multinomial", alpha=alpha).draw(40_000, ShardRandom(0, 0))["probability"].double()
    a = np.array(alpha * (3 // len(alpha)))
    distribution = dirichlet(a)
    assert p.isfinite().all()
    assert torch.allclose(p.sum(1), torch.ones(40_000).double(), atol=1e-6)
    assert np.allclose(p.mean(0), distribution.mean(), atol=0.01)
    assert np.allclose(p.var(0), distribution.var(), atol=0.01)
    # how deep the corners are filled: a gamma draw that underflows would put mass in the middle of the simplex
    assert float((p[:, 0] < 1e-6).double().mean()) == pytest.approx(beta.cdf(1e-6, a[0], a[1:].sum()), abs=0.01)


@pytest.mark.parametrize("alpha", [0.5, 2])
def test_one_number_is_a_symmetric_prior(alpha):
    assert (
        build("multinomial", categories=4, alpha=alpha).alpha
        == build("multinomial", categories=4, alpha=[alpha] * 4).alpha
    )


def test_covariances_have_exactly_the_rank_they_are_said_to_have():
    family = build("mvn_lowrank", dim=20, rank=3)
    params = family.draw(4, ShardRandom(0, 0))
    x = family.sample(params, 50, ShardRandom(1, 0))
    values = torch.linalg.svdvals((x - params["mean"][:, None]).double())
    assert (values[:, 2] > 1).all()
    assert (values[:, 3] < 1e-4 * values[:, 0]).all()


def test_mixtures_of_one_component_are_normals():
    one, normal = build("gmm", dim=3, df=8, components=1), build("mvn", dim=3, df=8)
    params = one.draw(5, ShardRandom(0, 0))
    flat = {"mean": params["mean"][:, 0], "cov": params["cov"][:, 0]}
    assert np.allclose(one.w2(params), normal.w2(flat), atol=1e-6)
    for a, b in zip(one.moments(params), normal.moments(flat), strict=True):
        assert torch.allclose(a, b)
    x = one.sample(params, 9, ShardRandom(1, 0))
    assert x.shape == (5, 9, 3)


@pytest.mark.parametrize(("kind", "distribution"), CASES, ids=IDS)
def test_everything_stays_on_the_device_of_the_random_numbers(kind, distribution):
    family = build(kind, **distribution)
    rng = ShardRandom(0, 0, shards=2, device="cuda" if torch.cuda.is_available() else "cpu")
    params = family.draw(4, rng)
    for tensor in [*params.values(), *family.moments(params), family.sample(params, 5, rng)]:
        assert tensor.device.type == rng.device.type
        assert tensor.dtype == torch.float32
        assert torch.isfinite(tensor).all()


@pytest.mark.parametrize("dim", [2, 20])
def test_the_smallest_df_still_gives_finite_samples(dim):
    family = build("mvn", dim=dim, df=dim + 2)
    params = family.draw(500, ShardRandom(0, 0))
    assert torch.isfinite(family.sample(params, 4, ShardRandom(0, 1))).all()


@pytest.mark.parametrize(
    ("kind", "distribution", "message"),
    [
        ("mvn", {"dim": 2, "df": 3}, r"dataset\.df: found 3, expected an integer > dim \+ 1 = 3"),
        ("mvn", {"df": 7.5}, r"dataset\.df: found 7\.5"),
        ("mvn", {"dim": 0}, r"dataset\.dim: found 0"),
        ("gmm", {"df": 2}, r"dataset\.df: found 2"),
        ("gmm", {"components": 0}, r"dataset\.components: found 0"),
        ("gmm", {"alpha": 0.0}, r"dataset\.alpha: found 0\.0"),
        ("gmm", {"alpha": float("nan")}, r"dataset\.alpha: found nan"),
        ("normal", {"sd_low": 0.0}, r"dataset\.sd_low: found 0\.0"),
        ("normal", {"sd_low": 3.0}, r"dataset\.sd_low: found 3\.0 with sd_high 2\.0"),
        ("normal", {"mean_low": 6.0}, r"dataset\.mean_low: found 6\.0 with mean_high 5\.0"),
        ("mvn", {"mean_high": float("inf")}, r"dataset\.mean_low: found 0\.0 with mean_high inf"),
        ("poisson", {"rate_low": -1.0}, r"dataset\.rate_low: found -1\.0 with rate_high 10\.0"),
        ("poisson", {"rate_low": 11.0}, r"dataset\.rate_low: found 11\.0 with rate_high 10\.0"),
        ("poisson", {"rate_low": 0.0, "rate_high": 0.0}, r"dataset\.rate_low: found 0\.0 with rate_high 0\.0"),
        ("poisson", {"rate_high": float("nan")}, r"dataset\.rate_low: found 1\.0 with rate_high nan"),
        ("multinomial", {"categories": 1}, r"dataset\.categories: found 1"),
        ("multinomial", {"trials": 0}, r"dataset\.trials: found 0"),
        ("multinomial", {"alpha": [1.0, 0.0, 1.0]}, r"dataset\.alpha: found \[1\.0, 0\.0, 1\.0\]"),
        ("multinomial", {"alpha": -1.0}, r"dataset\.alpha: found -1\.0"),
        ("multinomial", {"alpha": [1.0, 2.0]}, r"dataset\.alpha: found 2 numbers, expected 1 or 3"),
        ("mvn_lowrank", {"rank": 101}, r"dataset\.rank: found 101, expected an integer from 1 to dim = 100"),
        ("mvn_lowrank", {"rank": 0}, r"dataset\.rank: found 0"),
        ("mvn_lowrank", {"scale": 0.0}, r"dataset\.scale: found 0\.0"),
        ("mvnn", {}, r"dataset\.kind: found 'mvnn', expected one of normal, poisson, multinomial, mvn"),
    ],
)
def test_impossible_parameters_are_refused_by_name_and_value(kind, distribution, message):
    with pytest.raises(GdeError, match=message):
        build(kind, **distribution)


def test_every_registered_family_builds_with_its_defaults():
    for kind in REGISTRY:
        family = build(kind)
        assert family.sample(family.draw(2, ShardRandom(0, 0)), 3, ShardRandom(0, 1)).shape == (2, 3, family.dim)
