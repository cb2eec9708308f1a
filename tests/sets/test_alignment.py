"""Alignment by shared kmers: what was changed is found, and the proper alignment says the same."""

import numpy as np
import pytest

from gde.sets.alignment import GAP, Aligner, kmers, needleman
from gde.sets.types.alphabet import ALPHABETS

PROTEIN = ALPHABETS["protein"]
SITES = 400


def random_tokens(rng: np.random.Generator, n: int) -> np.ndarray:
    return rng.integers(1, 21, n).astype(np.uint8)


@pytest.fixture(scope="module")
def reference():
    return random_tokens(np.random.default_rng(0), SITES)


@pytest.fixture(scope="module")
def aligner(reference):
    return Aligner(reference, PROTEIN)


def properly(reference: np.ndarray, residues: np.ndarray) -> np.ndarray:
    """The whole sequence aligned from end to end."""
    out = np.zeros(len(reference), np.uint8)
    target, query = (PROTEIN.decode(x[None])[0] for x in (reference, residues))
    for (a, b), (c, d) in zip(*needleman().align(target, query)[0].aligned, strict=True):
        out[a:b] = residues[c:d]
    return out


@pytest.mark.parametrize("seed", range(8))
def test_mutations_deletions_and_insertions_are_found(reference, aligner, seed):
    rng = np.random.default_rng(seed)
    truth = reference.copy()
    mutated = rng.choice(np.arange(20, SITES - 20), 15, replace=False)
    truth[mutated] = truth[mutated] % 20 + 1
    gone = np.sort(rng.choice(np.arange(30, SITES - 30), 3, replace=False))
    residues = np.delete(truth, gone)
    truth[gone] = GAP
    residues = np.insert(residues, 200, random_tokens(rng, 4))
    placed = aligner(residues)
    # a deleted token that its neighbour repeats may be either of the two, and an insertion may stick to a deletion
    assert (placed != truth).sum() <= 8 and (placed == GAP).sum() == pytest.approx(3, abs=2)
    assert (placed != properly(reference, residues)).sum() <= 8


def test_the_reference_lies_on_itself_and_unknown_letters_stay(reference, aligner):
    np.testing.assert_array_equal(aligner(reference), reference)
    unknown = reference.copy()
    unknown[100:160] = PROTEIN.size
    np.testing.assert_array_equal(aligner(unknown), unknown)


@pytest.mark.parametrize("part", [slice(7, None), slice(None, -9), slice(150, 380)], ids=["begin", "end", "both"])
def test_what_was_cut_is_missing(reference, aligner, part):
    expected = np.full(SITES, GAP, np.uint8)
    expected[part] = reference[part]
    np.testing.assert_array_equal(aligner(reference[part]), expected)


def test_longer_ends_are_left_out(reference, aligner):
    rng = np.random.default_rng(1)
    longer = np.concatenate([random_tokens(rng, 5), reference, random_tokens(rng, 3)])
    np.testing.assert_array_equal(aligner(longer), reference)


@pytest.mark.parametrize("at", [40, 120])
def test_a_repeat_that_lost_a_copy(at):
    """K-mers of both copies are the reference's twice, and claim the same tokens."""
    rng = np.random.default_rng(3)
    base = random_tokens(rng, 200)
    reference = np.insert(base, at, base[at : at + 12])
    placed = Aligner(reference, PROTEIN)(base)
    assert (placed == GAP).sum() == 12
    np.testing.assert_array_equal(placed[placed != GAP], base)


@pytest.mark.parametrize("residues", [np.full(50, 3, np.uint8), np.full(7, 21, np.uint8), np.array([5], np.uint8)])
def test_sequences_of_another_kind_give_some_placement(aligner, residues):
    placed = aligner(residues)
    assert placed.shape == (SITES,) and placed.max() <= PROTEIN.size


def test_a_reference_shorter_than_a_word(reference):
    np.testing.assert_array_equal(Aligner(reference[:5], PROTEIN)(reference[:5]), reference[:5])


def test_words_are_numbered_by_their_letters():
    x = np.array([1, 2, 3, 4, 5, 6, 7, 8, 21, 1, 2, 3, 4, 5, 6, 7, 8], np.uint8)
    code = kmers(x, PROTEIN.size)
    assert code[0] == code[9] >= 0 and (code[1:9] == -1).all()
    assert len(kmers(x[:7], PROTEIN.size)) == 0
