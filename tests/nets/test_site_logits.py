"""Logits of places: those of the letters that stand there, changed by the embedding."""

import pytest
import torch

from gde import generators
from gde.nets.registry import build
from gde.nets.site_logits import SiteLogits


def test_usual_letters_are_counted_with_the_end_mark():
    x = torch.tensor([[1, 2, 0, 0], [1, 1, 2, 0], [1, 2, 2, 0], [1, 2, 2, 2]], dtype=torch.uint8)
    sites = SiteLogits(4, 3, 2, 1)
    sites.fit(x)
    share = sites(torch.randn(1, 2))[0].softmax(-1)
    count = torch.tensor([[0, 4, 0], [0, 1, 3], [1, 0, 3], [2, 0, 1]]) + 0.1  # of those that go on so far
    torch.testing.assert_close(share, count / count.sum(-1, keepdim=True))


def test_an_embedding_changes_places_linearly():
    sites = SiteLogits(5, 4, 3, 2)
    with torch.no_grad():
        sites.effect.normal_()
    z = torch.randn(6, 3)
    change = sites(z) - sites(torch.zeros(1, 3))
    torch.testing.assert_close(sites(2 * z) - sites(torch.zeros(1, 3)), 2 * change, rtol=1e-4, atol=1e-5)
    assert torch.linalg.matrix_rank(change.flatten(1), atol=1e-4) == 2


@torch.no_grad()
def test_a_generator_begins_with_the_law_of_its_places():
    torch.manual_seed(0)
    law = torch.tensor([[0.9, 0.1], [0.2, 0.8], [0.5, 0.5], [0.05, 0.95]])
    x = (1 + (torch.rand(4000, 4) > law[:, 0])).to(torch.uint8)
    options = {"kind": "gpt", "hidden": 16, "layers": 1, "sites": 2}
    generator = build(generators.REGISTRY, options, dim=4, latent_dim=3, vocabulary=2)
    generator.fit(x)
    made = generator.sample(torch.zeros(1, 3), 4000, generator=torch.Generator().manual_seed(0))[0]
    share = torch.stack([(made == letter).float().mean(0) for letter in (1, 2)], -1)
    torch.testing.assert_close(share, law, atol=0.05, rtol=0)


@pytest.mark.parametrize("conditioning", ["prefix", "additive", "adaln"])
def test_every_place_gets_a_gradient(conditioning):
    options = {"kind": "gpt", "hidden": 16, "layers": 1, "sites": 2, "conditioning": conditioning}
    generator = build(generators.REGISTRY, options, dim=4, latent_dim=3, vocabulary=2)
    generator.loss(torch.randint(1, 3, (2, 5, 4), dtype=torch.uint8), torch.randn(2, 3)).backward()
    assert (generator.condition.sites.effect.grad.abs().sum((0, 2)) > 0).all()
