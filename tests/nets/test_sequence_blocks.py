"""The masked group norm is the plain one on the tokens that are there."""

import pytest
import torch
from torch.nn.functional import group_norm

from gde.nets.sequence_blocks import FilmConvBlock, MaskedGroupNorm, groups_of


@pytest.fixture
def norm():
    torch.manual_seed(0)
    norm = MaskedGroupNorm(12)
    with torch.no_grad():
        norm.weight.normal_()
        norm.bias.normal_()
    return norm


def test_groups_divide_the_channels():
    assert [groups_of(c) for c in (1, 7, 12, 16, 64)] == [1, 7, 6, 8, 8]


@pytest.mark.parametrize("length", [1, 5, 9])
def test_it_is_the_plain_norm_of_the_letters(norm, length):
    h = 3 * torch.randn(4, 12, 9) + 1
    positions = (torch.arange(9) < length).float().expand(4, 1, 9)
    found = norm(h, positions)
    expected = group_norm(h[..., :length], norm.groups, norm.weight, norm.bias)
    torch.testing.assert_close(found[..., :length], expected, rtol=1e-4, atol=1e-5)
    assert (found[..., length:] == 0).all()


def test_a_row_without_letters_is_zeros(norm):
    h = torch.randn(1, 12, 9, requires_grad=True)
    found = norm(h, torch.zeros(1, 1, 9))
    assert (found == 0).all()
    assert (torch.autograd.grad(found.sum(), h)[0] == 0).all()


def test_film_changes_the_branch_only():
    block = FilmConvBlock(8, 3)
    h, film = torch.randn(2, 8, 5), (torch.ones(2, 8, 1), torch.zeros(2, 8, 1))
    expected = h + block.conv(torch.nn.functional.silu(block.norm(h)))
    torch.testing.assert_close(block(h, film), expected)
    assert not torch.equal(block(h, (2 * film[0], film[1])), expected)
