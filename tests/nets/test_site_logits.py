"""Logits of positions: those of the tokens that stand there, changed by the embedding."""

import math

import pytest
import torch

from gde import generators
from gde.nets.registry import build
from gde.nets.site_logits import SiteLogits
from gde.nets.tokens import tokens_nll
from gde.sets.random import ShardRandom


def test_usual_letters_are_counted_with_the_end_mark():
    x = torch.tensor([[1, 2, 0, 0], [1, 1, 2, 0], [1, 2, 2, 0], [1, 2, 2, 2]], dtype=torch.uint8)
    sites = SiteLogits(4, 3, 2, 1)
    sites.fit(x)
    share = sites(torch.randn(1, 2))[0].softmax(-1)
    count = torch.tensor([[0, 4, 0], [0, 1, 3], [1, 0, 3], [2, 0, 1]])  # of those that go on so far
    count = count + torch.tensor([0.1 / 4, 0.1, 0.1])  # an end is as likely in all positions as a token in one
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
    distribution = torch.tensor([[0.9, 0.1], [0.2, 0.8], [0.5, 0.5], [0.05, 0.95]])
    x = (1 + (torch.rand(4000, 4) > distribution[:, 0])).to(torch.uint8)
    options = {"kind": "gpt", "hidden": 16, "layers": 1, "sites": 2}
    generator = build(generators.REGISTRY, options, dim=4, latent_dim=3, vocabulary=3)
    generator.fit(x)
    made = generator.sample(torch.zeros(1, 3), 4000, generator=torch.Generator().manual_seed(0))[0]
    share = torch.stack([(made == residue).float().mean(0) for residue in (1, 2)], -1)
    torch.testing.assert_close(share, distribution, atol=0.05, rtol=0)


def lineages(n, positions=12, seed=0):
    """Sequences of two lineages that differ at every third position, alike often; other positions have rare tokens."""
    rng = torch.Generator().manual_seed(seed)
    x = torch.ones(n, positions, dtype=torch.long)
    x[torch.rand(n, positions, generator=rng) < 0.001] = 3
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
    distribution = sites(torch.zeros(3, 2))
    change = sites.linked(torch.tensor([[1] * 12, [1, 3] + [1] * 10, [2, 1, 1, 2] + [1] * 8]), distribution)
    assert torch.equal(change[0], change[1]) and not change[:, 0].any()
    assert ((change[2] - change[0])[1:].abs().sum(1) > 0).all()
    own = sites.says.view(12, 4, 3)[0, 2]
    torch.testing.assert_close(change[2, 2] - change[0, 2], own @ sites.follows[2])


def test_letters_of_a_lineage_come_together():
    """Without a network: links alone tell a later position what an earlier one has."""
    torch.manual_seed(0)
    x = lineages(4000)
    sites = SiteLogits(12, 4, 2, 1)
    sites.fit(x)
    z, steps = torch.zeros(1, 2), torch.optim.Adam(sites.parameters(), 0.05)

    def loss(rows):
        alone = sites(z)
        logits = alone + sites.linked(rows, alone.expand(len(rows), -1, -1))
        return torch.nn.functional.cross_entropy(logits.flatten(0, 1), rows.flatten(), reduction="sum") / len(rows)

    fresh = lineages(2000, seed=1)
    apart = loss(fresh).item()
    for k in range(60):
        steps.zero_grad()
        loss(x[k % 8 :: 8]).backward()
        steps.step()
    together = loss(fresh).item()
    lineage = -(0.4 * math.log(0.4) + 0.6 * math.log(0.6))
    assert apart - together > 0.8 * 3 * lineage  # three of the four positions follow from the first


@torch.no_grad()
def test_drawn_letters_have_the_law_that_is_scored():
    """Place by position from what earlier tokens said, as all positions at once."""
    torch.manual_seed(0)
    options = {"kind": "gpt", "hidden": 16, "layers": 1, "sites": 2}
    generator = build(generators.REGISTRY, options, dim=6, latent_dim=3, vocabulary=4)
    generator.fit(lineages(500, positions=6))
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


@torch.no_grad()
def test_shares_move_along_components_linearly():
    """As in a mixture of two populations, of which the embedding is the mixture of theirs."""
    x = lineages(4000)
    sites = SiteLogits(12, 4, 1, 1)
    sites.fit(x)
    sites.moves.weight.fill_(1.0)
    ends = x[x[:, 0] == 1], x[x[:, 0] == 2]
    scores = [((e[:, ::3] == 2).float().mean() - 0.4) for e in ends]  # in shares of the lineage
    unit = sites.components[0, 0, 2]
    for mixed in (0.0, 0.2, 0.5, 0.9, 1.0):
        z = ((1 - mixed) * scores[0] + mixed * scores[1]) / unit
        share = sites(z.view(1, 1))[0, ::3].softmax(-1)[:, 2]
        assert share.sub(mixed).abs().max() < 0.03
        assert ((share > 0) & (share < 1)).all()
    untouched = sites(torch.ones(1, 1))[0, 1]
    torch.testing.assert_close(untouched, sites.usual[1])


def test_shares_below_zero_stay_numbers_with_a_gradient():
    sites = SiteLogits(12, 4, 1, 1)
    sites.fit(lineages(400))
    for far in (-1e3, -1.0, 1.0, 1e3):
        sites.zero_grad()
        with torch.no_grad():
            sites.moves.weight.fill_(far)
        logits = sites(torch.ones(1, 1))
        logits[0, 0, 2].backward()
        assert logits.isfinite().all() and sites.moves.weight.grad.isfinite().all() and sites.moves.weight.grad.all()


@torch.no_grad()
def test_links_alone_move_no_shares():
    """Tokens drawn position by position by their own law: on average they say nothing."""
    torch.manual_seed(0)
    x = lineages(4000)
    sites = SiteLogits(12, 4, 2, 3)
    sites.fit(x)
    sites.says.normal_()
    distribution = sites(torch.zeros(1, 2))
    drawn = torch.multinomial(distribution[0].softmax(-1), 20_000, replacement=True).T  # (n, L)
    linked = sites.linked(drawn, distribution.expand(len(drawn), -1, -1))
    assert linked.std(0)[1:].max() > 0.5
    assert (linked.mean(0).abs() < 5 * linked.std(0) / len(drawn) ** 0.5 + 1e-6).all()


@torch.no_grad()
def test_a_letter_that_is_missing_says_nothing():
    x = lineages(500)
    x[::7, 3] = 3
    sites = SiteLogits(12, 4, 2, 3, known=2)
    sites.fit(x)
    assert not sites.counts[:, 3].any() and not sites.components[..., 3].any()
    sites.says.normal_()
    distribution = sites(torch.zeros(1, 2))
    said = sites.said(torch.tensor([[2, 1, 1, 3] + [1] * 8]), sites.expected(distribution))
    assert said[0, 0].any() and not said[0, 3].any()


def test_the_likelihood_of_many_sequences_is_that_of_each():
    torch.manual_seed(0)
    x = lineages(40).view(4, 10, 12)
    x[0, :3, 8:], x[1, 4, 2], x[2, 5] = 0, 3, 0
    sites = SiteLogits(12, 4, 2, 2, known=2)
    logits = torch.randn(4, 12, 4)
    each = tokens_nll(logits[:, None].expand(-1, 10, -1, -1), x, known=2)
    torch.testing.assert_close(sites.nll(logits, x), each)
    assert not each[2, 5]


def test_the_places_learn_from_all_sequences_of_a_set():
    """Of which the network sees one."""
    torch.manual_seed(0)
    options = {"kind": "gpt", "hidden": 16, "layers": 1, "sites": 2, "subsample": 1}
    generator = build(generators.REGISTRY, options, dim=12, latent_dim=3, vocabulary=3)
    x, z = lineages(32).view(2, 16, 12).to(torch.uint8), torch.randn(2, 3)
    generator.fit(lineages(500))
    told = [generator.loss(x, z, rng=ShardRandom(0, 0, stream="loss")).item()]
    for i in range(16):
        other = x.clone()
        other[0, i, 0] = 3 - other[0, i, 0]
        told.append(generator.loss(other, z, rng=ShardRandom(0, 0, stream="loss")).item())
    assert all(t != told[0] for t in told[1:])
    with torch.no_grad():  # validation is the likelihood itself
        nll = -generator.log_prob(x, z).mean() / 12
        assert generator.loss(x, z).item() == pytest.approx(nll.item(), rel=1e-4)


@torch.no_grad()
def test_letters_that_stand_for_any_are_neither_drawn_nor_scored():
    torch.manual_seed(0)
    x = lineages(500)
    x[:, 5] = 3
    options = {"kind": "gpt", "hidden": 16, "layers": 1, "sites": 2}
    generator = build(generators.REGISTRY, options, dim=12, latent_dim=3, vocabulary=3)
    generator.fit(x)
    made = generator.sample(torch.zeros(1, 3), 200, generator=torch.Generator().manual_seed(0))
    assert made.max() == 2
    one = x[:1, None].to(torch.uint8)
    changed = one.clone()
    changed[..., 11] = 3
    assert generator.log_prob(changed, torch.zeros(1, 3)) > generator.log_prob(one, torch.zeros(1, 3))


@pytest.mark.parametrize("conditioning", ["prefix", "additive", "adaln"])
def test_every_place_gets_a_gradient(conditioning):
    options = {"kind": "gpt", "hidden": 16, "layers": 1, "sites": 2, "conditioning": conditioning}
    generator = build(generators.REGISTRY, options, dim=4, latent_dim=3, vocabulary=3)
    generator.loss(torch.randint(1, 3, (2, 5, 4), dtype=torch.uint8), torch.randn(2, 3)).backward()
    assert (generator.condition.sites.effect.grad.abs().sum((0, 2)) > 0).all()
