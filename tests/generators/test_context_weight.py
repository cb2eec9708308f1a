"""Tokens at the beginning that count less: the loss by hand, nothing else changed, and what it is for."""

import pytest
import torch

from gde.generators import REGISTRY
from gde.nets.registry import build

DIM, LATENT, CONTEXT = 9, 3, 5


def make(kind: str, **options):
    torch.manual_seed(0)
    extra = {"heads": 2} if kind == "gpt" else {}
    config = {"kind": kind, "hidden": 8, "layers": 1, **extra, **options}
    return build(REGISTRY, config, dim=DIM, latent_dim=LATENT, vocabulary=5).eval()


def sequences() -> torch.Tensor:
    x = torch.randint(1, 6, (2, 4, DIM), generator=torch.Generator().manual_seed(1))
    x[0, 1, 6:], x[1, 2, 3:] = 0, 0
    return x.to(torch.uint8)


@pytest.mark.parametrize("kind", ["hyenadna", "gpt"])
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0, 2.0])
def test_the_loss_is_the_weighted_sum_over_places(kind, share):
    x, z = sequences(), torch.randn(2, LATENT, generator=torch.Generator().manual_seed(2))
    plain, weighted = make(kind), make(kind, context=CONTEXT, context_weight=share)
    weighted.load_state_dict(plain.state_dict())
    flat = x.flatten(0, 1).long()
    with torch.no_grad():
        log = plain.logits(flat, plain.condition(z.repeat_interleave(4, 0)))
        log[:, 0, 0] = -torch.inf  # no sequence is empty
        each = -log.log_softmax(-1).gather(-1, flat[..., None])[..., 0]
        each[torch.cat([torch.zeros(8, 1, dtype=torch.bool), flat[:, :-1] == 0], 1)] = 0  # behind the end mark
        expected = (each[:, :CONTEXT].sum(1) * share + each[:, CONTEXT:].sum(1)).mean() / DIM
        assert weighted.loss(x, z).item() == pytest.approx(expected.item(), rel=1e-5)
        assert torch.equal(weighted.log_prob(x, z), plain.log_prob(x, z))


@pytest.mark.parametrize("options", [{"context": DIM}, {"context": -1}, {"context": 2, "context_weight": -0.1}])
def test_impossible_options_are_refused(options):
    with pytest.raises(ValueError, match="context"):
        make("hyenadna", **options)
