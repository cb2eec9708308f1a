"""Attention over sets against loops over samples and heads, and its statistics streamed."""

import pytest
import tiny
import torch

from gde.nets.attention import InducedAttention, SetAttention, set_attention

HIDDEN, HEADS, N = 8, 2, 7
MASK = torch.arange(N) < torch.tensor([[N], [4], [1]])
WEIGHT = torch.rand(3, N, generator=torch.Generator().manual_seed(1)) + 0.1
INDUCED = pytest.mark.parametrize("induced", [0, 3], ids=["full", "induced"])


def layer(induced) -> SetAttention | InducedAttention:
    torch.manual_seed(0)
    module = set_attention(HIDDEN, HEADS, induced)
    return tiny.moved(module, 0.5)


def samples(n=N):
    return torch.randn(3, n, HIDDEN, generator=torch.Generator().manual_seed(0))


def by_loops(query, key, value, weight):
    """Softmax-weighted means; query (m, f), key and value (n, f), weight (n,)."""
    width, out = HIDDEN // HEADS, torch.zeros_like(query)
    for i in range(len(query)):
        for head in range(HEADS):
            part = slice(head * width, (head + 1) * width)
            share = weight * (key[:, part] @ query[i, part] / width**0.5).exp()
            out[i, part] = (share[:, None] * value[:, part]).sum(0) / share.sum()
    return out


@pytest.mark.parametrize("mask", [None, MASK], ids=["all", "mask"])
@pytest.mark.parametrize("weight", [None, WEIGHT, 100 * WEIGHT], ids=["equal", "weight", "weight-scaled"])
def test_full_attention_equals_loops(mask, weight):
    module, h = layer(0), samples()
    found = module.attend(h, module(h, mask, weight))
    for s in range(3):
        w = torch.ones(N) if weight is None else weight[s]
        w = w if mask is None else w * mask[s]
        key, value = module.key_value(module.norm(h[s])).chunk(2, -1)
        expected = by_loops(module.query(module.norm(h[s])), key, value, w)
        torch.testing.assert_close(found[s], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("mask", [None, MASK], ids=["all", "mask"])
@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["equal", "weight"])
def test_induced_attention_equals_loops(mask, weight):
    """Points attend to the samples, are mixed as in a transformer block, and the samples attend to them."""
    module, h = layer(3), samples()
    found = module.attend(h, module(h, mask, weight))
    for s in range(3):
        w = torch.ones(N) if weight is None else weight[s]
        w = w if mask is None else w * mask[s]
        key, value = module.key_value(module.norm(h[s])).chunk(2, -1)
        points = module.points + module.mix(by_loops(module.query(module.points), key, value, w))
        points = points + module.features(points)
        last = module.samples
        key, value = last.key_value(last.norm(points)).chunk(2, -1)
        expected = by_loops(last.query(last.norm(h[s])), key, value, torch.ones(3))
        torch.testing.assert_close(found[s], expected, rtol=1e-4, atol=1e-4)


@INDUCED
def test_duplicates_weights_and_order_of_the_keys(induced):
    module, h = layer(induced), samples()
    seen = module.attend(h, module(h))
    for same in (h.repeat(1, 3, 1), h.flip(1)):
        torch.testing.assert_close(module.attend(h, module(same)), seen, rtol=1e-4, atol=1e-5)
    weight = torch.tensor([1.0, 2.0, 3.0]).expand(3, 3)
    many = module(h[:, [0, 1, 1, 2, 2, 2]])
    torch.testing.assert_close(
        module.attend(h, module(h[:, :3], None, weight)), module.attend(h, many), rtol=1e-4, atol=1e-5
    )


@INDUCED
def test_keys_matter_and_gradients_behind_the_mask_are_zero(induced):
    module, h = layer(induced), samples().requires_grad_()
    with torch.no_grad():
        assert (module.attend(h, module(h[:, :3])) - module.attend(h, module(h[:, 3:]))).abs().max() > 0.05
    module.attend(h.detach(), module(h, MASK, WEIGHT)).square().sum().backward()
    assert h.grad[MASK].abs().min() > 0
    assert not h.grad[~MASK].any()


@INDUCED
@pytest.mark.parametrize("at_once", [1, 5, 100])
@torch.no_grad()
def test_streamed_statistics_are_those_in_memory(induced, at_once):
    """Three sets in turns, piece by piece; scores of hundreds, so that exponentials without a maximum overflow."""
    module, sets = layer(induced), [100 * torch.randn(1, n, HIDDEN) for n in (1, 23, 40)]
    module.key_value.weight *= 30

    def visit():
        pieces = [[(s, piece, None) for piece in h.split(at_once, 1)] for s, h in enumerate(sets)]
        for turn in range(max(map(len, pieces))):
            yield from (p[turn] for p in pieces if turn < len(p))

    for h, found in zip(sets, module.streamed(visit, [1, 23, 40]), strict=True):
        torch.testing.assert_close(module.attend(h, found), module.attend(h, module(h)), rtol=1e-5, atol=1e-4)


def test_impossible_sizes_are_refused():
    with pytest.raises(ValueError, match="heads: found 3, expected a divisor of hidden = 8"):
        set_attention(8, 3, 0)
    with pytest.raises(ValueError, match="heads: found 3"):
        set_attention(8, 3, 4)
    with pytest.raises(ValueError, match="induced: found -1"):
        set_attention(8, 2, -1)
