"""The Sinkhorn divergence against geomloss, POT, slow iterations to convergence, and its limits."""

import ot
import pytest
import torch
from geomloss import SamplesLoss
from hypothesis import given, settings
from hypothesis import strategies as st

from gde.distances import sinkhorn
from gde.distances.exact import exact_w2
from gde.distances.sinkhorn import sinkhorn_divergence, sinkhorn_w2

THOROUGH = {"steps": 20, "sweeps": 100}


def sets(seed, b=3, n=20, m=30, d=3, dtype=torch.float64):
    g = torch.Generator().manual_seed(seed)
    x, y = (torch.randn(b, k, d, generator=g, dtype=dtype) for k in (n, m))
    wx, wy = (0.1 + torch.rand(b, k, generator=g, dtype=dtype) for k in (n, m))
    return x, 0.7 * y + 0.4, wx / wx.sum(1, keepdim=True), wy / wy.sum(1, keepdim=True)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("blur", [0.1, 0.5])
def test_equals_geomloss(weighted, blur):
    """geomloss takes half the squared distance as cost, and blur² as epsilon."""
    x, y, wx, wy = sets(0)
    reference = SamplesLoss("sinkhorn", p=2, blur=blur, scaling=0.99, debias=True, backend="tensorized")
    found = sinkhorn_divergence(x, y, blur=blur, **({"wx": wx, "wy": wy} if weighted else {}), **THOROUGH)
    wanted = 2 * (reference(wx, x, wy, y) if weighted else reference(x, y))
    torch.testing.assert_close(found, wanted, rtol=2e-3, atol=0)


def test_gradient_equals_that_of_geomloss():
    x, y, _, _ = sets(1)
    reference = SamplesLoss("sinkhorn", p=2, blur=0.5, scaling=0.99, debias=True, backend="tensorized")
    found, wanted = x.clone().requires_grad_(), x.clone().requires_grad_()
    sinkhorn_divergence(found, y, blur=0.5, **THOROUGH).sum().backward()
    (2 * reference(wanted, y)).sum().backward()
    torch.testing.assert_close(found.grad, wanted.grad, rtol=0.03, atol=3e-3)


def test_equals_entropic_transport_of_pot():
    """OT_eps = <P, C> + eps KL(P | a b'), debiased by hand."""
    x, y, wx, wy = sets(2, b=2)
    eps = 2 * 0.5**2

    def entropic(p, q, a, b):
        cost = torch.cdist(p, q).square()
        plan = ot.sinkhorn(a, b, cost, eps, method="sinkhorn_log", numItermax=3000, stopThr=1e-9, warn=False)
        return (plan * cost).sum() + eps * (plan * (plan / (a[:, None] * b)).log()).sum()

    found = sinkhorn_divergence(x, y, blur=0.5, wx=wx, wy=wy, **THOROUGH)
    for k in range(2):
        both, own_x, own_y = (
            entropic(x[k], y[k], wx[k], wy[k]), entropic(x[k], x[k], wx[k], wx[k]), entropic(y[k], y[k], wy[k], wy[k])
        )  # fmt: skip
        assert found[k].item() == pytest.approx((both - own_x / 2 - own_y / 2).item(), rel=1e-5)


def test_blur_to_zero_gives_the_squared_w2():
    x, y, wx, wy = sets(3)
    w2 = exact_w2(x, y, wx, wy)
    errors = [(sinkhorn_w2(x, y, blur=h, wx=wx, wy=wy, steps=30, sweeps=60) - w2).abs().max() for h in (0.3, 0.1, 0.02)]
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 0.01 * w2.min()


def test_large_blur_gives_the_distance_of_the_means():
    x, y, _, _ = sets(4)
    found = sinkhorn_divergence(x, y, blur=200.0)
    torch.testing.assert_close(found, (x.mean(1) - y.mean(1)).square().sum(-1), rtol=1e-3, atol=0)


@given(st.integers(0, 2**31), st.integers(1, 12), st.integers(1, 12), st.integers(1, 3))
@settings(max_examples=25, deadline=None)
def test_laws(seed, n, m, d):
    x, y, _, _ = sets(seed, n=n, m=m, d=d)
    value = sinkhorn_divergence(x, y)
    assert (value > -1e-6).all()
    assert sinkhorn_divergence(x, x[:, torch.randperm(n)]).abs().max() < 1e-4
    there, back = (sinkhorn_divergence(*pair, blur=0.2, **THOROUGH) for pair in ((x, y), (y, x)))
    torch.testing.assert_close(there, back, rtol=0.01, atol=1e-3)  # at convergence; the iteration starts with one side
    torch.testing.assert_close(value, sinkhorn_divergence(x + 9, y + 9), rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(value, sinkhorn_divergence(x.repeat(1, 2, 1), y), rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(4 * value, sinkhorn_divergence(2 * x, 2 * y, blur=0.1), rtol=1e-5, atol=1e-7)


def test_moving_a_set_costs_the_square_of_the_way():
    x = sets(5)[0]
    torch.testing.assert_close(sinkhorn_w2(x, x + 2), torch.full((3,), 2 * 3**0.5, dtype=x.dtype), rtol=1e-4, atol=0)


@pytest.mark.parametrize("weighted", [False, True])
def test_gradient_by_finite_differences(weighted):
    """At convergence the potentials may be held constant."""
    x, y, wx, wy = sets(6, b=2, n=3, m=4, d=2)
    options = {"blur": 0.5, "steps": 5, "sweeps": 30} | ({"wx": wx, "wy": wy} if weighted else {})
    inputs = (x.requires_grad_(), y.requires_grad_())
    assert torch.autograd.gradcheck(lambda x, y: sinkhorn_divergence(x, y, **options), inputs, atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    ("move", "scale"), [(0.0, 1.0), (1000.0, 1.0), (0.0, 1e-3), (0.0, 1e3)], ids=["near", "far", "small", "large"]
)
def test_hard_sets_stay_finite_and_right(dtype, move, scale):
    """An outlier, far sets, and lengths far from the blur: neither overflow nor zero rows."""
    x, y, _, _ = sets(7, n=30, dtype=dtype)
    x[:, 0] += 100
    x, y = scale * x, scale * y + move
    x.requires_grad_()
    found = sinkhorn_w2(x, y)
    found.sum().backward()
    assert x.grad.isfinite().all()
    if scale >= 1:  # below, the blur hides what differs
        torch.testing.assert_close(found.double(), exact_w2(x, y), rtol=0.02, atol=0)
    assert found.isfinite().all()


def test_default_annealing_is_nearer_to_convergence_than_fifty_steps_of_geomloss():
    x, y, _, _ = sets(8, n=64, m=64, d=5, dtype=torch.float32)
    converged = sinkhorn_divergence(x.double(), y.double(), steps=30, sweeps=300)
    reference = 2 * SamplesLoss("sinkhorn", p=2, blur=0.05, scaling=0.9, debias=True, backend="tensorized")(x, y)
    assert (sinkhorn_divergence(x, y) - converged).abs().max() < 0.3 * (reference - converged).abs().max()


def test_masked_samples_reach_neither_value_nor_gradient():
    x, y, _, _ = sets(9)
    mask = torch.arange(20).expand(3, 20) < torch.tensor([[20], [7], [1]])
    hidden = x.masked_fill(~mask[..., None], torch.nan).requires_grad_()
    found = sinkhorn_divergence(hidden, y, mask_x=mask)
    for k, n in enumerate((20, 7, 1)):
        torch.testing.assert_close(found[k : k + 1], sinkhorn_divergence(x[k : k + 1, :n], y[k : k + 1]))
    found.sum().backward()
    assert not hidden.grad[~mask].any()
    assert hidden.grad.isfinite().all()


def test_weights_are_multiplicities():
    x, y, _, _ = sets(10, n=3)
    found = sinkhorn_divergence(x, y, wx=torch.tensor([1.0, 2.0, 3.0]).expand(3, 3))
    torch.testing.assert_close(found, sinkhorn_divergence(x[:, [0, 1, 1, 2, 2, 2]], y))


def test_sets_do_not_see_each_other_whatever_is_worked_on_together(monkeypatch):
    x, y, _, _ = sets(11, b=5, n=20, m=20)
    whole = sinkhorn_divergence(x, y)
    monkeypatch.setitem(sinkhorn.ENTRIES, "cpu", 900)
    torch.testing.assert_close(sinkhorn_divergence(x, y), whole)
    torch.testing.assert_close(sinkhorn_divergence(x[3:4], y[3:4]), whole[3:4])


def test_gradient_at_equal_sets_is_zero():
    x = sets(12)[0].requires_grad_()
    sinkhorn_w2(x, x.detach()).sum().backward()
    assert x.grad.isfinite().all()


def test_bad_input_is_named():
    x = torch.randn(2, 4, 3)
    with pytest.raises(ValueError, match=r"sinkhorn_divergence: found x \(2, 4, 3\), y \(2, 4, 2\)"):
        sinkhorn_divergence(x, x[..., :2])
    for option, value in (("blur", 0.0), ("blur", -1.0), ("steps", 0), ("sweeps", 0)):
        with pytest.raises(ValueError, match=f"found {option} = {value}"):
            sinkhorn_divergence(x, x, **{option: value})
    with pytest.raises(ValueError, match="set 1 with total weight 0"):
        sinkhorn_divergence(x, x, mask_x=torch.tensor([[True] * 4, [False] * 4]))
