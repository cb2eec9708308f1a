"""Logits of places: those of the letters that stand there, changed by the embedding."""

import math

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
    count = torch.tensor([[0, 4, 0], [0, 1, 3], [1, 0, 3], [2, 0, 1]])  # of those that go on so far
    count = count + torch.tensor([0.1 / 4, 0.1, 0.1])  # an end is as likely in all places as a letter in one
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


def lineages(n, places=12, seed=0):
    """Sequences of two lineages that differ at every third place, alike often; other places have rare letters."""
    rng = torch.Generator().manual_seed(seed)
    x = torch.ones(n, places, dtype=torch.long)
    x[torch.rand(n, places, generator=rng) < 0.001] = 3
    x[:, ::3] = 1 + (torch.rand(n, 1, generator=rng) < 0.4).long()
    return x


def test_letters_that_are_usual_or_rare_say_nothing():
    x = lineages(4000)
    sites = SiteLogits(12, 4, 2, 3)
    sites.fit(x)
    counts = torch.zeros(12, 4, dtype=torch.bool)
    counts[::3, 2] = True
    assert torch.equal(sites.counts, counts)
    torch.nn.init.normal_(sites.says)
    change = sites.linked(torch.tensor([[1] * 12, [1, 3] + [1] * 10, [2, 1, 1, 2] + [1] * 8]))
    assert not change[:2].any() and not change[2, 0].any() and (change[2, 1:].abs().sum(1) > 0).all()
    own = sites.says.view(12, 4, 3)[0, 2]
    torch.testing.assert_close(change[2, 2], own @ sites.follows[2])


def test_letters_of_a_lineage_come_together():
    """Without a network: links alone tell a later place what an earlier one has."""
    torch.manual_seed(0)
    x = lineages(4000)
    sites = SiteLogits(12, 4, 2, 1)
    sites.fit(x)
    z, steps = torch.zeros(1, 2), torch.optim.Adam(sites.parameters(), 0.05)

    def loss(rows):
        logits = sites(z) + sites.linked(rows)
        return torch.nn.functional.cross_entropy(logits.flatten(0, 1), rows.flatten(), reduction="sum") / len(rows)

    fresh = lineages(2000, seed=1)
    apart = loss(fresh).item()
    for k in range(60):
        steps.zero_grad()
        loss(x[k % 8 :: 8]).backward()
        steps.step()
    together = loss(fresh).item()
    lineage = -(0.4 * math.log(0.4) + 0.6 * math.log(0.6))
    assert apart - together > 0.8 * 3 * lineage  # three of the four places follow from the first


@torch.no_grad()
def test_drawn_letters_have_the_law_that_is_scored():
    """Place by place from what earlier letters said, as all places at once."""
    torch.manual_seed(0)
    options = {"kind": "gpt", "hidden": 16, "layers": 1, "sites": 2}
    generator = build(generators.REGISTRY, options, dim=6, latent_dim=3, vocabulary=3)
    generator.fit(lineages(500, places=6))
    generator.condition.sites.says.normal_(std=3.0)
    generator.condition.sites.follows.normal_()
    z = torch.zeros(1, 3)
    made = generator.sample(z, 4000, generator=torch.Generator().manual_seed(0))
    found = generator.log_prob(made, z)[0]
    rows, count = torch.unique(made[0], dim=0, return_counts=True)
    often = count > 100
    share = generator.log_prob(rows[None], z)[0].exp()
    torch.testing.assert_close(count[often] / 4000, share[often], atol=0.03, rtol=0)
    assert often.sum() > 2 and found.isfinite().all()


@pytest.mark.parametrize("conditioning", ["prefix", "additive", "adaln"])
def test_every_place_gets_a_gradient(conditioning):
    options = {"kind": "gpt", "hidden": 16, "layers": 1, "sites": 2, "conditioning": conditioning}
    generator = build(generators.REGISTRY, options, dim=4, latent_dim=3, vocabulary=2)
    generator.loss(torch.randint(1, 3, (2, 5, 4), dtype=torch.uint8), torch.randn(2, 3)).backward()
    assert (generator.condition.sites.effect.grad.abs().sum((0, 2)) > 0).all()
