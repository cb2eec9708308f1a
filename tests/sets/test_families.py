import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gde.errors import GdeError
from gde.sets.families import REGISTRY, build
from gde.sets.random import ShardRandom

CASES = [("normal", {}), ("mvn", {"dim": 3, "df": 8}), ("mvn", {"dim": 1, "df": 5}), ("gmm", {"dim": 2, "df": 10})]
IDS = ["normal", "mvn3", "mvn1", "gmm"]


@pytest.mark.parametrize(("kind", "law"), CASES, ids=IDS)
def test_sample_moments_converge_to_the_true_ones(kind, law):
    family, n = build(kind, **law), 100_000
    params = family.draw(6, ShardRandom(3, 0, shards=2))
    mean, cov = family.moments(params)
    x = family.sample(params, n, ShardRandom(3, 0, stream="x", shards=2)).double()
    assert x.shape == (6, n, family.dim)
    sd = cov.diagonal(dim1=1, dim2=2).sqrt()  # (b, d)
    assert ((x.mean(1) - mean).abs() < 5 * sd / n**0.5).all()
    centred = x - x.mean(1, keepdim=True)
    assert torch.allclose(centred.mT @ centred / n, cov.double(), atol=0.03 * float(sd.max()) ** 2)


@pytest.mark.parametrize(("kind", "law"), CASES, ids=IDS)
def test_batches_do_not_depend_on_how_shards_are_split(kind, law):
    family = build(kind, **law)

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
    root = (v * np.sqrt(w)) @ v.T
    cross = np.sqrt(np.clip(np.linalg.eigvalsh(root @ b @ root), 0, None)).sum()
    return np.trace(a) + np.trace(b) - 2 * cross


@pytest.mark.parametrize(("kind", "law"), CASES[:3], ids=IDS[:3])
def test_w2_of_normals_is_the_closed_form(kind, law):
    family = build(kind, **law)
    params = family.draw(6, ShardRandom(0, 0))
    w2 = np.asarray(family.w2(params))
    mean, cov = (p.double().numpy() for p in family.moments(params))
    for i in range(6):
        for j in range(i):
            expected = np.sqrt(((mean[i] - mean[j]) ** 2).sum() + _bures(cov[i], cov[j]))
            assert w2[i, j] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("kind", "law"), CASES, ids=IDS)
@given(seed=st.integers(0, 10**6))
@settings(max_examples=8, deadline=None)
def test_w2_is_a_metric(kind, law, seed):
    family = build(kind, **law)
    w2 = np.asarray(family.w2(family.draw(8, ShardRandom(seed, 0))))
    assert w2.dtype == np.float64
    assert np.allclose(np.diag(w2), 0, atol=1e-5)
    assert np.allclose(w2, w2.T, atol=1e-9)
    assert (w2[:, None] <= w2[:, :, None] + w2[None] + 1e-6).all()
    assert w2[~np.eye(8, dtype=bool)].min() > 0


def test_mixtures_of_one_component_are_normals():
    one, normal = build("gmm", dim=3, df=8, components=1), build("mvn", dim=3, df=8)
    params = one.draw(5, ShardRandom(0, 0))
    flat = {"mean": params["mean"][:, 0], "cov": params["cov"][:, 0]}
    assert np.allclose(one.w2(params), normal.w2(flat), atol=1e-6)
    for a, b in zip(one.moments(params), normal.moments(flat), strict=True):
        assert torch.allclose(a, b)
    x = one.sample(params, 9, ShardRandom(1, 0))
    assert x.shape == (5, 9, 3)


@pytest.mark.parametrize(("kind", "law"), CASES, ids=IDS)
def test_everything_stays_on_the_device_of_the_random_numbers(kind, law):
    family = build(kind, **law)
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
    ("kind", "law", "message"),
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
        ("mvnn", {}, r"dataset\.kind: found 'mvnn', expected one of normal, mvn, gmm"),
    ],
)
def test_impossible_parameters_are_refused_by_name_and_value(kind, law, message):
    with pytest.raises(GdeError, match=message):
        build(kind, **law)


def test_every_registered_family_builds_with_its_defaults():
    for kind in REGISTRY:
        family = build(kind)
        assert family.sample(family.draw(2, ShardRandom(0, 0)), 3, ShardRandom(0, 1)).shape == (2, 3, family.dim)
