"""Laws of the embeddings that need no training, and of geometry by exact transport and with equal means."""

import numpy as np
import pytest
import torch

from gde.distances.exact import exact_w2
from gde.distances.gaussian import gaussian_w2_matrix
from gde.distances.mmd import mmd
from gde.evaluate.shared.bandwidth import median_distance
from gde.evaluate.simulated.baselines import ANCHORS, REFERENCE, Anchors, moments_w2
from gde.evaluate.simulated.geometry import centred, exact_matrix
from gde.evaluate.simulated.reconstruction import moments
from gde.sets.families import build
from gde.sets.random import ShardRandom

CPU = torch.device("cpu")


def anchors(kind="mvn", length=8, **params) -> Anchors:
    return Anchors(build(kind, **params), length, seed=0, device=CPU)


def draw(kind="mvn", sets=6, size=200, **params) -> torch.Tensor:
    family = build(kind, **params)
    return family.sample(family.draw(sets, ShardRandom(1, 0)), size, ShardRandom(1, 0, stream="x"))


def test_every_anchor_is_a_distance_of_sets():
    """Symmetric, zero to itself, blind to the order of samples and to how the sets are cut into chunks."""
    x = draw()
    a = anchors()
    whole = a.matrices([x])
    again = a.matrices([x[:2, torch.randperm(200)], x[2:]])
    assert set(whole) == set(ANCHORS)
    for name, matrix in whole.items():
        np.testing.assert_allclose(matrix, matrix.T, err_msg=name)
        assert (np.diag(matrix) == 0).all(), name
        np.testing.assert_allclose(matrix, again[name], rtol=1e-4, atol=1e-6, err_msg=name)


def test_the_kernel_mean_distance_is_mmd():
    x, a = draw(), anchors()
    width = float(median_distance(a.cloud[None], REFERENCE))
    i, j = np.triu_indices(6, 1)
    exact = mmd(x[i], x[j], width, biased=True).double().sqrt().numpy()
    found = a.matrices([x])["kernel_mean"][i, j]
    np.testing.assert_allclose(found, exact, atol=0.1 * exact.max())  # 256 random frequencies: 1/16


def test_linearised_transport_of_a_translation_is_its_length():
    x, a = draw(sets=1), anchors()
    shift = torch.tensor([3.0, -4.0])
    assert a.matrices([torch.cat([x, x + shift])])["lot"][0, 1] == pytest.approx(5, rel=1e-5)


def test_linearised_transport_on_the_line_is_exact():
    """Maps between quantiles: no more is to be known, for as many samples as the reference has."""
    x = draw("normal", size=REFERENCE)
    i, j = np.triu_indices(6, 1)
    exact = exact_w2(x[i], x[j]).numpy()
    np.testing.assert_allclose(anchors("normal").matrices([x])["lot"][i, j], exact, rtol=1e-4)


def test_linearised_transport_counts_repeated_samples():
    x, a = draw("poisson"), anchors("poisson")
    np.testing.assert_allclose(a.embed(x)["lot"], a.embed(x.repeat(1, 3, 1))["lot"], atol=1e-5)


def test_all_principal_components_keep_the_moments():
    x = draw()
    mean, cov = moments(x)
    whole = torch.cat([mean, cov[:, [0, 0, 1], [0, 1, 1]]], 1)
    found = anchors(length=5).matrices([x])["pca_of_moments"]
    np.testing.assert_allclose(found, torch.cdist(whole, whole), atol=1e-6)
    fewer = anchors(length=2).matrices([x])["pca_of_moments"]
    assert (fewer <= found + 1e-9).all()
    assert (fewer < 0.99 * found).any()


def test_gaussian_w2_by_factors_of_low_rank():
    """The short way for covariances of low rank is the long way's result; so for one that is zero."""
    rng = torch.Generator().manual_seed(0)
    factor = torch.randn(5, 9, 2, generator=rng, dtype=torch.float64)
    factor[0] = 0
    mean = torch.randn(5, 9, generator=rng, dtype=torch.float64)
    cov = factor @ factor.mT
    np.testing.assert_allclose(moments_w2(mean.numpy(), cov.numpy()), gaussian_w2_matrix(mean, cov), atol=1e-6)


@pytest.mark.parametrize("kind", ["normal", "mvn", "mvn_lowrank", "gmm"])
def test_centred_distributions_differ_in_shape_only(kind):
    family = build(kind)
    params = family.draw(5, ShardRandom(0, 0))
    moved = centred(family, params)
    mean, cov = family.moments(moved)
    torch.testing.assert_close(mean, torch.full_like(mean, (family.mean_low + family.mean_high) / 2))
    torch.testing.assert_close(cov, family.moments(params)[1], atol=1e-4, rtol=1e-4)
    assert (family.w2(moved) <= family.w2(params) + 1e-5).all()  # the shift of the means was the rest


def test_exact_matrix_is_exact_w2_of_every_pair():
    x = draw(sets=13, size=30)  # 78 pairs: more than are solved together
    matrix = exact_matrix(x)
    for i, j in ((0, 1), (3, 12), (11, 12)):
        assert matrix[i, j] == matrix[j, i] == pytest.approx(float(exact_w2(x[i], x[j])))
    assert (np.diag(matrix) == 0).all()
