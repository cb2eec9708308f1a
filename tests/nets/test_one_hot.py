"""Likelihoods of sequences that end, against a loop; what stands after an end does not exist."""

import math

import pytest
import torch

from gde.nets.choosing import choose_samples
from gde.nets.tokens import cleaned, cut_at_end, one_hot, possible, tokens_nll

X = torch.tensor([[3, 1, 2, 2], [1, 2, 0, 0], [2, 0, 0, 0], [1, 1, 1, 0]])


def logits(seed=0):
    return torch.randn(4, 4, 4, generator=torch.Generator().manual_seed(seed))


def test_likelihood_is_the_sum_over_letters_and_the_end():
    for row, values, found in zip(X.tolist(), logits().double(), tokens_nll(logits(), X), strict=True):
        expected = 0.0
        for t, token in enumerate(row):
            shares = values[t].exp()
            shares[0] *= t > 0  # no sequence is empty
            expected -= math.log(shares[token] / shares.sum())
            if token == 0:
                break
        assert float(found) == pytest.approx(expected, rel=1e-5)


def test_a_full_row_has_no_end_mark_and_the_laws_sum_to_one():
    """All sequences of 2 tokens in 3 positions: 2 + 4 + 8, each position's logits the same for all."""
    rows = [[a, b, c] for a in (1, 2) for b in (0, 1, 2) for c in (0, 1, 2) if b or not c]
    assert len(rows) == 14
    x = torch.tensor(rows)
    nll = tokens_nll(torch.randn(3, 3, generator=torch.Generator().manual_seed(0)).expand(14, 3, 3), x)
    assert float((-nll).exp().sum()) == pytest.approx(1.0, abs=1e-5)


def test_a_letter_that_stands_for_any_is_missing():
    """What it has is shared out among the others; the row goes on behind it."""
    known = 2
    for row, values, found in zip(X.tolist(), logits().double(), tokens_nll(logits(), X, known=known), strict=True):
        expected = 0.0
        for t, token in enumerate(row):
            shares = values[t, : known + 1].exp()
            shares[0] *= t > 0
            expected -= math.log(shares[token] / shares.sum()) if token <= known else 0.0
            if token == 0:
                break
        assert float(found) == pytest.approx(expected, rel=1e-5)
    values = logits().requires_grad_()
    (gradient,) = torch.autograd.grad(tokens_nll(values, X, known=known).sum(), values)
    assert gradient.isfinite().all() and not gradient[..., 3].any() and not gradient[0, 0].any()


def test_a_row_without_letters_costs_nothing():
    values = logits()[:1].requires_grad_()
    nll = tokens_nll(values, torch.zeros(1, 4, dtype=torch.long))
    assert nll.tolist() == [0.0]
    assert (torch.autograd.grad(nll.sum(), values)[0] == 0).all()


def test_cleaned_keeps_what_stands_before_the_end():
    dirty = torch.tensor([[[3, 1, 2, 2], [1, 2, 0, 3]], [[2, 0, 1, 0], [255, 4, 9, 1]]], dtype=torch.uint8)
    found = cleaned(dirty, torch.tensor([[True, True], [True, False]]))
    assert found.tolist() == [[[3, 1, 2, 2], [1, 2, 0, 0]], [[2, 0, 0, 0], [0, 0, 0, 0]]]
    assert found.dtype == torch.int64
    assert cut_at_end(dirty[1, 0]).tolist() == [2, 0, 0, 0]


def test_only_the_first_place_cannot_end():
    values = logits()
    closed = possible(values)
    assert (closed[:, 0, 0] == -math.inf).all()
    assert torch.equal(closed.flatten(1)[:, 1:], values.flatten(1)[:, 1:])


def test_one_hot_letters():
    found = one_hot(torch.tensor([[2, 1, 0]], dtype=torch.uint8), 3)
    assert found.tolist() == [[[0, 1, 0], [1, 0, 0], [0, 0, 0]]]


def keys_of(b, n):
    return torch.rand(b, n, generator=torch.Generator().manual_seed(0))


def test_chosen_samples_are_real_and_fair():
    """Of 5 real samples of 7, 2 are chosen: every one equally often, none twice."""
    x = torch.arange(1, 8)[None, :, None].expand(4000, 7, 1)
    kept, kept_mask = choose_samples(x, (torch.arange(7) < 5).expand(4000, 7), None, 2, keys_of(4000, 7))
    assert kept.shape == (4000, 2, 1)
    assert kept_mask.all()
    assert (kept[:, 0] != kept[:, 1]).all()
    counts = kept.flatten().bincount(minlength=8)[1:].double()
    assert counts[5:].sum() == 0
    assert ((counts[:5] - 1600).abs() < 5 * math.sqrt(4000 * 0.4 * 0.6)).all()


def test_weighted_samples_are_chosen_by_weight():
    """So that their plain mean is the set's weighted one, however few are chosen; masked ones never."""
    x, n = torch.arange(1, 8)[None, :, None].expand(20_000, 7, 1), 20_000
    weight = torch.tensor([50.0, 1.0, 0.0, 2.0, 7.0, 100.0, 100.0]).expand(n, 7)
    kept, kept_mask = choose_samples(x, (torch.arange(7) < 5).expand(n, 7), weight, 3, keys_of(n, 7))
    assert kept_mask.all()
    share = kept.flatten().bincount(minlength=8)[1:].double() / (3 * n)
    expected = torch.tensor([50.0, 1, 0, 2, 7, 0, 0], dtype=torch.float64) / 60
    assert ((share - expected).abs() <= 5 * (expected * (1 - expected) / (3 * n)).sqrt()).all()


def test_a_small_weighted_set_counts_as_what_it_has():
    x, mask = torch.arange(1, 8)[None, :, None], (torch.arange(7) < 2)[None]
    kept, kept_mask = choose_samples(x, mask, torch.ones(1, 7), 4, torch.rand(1, 7))
    assert kept_mask.tolist() == [[True, True, False, False]] and set(kept.flatten().tolist()) <= {1, 2}


def test_a_small_set_gives_what_it_has():
    x, mask = torch.arange(1, 8)[None, :, None], (torch.arange(7) < 2)[None]
    kept, kept_mask = choose_samples(x, mask, None, 4, torch.rand(1, 7))
    assert kept_mask.tolist() == [[True, True, False, False]]
    assert sorted(kept[0, :2, 0].tolist()) == [1, 2]
