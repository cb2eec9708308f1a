"""Conditions by rows, and the shapes of the three kinds."""

import pytest
import torch

from gde.nets.sequence_condition import SequenceCondition, modulated

Z = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("kind", "prefix"), [("prefix", 3), ("additive", 1), ("adaln", 1)])
def test_rows_are_those_of_their_embeddings(kind, prefix):
    torch.manual_seed(0)
    module = SequenceCondition(kind, 4, 8, prefix=prefix, norms=5)
    rows = torch.tensor([0, 2, 2, 1])
    by_rows, repeated = module(Z).of_rows(rows), module(Z[rows])
    assert by_rows.prefix.shape == (4, prefix, 8)
    torch.testing.assert_close(by_rows.prefix, repeated.prefix)
    assert (by_rows.added is not None) == (kind == "additive")
    assert (by_rows.films is not None) == (kind == "adaln")
    if kind == "additive":
        assert by_rows.added.shape == (4, 1, 8)
        torch.testing.assert_close(by_rows.added, repeated.added)
    if kind == "adaln":
        assert len(by_rows.films) == 5
        for pair, expected in zip(by_rows.films, repeated.films, strict=True):
            assert all(v.shape == (4, 1, 8) for v in pair)
            torch.testing.assert_close(pair, expected)


def test_modulation():
    h = torch.randn(2, 5, 3)
    scale, shift = torch.randn(2, 1, 3), torch.randn(2, 1, 3)
    torch.testing.assert_close(modulated(h, (scale, shift)), h * scale + shift)
    assert modulated(h, None) is h
