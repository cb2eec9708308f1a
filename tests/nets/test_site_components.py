"""Components of tokens by position, against numpy's singular values of the tokens written out."""

import numpy as np
import pytest
import torch

from gde.nets.site_components import RARE, site_components

KNOWN, LENGTH = 4, 7


def tokens(n: int = 600, seed: int = 0) -> torch.Tensor:
    """Two independent lineages, one at three positions and one at two; elsewhere one token; some tokens missing."""
    rng = np.random.default_rng(seed)
    x = np.ones((n, LENGTH), np.uint8)
    x[:, :3] += (rng.random((n, 1)) < 0.4).astype(np.uint8)
    x[:, 4:6] += 2 * (rng.random((n, 1)) < 0.2).astype(np.uint8)
    x[rng.random((n, LENGTH)) < 0.01] = KNOWN + 1
    return torch.from_numpy(x)


def test_they_are_the_principal_components_of_what_varies():
    x = tokens()
    components, sd = site_components(x, KNOWN, 2)
    flags = (x.numpy()[..., None] == np.arange(1, KNOWN + 1)).astype(float)
    known = (x.numpy() <= KNOWN)[..., None]
    share = flags.sum(0) / known.sum(0)
    flags = np.where(known, flags - share, 0) * ((share >= RARE) & (share <= 1 - RARE))
    _, value, vector = np.linalg.svd(flags.reshape(len(x), -1), full_matrices=False)
    np.testing.assert_allclose(sd, value[:2] / len(x) ** 0.5, rtol=1e-4)
    alike = np.abs((components.flatten(1).numpy() * vector[:2]).sum(1))
    np.testing.assert_allclose(alike, 1, atol=1e-4)
    assert (components.flatten(1).gather(1, components.flatten(1).abs().argmax(1, keepdim=True)) > 0).all()
    assert not components[:, [3, 6]].any()


def test_there_are_no_more_than_vary():
    x = torch.ones(50, LENGTH, dtype=torch.uint8)
    x[::2, 2] = 3
    components, sd = site_components(x, KNOWN, 3)
    assert sd.tolist() == pytest.approx([0.5**0.5, 0, 0])
    assert not components[1:].any()
    assert components[0].nonzero().tolist() == [[2, 0], [2, 2]]


@pytest.mark.parametrize("residue", [1, KNOWN + 1])
def test_of_sequences_that_are_alike_or_unknown_there_are_none(residue):
    components, sd = site_components(torch.full((9, LENGTH), residue, dtype=torch.uint8), KNOWN, 2)
    assert components.shape == (2, LENGTH, KNOWN) and not components.any() and not sd.any()


def test_a_rare_letter_is_left_out():
    x = torch.ones(1000, LENGTH, dtype=torch.uint8)
    x[:5, 0], x[:20, 1] = 2, 2
    components, _ = site_components(x, KNOWN, 2)
    assert not components[:, 0].any() and components[0, 1].any()
