"""Versions of a protein with insertions and deletions are read at the sites of the others."""

import numpy as np
import pytest
import torch

from gde.encoders.dna_conv import DnaConv
from gde.encoders.side_by_side import SideBySide
from gde.nets.positions import Positions
from gde.nets.site_logits import SiteLogits
from gde.sets.types.alphabet import ALPHABETS

PROTEIN = ALPHABETS["protein"]
SITES, LENGTH, X = 400, 410, PROTEIN.size


def versions(n: int, seed: int = 0, mutated: float = 0.01) -> np.ndarray:
    """Tokens (n, LENGTH) of one random protein with substitutions."""
    rng = np.random.default_rng(seed)
    out = np.zeros((n, LENGTH), np.uint8)
    out[:, :SITES] = rng.integers(1, 21, SITES)
    change = rng.random((n, SITES)) < mutated
    out[:, :SITES][change] = rng.integers(1, 21, change.sum())
    return out


def without(row: np.ndarray, at: int, n: int = 1) -> np.ndarray:
    return np.r_[row[:at], row[at + n :], np.zeros(n, np.uint8)]


def with_more(row: np.ndarray, at: int, n: int) -> np.ndarray:
    return np.r_[row[:at], np.full(n, 7, np.uint8), row[at : LENGTH - n]]


def substituted(row: np.ndarray, at: int) -> np.ndarray:
    out = row.copy()
    out[at] = row[at] % 20 + 1
    return out


@pytest.fixture(scope="module")
def made() -> DnaConv:
    torch.manual_seed(0)
    made = DnaConv(
        DnaConv.Options(hidden=16, layers=1, kernel=5, pool=4, readout="positions"),
        dim=LENGTH, latent_dim=16, vocabulary=X,
    )  # fmt: skip
    training = versions(300)
    training[::20] = [without(row, 120) for row in training[::20]]  # every twentieth lacks a residue
    made.fit(torch.from_numpy(training))
    return made


@pytest.mark.parametrize("at", [8, 69, 200, 390])
@pytest.mark.parametrize("change", ["one", "three", "insertion"])
def test_a_deletion_moves_an_embedding_no_more_than_substitutions_do(made, at, change, monkeypatch):
    rows = versions(19, seed=1)
    rows[:, :SITES] = versions(1)[0, :SITES]
    changed = {
        "one": lambda row: without(row, at),
        "three": lambda row: without(row, at, 3),
        "insertion": lambda row: with_more(row, at, 3),
    }[change]

    @torch.no_grad()
    def moved(new: np.ndarray) -> float:
        other = rows.copy()
        other[0] = new
        x = torch.from_numpy(np.stack([rows, other]))
        a, b = made(x)
        return float((a - b).norm())

    substitution = np.median([moved(substituted(rows[0], i)) for i in range(0, SITES, 9)])
    assert moved(changed(rows[0])) <= 3 * substitution
    monkeypatch.setattr(made, "side_by_side", lambda x: x)
    assert at > 380 or moved(changed(rows[0])) > 6 * substitution  # as it is without


def test_what_lacks_is_unknown_and_what_is_more_is_left_out():
    training = versions(200)
    usual = Positions(LENGTH, X, 2)
    usual.fit(torch.from_numpy(training))
    beside, row = SideBySide(usual.usual), training[3]
    rows = np.stack([row, without(row, 50, 2), with_more(row, 200, 4), np.r_[row[40:], np.zeros(40, np.uint8)]])
    found = beside(torch.from_numpy(rows)).numpy()
    assert (found[0] == row).all() and (found[2] == row).all()
    lacks = np.flatnonzero(found[1] != row)
    assert len(lacks) == 2 and set(lacks) <= set(range(46, 55)) and (found[1][lacks] == X).all()
    assert (found[3][:40] == X).all() and (found[3][40:] == row[40:]).all()


def test_others_stay_as_they_are():
    """Relatives of nothing among versions; and any sequences, where none is usual."""
    usual = Positions(LENGTH, X, 2)
    usual.fit(torch.from_numpy(versions(200)))
    other = np.concatenate([versions(2, seed=5), np.full((1, LENGTH), 3, np.uint8)])
    assert (SideBySide(usual.usual)(torch.from_numpy(other)).numpy() == other).all()
    usual.fit(torch.from_numpy(np.concatenate([versions(1, seed=s) for s in range(50)])))
    assert (SideBySide(usual.usual)(torch.from_numpy(other)).numpy() == other).all()


def test_one_deletion_is_no_component_of_sites():
    x = versions(40, mutated=0.0)
    x[::2, 30] = x[0, 30] % 20 + 1  # what truly varies
    x[5] = without(x[5], 100)
    made = SiteLogits(LENGTH, X + 1, 4, 2, known=20)
    made.fit(torch.from_numpy(x))
    sites = made.components.flatten(2).abs().amax((0, 2))
    assert sites.nonzero()[:, 0].tolist() == [30]
