"""Near copies are found whatever differs, random sequences are none, and no order changes the clusters."""

import numpy as np
import pytest

from gde.sets.near_copies import clusters, nearest
from gde.sets.types.alphabet import ALPHABETS

DNA, PROTEIN = ALPHABETS["dna"], ALPHABETS["protein"]
RNG = np.random.default_rng(0)


def random(n: int, length: int, known: int = 4) -> np.ndarray:
    return RNG.integers(1, known + 1, (n, length)).astype(np.uint8)


def substituted(x: np.ndarray, count: int, known: int = 4) -> np.ndarray:
    """Exactly `count` other tokens in each row."""
    x = x.copy()
    for row in x:
        at = RNG.choice(len(row), count, replace=False)
        row[at] = (row[at] - 1 + RNG.integers(1, known, count)) % known + 1
    return x


def deleted(x: np.ndarray, count: int) -> np.ndarray:
    """Rows without `count` tokens in the middle, zeros behind."""
    middle = x.shape[1] // 2
    return np.concatenate([x[:, :middle], x[:, middle + count :], np.zeros((len(x), count), np.uint8)], 1)


def moved(x: np.ndarray, count: int) -> np.ndarray:
    """Rows that begin further on, as windows of a genome do."""
    return np.concatenate([x[:, count:], random(len(x), count)], 1)


def opposite(x: np.ndarray) -> np.ndarray:
    """The other strand, read forwards: letter by letter, as text."""
    pairs = str.maketrans("ACGTN", "TGCAN")
    return DNA.pad([text.translate(pairs)[::-1] for text in DNA.decode(x)], x.shape[1])


@pytest.mark.parametrize(
    ("made", "together"),
    [
        (lambda x: substituted(x, 4), 1.0),
        (lambda x: substituted(x, 8), 0.97),
        (lambda x: substituted(x, 9), 0.0),  # .8875 of the positions agree
        (lambda x: deleted(x, 3), 1.0),
        (lambda x: moved(x, 6), 1.0),
        (lambda x: moved(x, 20), 0.0),
        (opposite, 1.0),
        (lambda x: opposite(substituted(x, 4)), 1.0),
        (lambda x: opposite(deleted(x, 3)), 1.0),
        (lambda x: opposite(substituted(x, 9)), 0.0),
        (lambda x: x[:, ::-1].copy(), 0.0),
        (lambda x: random(*x.shape), 0.0),
    ],
    ids=[
        "4 of 80",
        "8 of 80",
        "9 of 80",
        "a deletion",
        "moved by 6",
        "moved by 20",
        "other strand",
        "4 of 80 there",
        "a deletion there",
        "9 of 80 there",
        "backwards, which is no strand",
        "others",
    ],
)
def test_pairs_are_found_from_the_identity_on(made, together):
    x = random(600, 80)
    of = clusters(np.concatenate([x, made(x)]), 0.9, DNA)
    share = (of[:600] == of[600:]).mean()
    assert share >= together if together else share <= 0.01
    assert len(np.unique(of[:600])) == 600  # the random ones among themselves


def test_long_proteins_of_which_a_part_of_the_kmers_is_compared():
    x = random(60, 400, 20)
    of = clusters(np.concatenate([x, deleted(substituted(x, 20, 20), 2)]), 0.9, PROTEIN)
    assert (of[:60] == of[60:]).all() and len(np.unique(of)) == 60


def test_what_all_share_makes_no_copies_of_them():
    """Constant flanks, as of random libraries."""
    x = random(3000, 80)
    x[:, :17], x[:, -13:] = x[0, :17], x[0, -13:]
    assert len(np.unique(clusters(x, 0.9, DNA))) == 3000
    y = substituted(x, 4)
    of = clusters(np.concatenate([x, y]), 0.9, DNA)
    assert (of[:3000] == of[3000:]).all()


def test_copies_of_copies_are_together_in_any_order():
    x = random(50, 80)
    chain = [x]
    for _ in range(4):
        chain.append(substituted(chain[-1], 5))
    x = np.concatenate([*chain, chain[-1]])  # the last ones twice
    order = RNG.permutation(len(x))
    of, again = clusters(x, 0.9, DNA), clusters(x[order], 0.9, DNA)
    assert len(np.unique(of)) == 50
    pairs = {(a, b) for a, b in zip(of[order].tolist(), again.tolist(), strict=True)}
    assert len(pairs) == 50


def test_parts_that_are_sorted_apart_change_nothing(monkeypatch):
    x = random(300, 80)
    x = np.concatenate([x, substituted(x, 6)])
    whole = clusters(x, 0.9, DNA)
    monkeypatch.setattr("gde.sets.near_copies.TOGETHER", 4000)
    monkeypatch.setattr("gde.sets.near_copies.TOKENS", 1000)
    assert (clusters(x, 0.9, DNA) == whole).all()


def test_unknown_tokens_and_short_sequences_are_no_copies():
    x = np.full((20, 30), DNA.size, np.uint8)
    short = DNA.pad(["ACG", "ACT", "ACG"], 30)
    of = clusters(np.concatenate([x, short]), 0.9, DNA)
    assert len(np.unique(of)) == 3 and of[20] == of[22]  # equal ones are


def test_the_nearest_is_the_one_that_it_was_made_from():
    x = random(500, 80)
    asked = np.concatenate([substituted(x[:100], 8), random(100, 80)])
    chunks = [(x[i : i + 200], 1000 + np.arange(i, min(i + 200, 500))) for i in (0, 200, 400)]
    share, number = nearest(asked, chunks, DNA)
    assert (number[:100] == 1000 + np.arange(100)).mean() > 0.95
    np.testing.assert_allclose(share[:100][number[:100] == 1000 + np.arange(100)], 0.9)
    assert (share[100:] < 0.6).all()
    assert (nearest(asked, [], DNA)[1] == -1).all()


def test_strands_are_what_text_says_and_twice_is_none():
    x = deleted(random(40, 30), 7)
    x[:, 3] = DNA.size
    both = DNA.strands(x)
    assert (both[:40] == x).all() and (both[40:] == opposite(x)).all()
    assert (DNA.strands(both[40:])[40:] == x).all()
    assert DNA.strands(np.zeros((2, 5), np.uint8)).sum() == 0
    proteins = random(5, 30, 20)
    assert PROTEIN.strands(proteins) is proteins


def test_the_nearest_may_stand_on_the_other_strand():
    x = random(300, 80)
    asked = opposite(substituted(x[:100], 4))
    share, number = nearest(asked, [(x[:150], np.arange(150)), (x[150:], np.arange(150, 300))], DNA)
    assert (number == np.arange(100)).mean() > 0.95
    np.testing.assert_allclose(share[number == np.arange(100)], 0.95)


def test_strands_join_in_any_order():
    """Of four copies two stand backwards: which of them are written so changes nothing."""
    x = random(40, 80)
    x = np.concatenate([x, opposite(substituted(x, 3)), substituted(x, 3), opposite(substituted(x, 3))])
    order, turned = RNG.permutation(len(x)), RNG.random(len(x)) < 0.5
    y = np.where(turned[:, None], opposite(x), x)[order]
    of, again = clusters(x, 0.9, DNA), clusters(y, 0.9, DNA)
    assert len(np.unique(of)) == 40
    assert len(set(zip(of[order].tolist(), again.tolist(), strict=True))) == 40
