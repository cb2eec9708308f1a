"""The Markov baseline against counting by hand, and against a law that it can learn."""

import numpy as np
import pytest

from gde.evaluate.shared.markov import Markov, symbols
from gde.sets.types.alphabet import ALPHABETS

DNA = ALPHABETS["dna"]


def test_symbols_are_letters_and_the_end():
    assert symbols(DNA.pad(["ACG", "A", "ACGTN"], 5)).tolist() == [4, 2, 5]


def test_probabilities_of_all_sequences_sum_to_one():
    every = [""] + [a + b for a in ["", *DNA.symbols] for b in DNA.symbols]
    tokens = DNA.pad(every, 2)
    model = Markov(2, 5).fit([(DNA.pad(["AC", "A", "CC", "GT"], 2), np.array([1.0, 2, 1, 1]))])
    for order in (0, 1, 2):
        assert np.exp(model.log_prob(tokens, order)).sum() == pytest.approx(1.0)


def test_letters_that_are_missing_are_not_predicted():
    """The others have all of the law between them; what follows a missing one is told by it."""
    every = [""] + [a + b for a in ["", *"ACGT"] for b in "ACGT"]
    model = Markov(1, 5).fit([(DNA.pad(["AC", "AN", "NC", "GT", "NN"], 2), None)])
    for order in (0, 1):
        distribution = np.exp(model.log_prob(DNA.pad(every, 2), order, known=4))
        assert distribution.sum() == pytest.approx(1.0)
        behind = np.exp(model.log_prob(DNA.pad(["N", *("N" + b for b in "ACGT")], 2), order, known=4))
        assert behind.sum() == pytest.approx(1.0)
    assert symbols(DNA.pad(["ANG", "N", "NNNNN"], 5), known=4).tolist() == [3, 1, 0]
    assert model.log_prob(DNA.pad(["NN"], 2), 1, known=4).tolist() == [0.0]
    assert model.best_order(DNA.pad(["NN"], 2), 4) == 0


def test_order_one_by_hand():
    model = Markov(1, 5).fit([(DNA.pad(["AC", "AC", "AG"], 3), None)])
    zero = (np.array([3, 3, 2, 1, 0, 0]) + 6 * np.full(6, 1 / 6)) / (9 + 6)  # end, A, C, G, T, N
    start, after_a, after_c = ((np.array(c) + 6 * zero) / (sum(c) + 6) for c in
                               ([0, 3, 0, 0, 0, 0], [0, 0, 2, 1, 0, 0], [2, 0, 0, 0, 0, 0]))  # fmt: skip
    expected = np.log(start[1] * after_a[2] * after_c[0])
    assert model.log_prob(DNA.pad(["AC"], 3))[0] == pytest.approx(expected)


def test_weights_are_repetitions():
    tokens = DNA.pad(["ACG", "TT", "A"], 3)
    weighted = Markov(2, 5).fit([(tokens, np.array([3.0, 1, 2]))])
    repeated = Markov(2, 5).fit([(tokens[[0]], None), (tokens[[0, 0, 1, 2, 2]], None)])
    for a, b in zip(weighted.counts, repeated.counts, strict=True):
        assert np.array_equal(a, b)


def test_a_law_of_order_two_is_learned_and_its_order_chosen():
    rng = np.random.default_rng(0)
    distribution = rng.dirichlet(np.full(4, 0.3), (4, 4))
    tokens = np.empty((4000, 30), np.uint8)
    tokens[:, :2] = rng.integers(1, 5, (4000, 2))
    for t in range(2, 30):
        p = distribution[tokens[:, t - 2] - 1, tokens[:, t - 1] - 1].cumsum(1)
        tokens[:, t] = 1 + (rng.random((4000, 1)) > p[:, :3]).sum(1)
    model = Markov(4, 5).fit([(tokens[:3000], None)])
    assert model.best_order(tokens[3000:]) == 2
    a, b = (tokens[3000:, i : i + 28] - 1 for i in (0, 1))
    truth = np.log(distribution[a, b, tokens[3000:, 2:] - 1]).sum(1).mean() + 2 * np.log(1 / 4)
    assert model.log_prob(tokens[3000:], 2).mean() == pytest.approx(truth, rel=0.01)


def test_ends_that_a_model_is_not_asked_for_do_not_count():
    """Two sequences with an end in their rows and one that fills its row, and may go on."""
    tokens, chain = np.array([[1, 2, 0, 0], [2, 1, 1, 0], [1, 1, 2, 2]], np.uint8), Markov(1, 2)
    chain.fit([(tokens, None)])
    ended = np.array([True, False, True])
    assert symbols(tokens).tolist() == [3, 4, 4]
    assert symbols(tokens, ended).tolist() == [3, 3, 4]
    with_ends, some = chain.log_prob(tokens), chain.log_prob(tokens, ended=ended)
    assert with_ends[[0, 2]].tolist() == some[[0, 2]].tolist()
    after_one = chain.log_prob(np.array([[1, 0]], np.uint8))[0] - chain.log_prob(np.array([[1]], np.uint8))[0]
    np.testing.assert_allclose(with_ends[1] - some[1], after_one)
