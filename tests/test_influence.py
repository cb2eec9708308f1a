"""Influence functions: the first-order change of an embedding, of every kind of encoder."""

import numpy as np
import pytest
import tiny
import torch

from gde.errors import GdeError
from gde.influence import influence, smooth
from gde.model import GDE

KINDS = ("mean", "mlp", "gnn", "resnet", "kernel_mean", "pca_mean", "attention", "resnet_attention")
RNG = np.random.default_rng(0)
X, NEW = (RNG.normal(size=(n, 3)).astype(np.float32) * 2 for n in (300, 7))


def model(kind: str, **options) -> GDE:
    torch.manual_seed(0)
    own = {"kind": kind} | ({} if kind in ("mean", "pca_mean") else {"hidden": 16}) | options
    if kind not in ("mean", "pca_mean", "kernel_mean"):
        own["layers"] = 2
    config = tiny.experiment({"encoder": own})
    return tiny.perturb(GDE(config, mean=torch.zeros(3), scale=torch.full((3,), 2.0)))


def mixed(of: GDE, share: float) -> np.ndarray:
    """Embeddings (m, l) of X with each of NEW added, as the given share of it."""
    weight = torch.full((1, len(X) + 1), (1 - share) / len(X))
    weight[:, -1] = share
    with torch.no_grad():
        sets = [torch.from_numpy(np.concatenate([X, row[None]]))[None] for row in NEW]
        return np.concatenate([of.encode(x, weight=weight).numpy() for x in sets])


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_the_derivative_of_the_embedding(kind):
    """Finite differences, of distributions that have a little of a sample; extrapolated to none."""
    of, step = model(kind), 4e-3
    none, half, whole = (mixed(of, share) for share in (0.0, step / 2, step))
    slope = (4 * half - whole - 3 * none) / step
    phi = influence(of, NEW, reference=X)
    assert np.abs(phi - slope).max() < 0.01 * np.abs(slope).max()


@pytest.mark.parametrize("kind", KINDS)
def test_its_mean_over_the_reference_is_zero(kind):
    phi = influence(model(kind), X)
    assert np.abs(phi.mean(0)).max() < 1e-4 * np.abs(phi).max()


@pytest.mark.parametrize("kind", ["resnet", "attention"])
def test_samples_that_stand_for_several(kind):
    twice = np.concatenate([X[:100], X[:50]])
    weight = np.where(np.arange(100) < 50, 2.0, 1.0)
    plain, weighted = influence(model(kind), twice), influence(model(kind), X[:100], weight)
    np.testing.assert_allclose(weighted, plain[:100], rtol=0.01, atol=0.01 * np.abs(plain).max())


def test_it_tells_the_errors_of_embeddings():
    """The covariance of influences over n is that of embeddings of n samples."""
    of, rng, n = model("resnet"), np.random.default_rng(1), 200
    with torch.no_grad():
        z = of.encode(torch.from_numpy(rng.normal(size=(400, n, 3)).astype(np.float32))).numpy()
    phi = influence(of, rng.normal(size=(2000, 3)).astype(np.float32))
    np.testing.assert_allclose(phi.std(0) / np.sqrt(n), z.std(0), rtol=0.2)


@pytest.mark.parametrize(
    ("pool", "error"), [("trimmed_mean", 0.2), ("huber", 0.3), ("softmax", 0.1), ("logsumexp", 0.1)]
)
def test_other_poolers(pool, error):
    """Huber's scale is taken as given, as its gradient does."""
    of = model("gnn", pool=pool, moments=False, skip=False)
    step = 0.02  # ranks move in steps
    slope = (mixed(of, step) - mixed(of, 0.0)) / step
    phi = influence(of, NEW, reference=X)
    assert smooth(of)
    assert np.abs(phi - slope).max() < error * np.abs(slope).max()


def test_medians_have_none():
    of = model("median_gnn")
    assert not smooth(of)
    with pytest.raises(GdeError, match=r"medians.*exact"):
        influence(of, X)
