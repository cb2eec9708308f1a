"""Quantiles out of core: the ranks that sorting everything in memory gives, whatever the ties, chunks and blocks."""

import numpy as np
import pytest

from gde.prepare.common import quantiles
from gde.prepare.common.hashing import sequence_hash, shuffled, uniform
from gde.prepare.common.quantiles import Ranking, ordered, select


def ranked(values: np.ndarray, count: int, here, *, seed: int = 3, pieces: int = 1) -> np.ndarray:
    with Ranking(here, seed=seed) as ranking:
        for part in np.array_split(values, pieces):
            ranking.add(part)
        return np.concatenate(list(ranking.quantiles(count)))


def in_memory(values: np.ndarray, count: int, seed: int) -> np.ndarray:
    order = np.lexsort((shuffled(np.arange(len(values)), seed), values))
    rank = np.empty(len(values), int)
    rank[order] = np.arange(len(values))
    return np.searchsorted(np.arange(1, count) * len(values) // count, rank, side="right")


VALUES = {
    "distinct": lambda rng, n: rng.standard_normal(n),
    "half whole numbers": lambda rng, n: np.where(rng.random(n) < 0.58, rng.integers(0, 18, n), rng.normal(8, 3, n)),
    "one value": lambda rng, n: np.full(n, 7.0),
    "two zeros": lambda rng, n: rng.choice([0.0, -0.0, -1e-300, 1e300, -5.0], n),
    "tiny steps": lambda rng, n: 1.0 + rng.integers(0, 5, n) * np.finfo(float).eps,
}


@pytest.mark.parametrize("kind", VALUES)
@pytest.mark.parametrize("count", [1, 7, 100])
def test_the_ranks_of_sorting_in_memory(kind, count, tmp_path, monkeypatch):
    monkeypatch.setattr(quantiles, "BLOCK", 97)  # many blocks
    values = VALUES[kind](np.random.default_rng(0), 1003)
    found = ranked(values, count, tmp_path)
    np.testing.assert_array_equal(found, in_memory(values, count, 3))
    sizes = np.bincount(found, minlength=count)
    assert sizes.max() - sizes.min() <= 1  # ties are cut, so that quantiles are equally large


def test_chunks_and_blocks_do_not_matter_and_the_seed_does(tmp_path, monkeypatch):
    values = np.random.default_rng(1).integers(0, 9, 5000).astype(float)
    first = ranked(values, 50, tmp_path)
    np.testing.assert_array_equal(first, ranked(values, 50, tmp_path, pieces=13))
    monkeypatch.setattr(quantiles, "BLOCK", 61)
    np.testing.assert_array_equal(first, ranked(values, 50, tmp_path))
    assert (first != ranked(values, 50, tmp_path, seed=4)).any()
    assert not list(tmp_path.iterdir())  # nothing is left


def test_ties_fall_on_both_sides_like_coins(tmp_path):
    """Of 4,000 equal rows the upper half is a fair sample: no trend along the file."""
    upper = ranked(np.zeros(4000), 2, tmp_path).astype(bool)
    assert upper.sum() == 2000
    place = np.flatnonzero(upper).mean()
    assert abs(place - 1999.5) < 4 * 4000 / np.sqrt(12 * 4000)


def test_too_few_rows_are_refused(tmp_path):
    with Ranking(tmp_path, seed=0) as ranking:
        ranking.add(np.zeros(5))
        with pytest.raises(ValueError, match="6 quantiles of 5 rows"):
            next(ranking.quantiles(6))


def test_keys_are_in_the_order_of_values():
    values = np.array([-np.inf, -1e308, -2.0, -1e-320, 0.0, 1e-320, 1.0, 1 + 1e-15, 1e308])
    keys = ordered(values)
    assert (np.diff(keys.astype(object)) > 0).all() and ordered(np.array([-0.0]))[0] == keys[4]


def test_selection_is_sorting():
    keys = np.random.default_rng(0).integers(0, 2**64, 999, dtype=np.uint64)
    keys[100:300] = keys[0]
    ranks = np.array([0, 0, 5, 500, 998])
    found, below = select(lambda: iter(np.array_split(keys, 7)), ranks)
    np.testing.assert_array_equal(found, np.sort(keys)[ranks])
    np.testing.assert_array_equal(below, [(keys < k).sum() for k in found])


def test_shuffled_is_a_permutation_without_trend():
    index = np.arange(100_000)
    found = shuffled(index, 5)
    assert len(np.unique(found)) == len(index) and found.max() < 2**56
    assert abs(np.corrcoef(index, found.astype(float))[0, 1]) < 4 / np.sqrt(len(index))


def test_the_hash_is_of_the_letters_alone():
    rng = np.random.default_rng(0)
    tokens = rng.integers(1, 6, (2000, 40)).astype(np.uint8)
    tokens[:, 33:] = 0
    one = sequence_hash(tokens, 1)
    np.testing.assert_array_equal(one, sequence_hash(np.pad(tokens, ((0, 0), (0, 24))), 1))  # not of the padding
    np.testing.assert_array_equal(one, sequence_hash(tokens[:, :33], 1))
    np.testing.assert_array_equal(one[::3], sequence_hash(tokens[::3], 1))  # nor of the others
    changed = tokens.copy()
    changed[np.arange(2000), rng.integers(0, 33, 2000)] ^= 7
    assert (sequence_hash(changed, 1) != one).all() and (sequence_hash(tokens, 2) != one).all()
    shares = np.bincount((uniform(one) * 4).astype(int), minlength=4) / 2000
    assert np.abs(shares - 0.25).max() < 4 * np.sqrt(0.25 * 0.75 / 2000)
