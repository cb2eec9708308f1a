"""Sliced W2 against POT, the line, and its own laws."""

import numpy as np
import ot
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gde.distances.exact import exact_w2
from gde.distances.sliced import sliced_w2


def sets(seed, b=2, n=7, m=7, d=3):
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(b, n, d, generator=g, dtype=torch.float64)
    y = torch.randn(b, m, d, generator=g, dtype=torch.float64) + 0.5
    directions = torch.randn(16, d, generator=g, dtype=torch.float64)
    return (
        x,
        y,
        directions / directions.norm(dim=-1, keepdim=True),
        torch.rand(b, n, generator=g),
        torch.rand(b, m, generator=g),
    )


@pytest.mark.parametrize("m", [7, 11])
@pytest.mark.parametrize("weighted", [False, True])
def test_equals_pot_on_the_same_directions(m, weighted):
    x, y, directions, wx, wy = sets(0, m=m)
    found = sliced_w2(x, y, projections=directions, **({"wx": wx, "wy": wy} if weighted else {}))
    for k in range(2):
        a, b = ((w[k] / w[k].sum()).double().numpy() if weighted else None for w in (wx, wy))
        expected = ot.sliced_wasserstein_distance(x[k].numpy(), y[k].numpy(), a, b, projections=directions.numpy().T)
        assert found[k].item() == pytest.approx(expected, rel=1e-6)


@given(st.integers(0, 2**31), st.integers(1, 9), st.integers(1, 9))
@settings(max_examples=30, deadline=None)
def test_line_is_exact(seed, n, m):
    x, y, _, wx, wy = sets(seed, n=n, m=m, d=1)
    torch.testing.assert_close(sliced_w2(x, y), exact_w2(x, y))
    for k in range(2):  # against the network simplex, which shares no code
        a, b = ((w[k] / w[k].sum()).double() for w in (wx, wy))
        b = b / b.sum() * a.sum()
        expected = np.sqrt(ot.emd2(a.numpy(), b.numpy(), ot.dist(x[k].numpy(), y[k].numpy())))
        assert sliced_w2(x, y, wx=wx, wy=wy)[k].item() == pytest.approx(expected, rel=1e-5, abs=1e-7)


@given(st.integers(0, 2**31))
@settings(max_examples=20, deadline=None)
def test_laws(seed):
    x, y, p, wx, _ = sets(seed)
    z = x.flip(0) * 0.5
    w = sliced_w2(x, y, projections=p)
    assert sliced_w2(x, x[:, torch.randperm(7)], projections=p).max() == 0
    torch.testing.assert_close(w, sliced_w2(y, x, projections=p))
    torch.testing.assert_close(sliced_w2(2 * x + 1, 2 * y + 1, projections=p), 2 * w)
    assert (w <= sliced_w2(x, z, projections=p) + sliced_w2(z, y, projections=p) + 1e-9).all()
    assert (w <= exact_w2(x, y) + 1e-9).all()
    torch.testing.assert_close(sliced_w2(x.repeat(1, 3, 1), y, projections=p), w)  # duplication changes nothing
    whole = torch.ceil(4 * wx)  # integer weights are repeated samples
    repeated = x[0].repeat_interleave(whole[0].long(), 0)[None]
    torch.testing.assert_close(
        sliced_w2(x[:1], y[:1], wx=whole[:1], projections=p), sliced_w2(repeated, y[:1], projections=p)
    )


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("piece", [2**24, 40])
def test_each_pair_may_have_directions_of_its_own(weighted, piece, monkeypatch):
    monkeypatch.setattr("gde.distances.checks.PIECE", piece)
    x, y, p, wx, wy = sets(2, m=9)
    own = torch.stack([p, p.flip(-1)])
    options = {"wx": wx, "wy": wy} if weighted else {}
    found = sliced_w2(x, y, projections=own, **options)
    for k in range(2):
        one = {name: w[k : k + 1] for name, w in options.items()}
        torch.testing.assert_close(found[k : k + 1], sliced_w2(x[k : k + 1], y[k : k + 1], projections=own[k], **one))
    with pytest.raises(ValueError, match=r"projections \(3, 16, 3\), expected \(p, 3\) or \(2, p, 3\)"):
        sliced_w2(x, y, projections=torch.zeros(3, 16, 3))


def test_masked_samples_reach_neither_value_nor_gradient():
    x, y, p, _, _ = sets(1, n=9)
    mask = torch.arange(9).expand(2, 9) < 6
    hidden = x.masked_fill(~mask[..., None], torch.nan).requires_grad_()
    found = sliced_w2(hidden, y, projections=p, mask_x=mask)
    torch.testing.assert_close(found, sliced_w2(x[:, :6], y, projections=p))
    found.sum().backward()
    assert hidden.grad[:, 6:].abs().max() == 0
    assert hidden.grad[:, :6].isfinite().all()


@pytest.mark.parametrize("m", [7, 5])
def test_gradient_by_finite_differences(m):
    x, y, p, _, _ = sets(2, m=m)
    assert torch.autograd.gradcheck(
        lambda x, y: sliced_w2(x, y, projections=p), (x.requires_grad_(), y.requires_grad_())
    )


def test_gradient_at_distance_zero_is_zero():
    x = sets(3)[0].requires_grad_()
    sliced_w2(x, x.detach()).sum().backward()
    assert x.grad.abs().max() == 0


def test_is_reproducible_and_pieces_do_not_change_it(monkeypatch):
    x, y, _, _, _ = sets(4, m=5)
    a, b = (sliced_w2(x, y, 50, generator=torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(a, b)
    monkeypatch.setattr("gde.distances.checks.PIECE", 100)
    torch.testing.assert_close(sliced_w2(x, y, 50, generator=torch.Generator().manual_seed(3)), a)


def test_shift_has_its_closed_form():
    x = sets(5, b=1, n=200)[0]
    shift = torch.tensor([3.0, 0, 0], dtype=torch.float64)
    found = sliced_w2(x, x + shift, 20_000, generator=torch.Generator().manual_seed(0)).item()
    assert found == pytest.approx(3 / 3**0.5, rel=0.02)  # E (theta . shift)^2 = |shift|^2 / d


def test_bad_input_is_named():
    x = torch.zeros(2, 4, 3)
    with pytest.raises(ValueError, match=r"x \(2, 4, 3\), y \(3, 4, 3\)"):
        sliced_w2(x, torch.zeros(3, 4, 3))
    with pytest.raises(ValueError, match=r"projections \(5, 2\)"):
        sliced_w2(x, x, projections=torch.zeros(5, 2))
    with pytest.raises(ValueError, match="set 0 with total weight 0"):
        sliced_w2(x, x, mask_x=torch.zeros(2, 4, dtype=torch.bool))
    with pytest.raises(ValueError, match="dtype"):
        sliced_w2(x.long(), x)
