"""Short trainings of every kind: sequences become likely, and through the embedding those of their own set."""

import math

import pytest
import torch

from gde import generators
from gde.encoders.dna_conv import DnaConv
from gde.nets.registry import build
from gde.sets.random import ShardRandom

LATENT, LENGTH, GROUPS, STEPS = 4, 12, 3, 150
WORDS = torch.tensor([[1, 2, 3, 4], [2, 2, 4, 1], [3, 1, 1, 4]])  # repeated from a random token on, some replaced
KINDS = [
    ("hyenadna", {"conditioning": "adaln", "layers": 1}),
    ("hyenadna", {"conditioning": "prefix", "prefix": 2, "layers": 1}),
    ("gpt", {"conditioning": "adaln", "layers": 1}),
    ("progen2", {"conditioning": "prefix", "prefix": 2, "layers": 2}),
    ("dna_vae", {"code_dim": 4, "layers": 1}),
]


def sets(per_group, n, seed):
    """`per_group` sets of each group (b, n, LENGTH), ordered by group; 6 to 12 tokens each."""
    g = torch.Generator().manual_seed(seed)
    word = torch.arange(GROUPS).repeat_interleave(per_group)[:, None].expand(-1, n)
    phase = torch.randint(4, (*word.shape, 1), generator=g)
    x = WORDS[word].gather(2, (torch.arange(LENGTH) + phase) % 4)
    replaced = torch.rand(x.shape, generator=g) < 0.05
    x = torch.where(replaced, torch.randint(1, 5, x.shape, generator=g), x)
    length = torch.randint(6, LENGTH + 1, phase.shape, generator=g)
    return torch.where(torch.arange(LENGTH) < length, x, 0).to(torch.uint8)


@pytest.mark.parametrize(
    ("kind", "options"), KINDS, ids=lambda v: v if isinstance(v, str) else "-".join(map(str, v.values()))
)
def test_training_beats_uniform_letters_and_other_embeddings(kind, options):
    torch.manual_seed(0)
    encoder = DnaConv(DnaConv.Options(hidden=16, layers=1, pool=2), dim=LENGTH, latent_dim=LATENT)
    generator = build(generators.REGISTRY, {"kind": kind, "hidden": 24} | options, dim=LENGTH, latent_dim=LATENT)
    both = torch.nn.ModuleList([encoder, generator])
    optimizer = torch.optim.Adam(both.parameters(), lr=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    for step in range(STEPS):
        x = sets(2, 16, 100 + step)
        optimizer.zero_grad()
        generator.loss(x, encoder(x), rng=ShardRandom(0, step)).backward()
        torch.nn.utils.clip_grad_norm_(both.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    with torch.no_grad():
        z, x = encoder(sets(1, 100, 1)), sets(1, 300, 2)  # embeddings of other sets of the same groups
        scored = (x != 0).sum() + (x[..., -1] == 0).sum()
        own, other = (-float(generator.log_prob(x, e).sum() / scored) for e in (z, z.roll(1, 0)))
        made = generator.sample(z, 200, generator=torch.Generator().manual_seed(3))
    assert own < 0.75 * math.log(4)  # nats for each token and end mark; the lengths alone are 2 / 10
    assert other > own + 0.3
    # samples have the pairs of tokens that their word has; the second word shares two of four with the first
    pairs = {tuple(w[[i, (i + 1) % 4]].tolist()) for w in WORDS[:1] for i in range(4)}
    share = [sum(p in pairs for p in token_pairs(m)) / len(token_pairs(m)) for m in made]
    assert share[0] > max(share[1:]) + 0.15


def token_pairs(x):
    """Neighbouring tokens of sequences (n, L)."""
    first, second = x[:, :-1].flatten(), x[:, 1:].flatten()
    kept = second != 0
    return list(zip(first[kept].tolist(), second[kept].tolist(), strict=True))
