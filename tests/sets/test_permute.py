from itertools import combinations, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from gde.sets import permute
from gde.sets.permute import spread, without_replacement

SLOTS = st.lists(st.tuples(st.integers(1, 3000), st.floats(0, 1)), min_size=0, max_size=12)


@pytest.mark.parametrize("choose", [without_replacement, spread])
@given(slots=SLOTS, seed=st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_every_slot_gets_distinct_numbers_below_its_size(choose, slots, seed):
    sizes = np.array([m for m, _ in slots], np.int64)
    counts = np.array([round(m * part**3) for m, part in slots], np.int64)
    out = choose(sizes, counts, np.random.default_rng(seed))
    assert len(out) == counts.sum()
    for size, chosen in zip(sizes, np.split(out, np.cumsum(counts)[:-1]) if len(counts) else [], strict=True):
        assert len(np.unique(chosen)) == len(chosen)
        assert not len(chosen) or (chosen.min() >= 0 and chosen.max() < size)


@pytest.mark.parametrize(("size", "count"), [(4, 2), (5, 5), (9, 2), (13, 3)])  # by keys, by keys, redrawn, redrawn
def test_every_ordered_choice_is_equally_likely(size, count):
    rng = np.random.default_rng(1)
    cells = {c: i for i, c in enumerate(permutations(range(size), count))}
    repeats = 60 * len(cells)
    out = without_replacement(np.full(repeats, size), np.full(repeats, count), rng).reshape(repeats, count)
    assert chisquare(np.bincount([cells[tuple(c)] for c in out.tolist()], minlength=len(cells))).pvalue > 1e-3


@pytest.mark.parametrize("window", [64, 6])
def test_inclusion_is_uniform_also_through_a_window(monkeypatch, window):
    monkeypatch.setattr(permute, "WINDOW", window)
    size, count, repeats = 40, 5, 40_000
    out = spread(np.full(repeats, size), np.full(repeats, count), np.random.default_rng(2))
    observed = np.bincount(out, minlength=size)
    expected = repeats * count / size
    assert chisquare(observed).pvalue > 1e-3
    assert abs(observed - expected).max() < 6 * expected**0.5


def test_without_a_window_all_pairs_of_rows_meet_equally_often():
    size, count, repeats = 30, 6, 20_000
    out = spread(np.full(repeats, size), np.full(repeats, count), np.random.default_rng(3)).reshape(repeats, count)
    pairs = np.zeros((size, size))
    for i, j in combinations(range(count), 2):
        np.add.at(pairs, (np.minimum(out[:, i], out[:, j]), np.maximum(out[:, i], out[:, j])), 1)
    assert chisquare(pairs[np.triu_indices(size, 1)]).pvalue > 1e-3
