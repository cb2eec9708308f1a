"""The protocol of stages and read-out, by which sets larger than memory are embedded, equals `forward`."""

import itertools

import pytest
import tiny
import torch

from gde.embed import stream
from gde.model import GDE
from gde.nets import statistic
from gde.nets.poolers import POOLERS

SIZES = [1, 4, 30, 200]
MORE = [
    *[{"kind": "gnn", "pool": pool} for pool in POOLERS],
    {"kind": "attention", "induced": 3},
    {"kind": "resnet_attention", "induced": 3, "layers": 1},
]


def variants():
    for kind in tiny.VECTOR_ENCODERS:
        if kind in ("mean", "kernel_mean", "pca_mean"):
            yield pytest.param({"kind": kind}, id=kind)
            continue
        for moments, skip in itertools.product([True, False], [True, False]):
            options = {"kind": kind, "hidden": 8, "layers": 2, "moments": moments, "skip": skip}
            yield pytest.param(options, id="-".join([kind, *["moments"] * moments, *["skip"] * skip]))
    for options in MORE:
        yield pytest.param({"hidden": 8, "layers": 2} | options, id="-".join(map(str, options.values())))


@pytest.fixture(params=variants())
def model(request):
    torch.manual_seed(0)
    model = GDE(tiny.experiment({"encoder": request.param}), mean=torch.ones(3), scale=torch.full((3,), 2.0))
    return tiny.perturb(model)


@pytest.fixture
def sets():
    return [2 * torch.randn(n, 3, generator=torch.Generator().manual_seed(n)) + n % 3 for n in SIZES]


@torch.no_grad()
def test_forward_is_its_stages_and_readout(model, sets):
    """Stage k needs of other samples only the pooled statistics before it."""
    encoder = model.encoder
    for x in sets:
        h, pooled = [None] * len(x), []
        for k in range(encoder.n_stages):
            h = [encoder.stage(k, x[i][None, None], h[i], pooled) for i in range(len(x))]
            pooled.append(encoder.statistic(k)(torch.cat(h, 1)))
        torch.testing.assert_close(encoder.readout(pooled), encoder(x[None]), rtol=1e-4, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize(("at_once", "held"), [(3, 10**6), (64, 400), (1000, 1)])
def test_streamed_sets_are_embedded_as_whole_ones(model, sets, at_once, held, monkeypatch):
    """Samples of all sets mixed and cut into chunks: an order in which no set is ever whole."""
    monkeypatch.setattr(statistic, "HELD", held)
    x, which = torch.cat(sets), torch.arange(len(sets)).repeat_interleave(torch.tensor(SIZES))
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))

    def chunks():
        for rows, number in zip(x[order].split(at_once), which[order].split(at_once), strict=True):
            yield rows, number, None

    expected = torch.cat([model.encode(s[None]) for s in sets])
    torch.testing.assert_close(stream(model, chunks, SIZES), expected, rtol=1e-5, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("at_once", [3, 1000])
def test_streamed_weights_are_multiplicities(model, sets, at_once, monkeypatch):
    """A sample of weight 3 is the sample three times, in every pass over sets that are never whole."""
    monkeypatch.setattr(statistic, "HELD", 400)
    weights = [torch.arange(n) % 3 + 1 for n in SIZES]
    x, weight = torch.cat(sets), torch.cat(weights).float()
    which = torch.arange(len(sets)).repeat_interleave(torch.tensor(SIZES))
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(1))

    def chunks():
        yield from zip(*(v[order].split(at_once) for v in (x, which, weight)), strict=True)

    expected = torch.cat([model.encode(s.repeat_interleave(w, 0)[None]) for s, w in zip(sets, weights, strict=True)])
    torch.testing.assert_close(stream(model, chunks, SIZES), expected, rtol=1e-4, atol=1e-5)
