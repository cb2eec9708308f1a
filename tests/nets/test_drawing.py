"""Tokens drawn follow the law that temperature and top-p define."""

import pytest
import torch
from scipy.stats import chisquare

from gde.nets.drawing import check_drawing, draw, nucleus

LOGITS = torch.tensor([1.0, 0.2, -0.5, -1.0, 0.9])


def counts(n=20_000, **options):
    generator = torch.Generator().manual_seed(0)
    options = {"temperature": 1.0, "top_p": 1.0} | options
    return draw(LOGITS.expand(n, 5), generator=generator, **options).bincount(minlength=5).double()


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_draws_follow_the_tempered_law(temperature):
    found, expected = counts(temperature=temperature), (LOGITS.double() / temperature).softmax(0) * 20_000
    assert chisquare(found.numpy(), expected.numpy()).pvalue > 1e-3


def test_draws_follow_the_nucleus():
    """The two likeliest have 0.377 + 0.341: with top_p 0.7 both, and no other, are drawn, in their proportion."""
    found = counts(top_p=0.7)
    kept = LOGITS.double()[[0, 4]].softmax(0) * 20_000
    assert found[[1, 2, 3]].sum() == 0
    assert chisquare(found[[0, 4]].numpy(), kept.numpy()).pvalue > 1e-3


def entropy(found):
    p = found / found.sum()
    return float(-(p[p > 0] * p[p > 0].log()).sum())


def test_entropy_falls_with_temperature_and_top_p():
    by_temperature = [entropy(counts(temperature=t)) for t in (4.0, 1.0, 0.5, 0.1)]
    by_top_p = [entropy(counts(top_p=p)) for p in (1.0, 0.8, 0.5, 0.1)]
    for values in (by_temperature, by_top_p):
        assert values == sorted(values, reverse=True)
        assert values[0] - values[1] > 0.1
    assert by_top_p[-1] == 0.0


@pytest.mark.parametrize("options", [{"top_p": 1e-9}, {"temperature": 1e-4}], ids=str)
def test_the_limit_is_the_likeliest_letter(options):
    values = torch.randn(50, 6, generator=torch.Generator().manual_seed(1))
    assert torch.equal(draw(values, **{"temperature": 1.0, "top_p": 1.0} | options), values.argmax(-1))


def test_nucleus_is_the_smallest_set_of_enough_probability():
    p = torch.tensor([[0.1, 0.4, 0.2, 0.3], [0.25, 0.25, 0.25, 0.25]])
    assert (nucleus(p, 0.65) > 0).tolist() == [[False, True, False, True], [True, True, True, False]]
    assert (nucleus(p, 0.75) > 0).tolist() == [[False, True, True, True], [True, True, True, False]]
    assert torch.equal(nucleus(p, 1.0), p)


def test_impossible_letters_are_never_drawn():
    values = torch.tensor([-torch.inf, 0.0, 0.0]).expand(5000, 3)
    assert draw(values, temperature=3.0, top_p=1.0).min() == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": 0.0, "top_p": 1.0}, "temperature: found 0.0"),
        ({"temperature": float("inf"), "top_p": 1.0}, "temperature: found inf"),
        ({"temperature": 1.0, "top_p": 0.0}, "top_p: found 0.0"),
        ({"temperature": 1.0, "top_p": 1.1}, "top_p: found 1.1"),
    ],
)
def test_impossible_options(options, message):
    with pytest.raises(ValueError, match=message):
        check_drawing(**options)
