"""The convolutional encoder against its formula, where tokens stand, and streamed with weights."""

import pytest
import torch
from torch.nn.functional import conv1d, group_norm, silu

from gde.embed import stream
from gde.encoders.dna_conv import DnaConv
from gde.model import GDE
from gde.nets.pool import set_mean

LATENT, HIDDEN = 4, 16


def encoder(dim=20, **options) -> DnaConv:
    torch.manual_seed(0)
    made = DnaConv(DnaConv.Options(hidden=HIDDEN, **options), dim=dim, latent_dim=LATENT)
    with torch.no_grad():
        for p in made.parameters():
            p += 0.1 * torch.randn(p.shape)
    return made


def sequences(b, n, shortest, longest, dim=20):
    """Random sequences (b, n, dim) of between `shortest` and `longest` tokens."""
    generator = torch.Generator().manual_seed(longest)
    x = torch.randint(1, 6, (b, n, dim), generator=generator)
    length = torch.randint(shortest, longest + 1, (b, n, 1), generator=generator)
    return torch.where(torch.arange(dim) < length, x, 0).to(torch.uint8)


def test_it_is_convolutions_of_the_concatenation_with_the_mean():
    """Written with one-hot tokens and whole kernels, without a token missing."""
    made, x = encoder(), sequences(3, 5, 20, 20)
    h = torch.zeros(3, 5, 5, 20)
    for i in range(3):
        for j in range(5):
            h[i, j, x[i, j].long() - 1, torch.arange(20)] = 1.0

    def layer(h, weight, bias, norm):
        new = conv1d(h.flatten(0, 1), weight, bias, padding=3)
        return silu(group_norm(new, norm.groups, norm.weight, norm.bias)).unflatten(0, (3, 5))

    h = layer(h, made.stem.weight, made.stem.bias, made.norms[0])
    for own, pooled, norm in zip(made.own, made.pooled, made.norms[1:], strict=True):
        both = torch.cat([h, h.mean(1, keepdim=True).expand_as(h)], 2)
        h = h + layer(both, torch.cat([own.weight, pooled.weight], 1), own.bias, norm)
    torch.testing.assert_close(made(x), made.out(h.mean((1, 3))), rtol=1e-4, atol=1e-5)


def test_masked_places_stay_zero():
    made, x = encoder(), sequences(2, 6, 3, 15)
    h, pooled = None, []
    for k in range(made.n_stages - 1):
        h = made.stage(k, x, h, pooled)
        pooled.append(set_mean(h))
        positions = h.unflatten(-1, (HIDDEN, 20))
        assert (positions.mT[x == 0] == 0).all()
        assert (positions.mT[x != 0] != 0).any(-1).all()


@pytest.mark.parametrize("pool", [1, 4])
def test_the_length_of_the_row_does_not_matter(pool):
    x = sequences(2, 6, 3, 15)
    longer = torch.nn.functional.pad(x, (0, 9))
    torch.testing.assert_close(encoder(29, pool=pool)(longer), encoder(pool=pool)(x), rtol=1e-4, atol=1e-5)


def test_every_letter_and_place_matters():
    made, x = encoder(), sequences(1, 4, 20, 20)
    z = made(x)
    for position in range(20):
        other = x.clone()
        other[0, 1, position] = 1 + other[0, 1, position] % 5
        assert (made(other) - z).abs().max() > 1e-5


@pytest.mark.parametrize(
    "options", [{"pool": 1}, {"pool": 3}, {"readout": "positions"}], ids=["plain", "pool", "positions"]
)
@pytest.mark.parametrize("weighted", [False, True])
@torch.no_grad()
def test_streamed_sets_are_embedded_as_whole_ones(options, weighted):
    sizes = [1, 4, 70]
    config = {
        "encoder": {"kind": "dna_conv", "hidden": HIDDEN, **options},
        "generator": {"kind": "dna_vae", "hidden": 8},
        "latent_dim": LATENT,
        "tokens": {"alphabet": "dna", "length": 20},
    }
    torch.manual_seed(0)
    model = GDE(config, mean=torch.zeros(20), scale=torch.ones(20)).eval()
    model.encoder.fit(sequences(1, 50, 10, 20)[0])
    sets = [sequences(1, n, 2, 20)[0] for n in sizes]
    weights = [torch.rand(n, generator=torch.Generator().manual_seed(n)) + 0.1 for n in sizes]
    x, weight = torch.cat(sets), torch.cat(weights)
    which = torch.arange(3).repeat_interleave(torch.tensor(sizes))
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))

    def chunks():
        for part in order.split(11):
            yield x[part], which[part], weight[part] if weighted else None

    given = [w[None] if weighted else None for w in weights]
    expected = torch.cat([model.encode(s[None], weight=w) for s, w in zip(sets, given, strict=True)])
    torch.testing.assert_close(stream(model, chunks, sizes), expected, rtol=1e-4, atol=1e-5)


def test_kernels_are_odd():
    with pytest.raises(ValueError, match="kernel: found 4"):
        encoder(kernel=4)


def test_one_letter_of_a_thousand_moves_the_embedding_only_if_places_are_read():
    """Two populations that differ at one position: against the noise of rare tokens and of runs of unknown ones."""
    generator = torch.Generator().manual_seed(0)
    usual = torch.randint(1, 5, (1000,), generator=generator)

    def population(residue: int, n: int) -> torch.Tensor:
        x = usual.repeat(n, 1)
        rare = torch.rand(x.shape, generator=generator) < 3e-4
        x[rare] = torch.randint(1, 5, (int(rare.sum()),), generator=generator)
        x[:, 600] = residue
        run = torch.randint(0, 400, (n, 1), generator=generator)
        x[(torch.arange(1000) >= run) & (torch.arange(1000) < run + 150)] = 5
        return x.to(torch.uint8)

    def separation(**options) -> float:
        torch.manual_seed(0)
        made = DnaConv(DnaConv.Options(hidden=HIDDEN, layers=1, **options), dim=1000, latent_dim=LATENT)
        made.fit(torch.cat([population(1, 100), population(2, 100)]))
        with torch.no_grad():
            a, b = (made(population(residue, 16 * 20).unflatten(0, (20, 16))) for residue in (1, 2))
        return float((a.mean(0) - b.mean(0)).norm() / (a.std(0) + b.std(0)).norm())

    assert separation(readout="positions") > 3 > separation()


def test_the_readout_is_one_of_two():
    with pytest.raises(ValueError, match="readout: found 'all', expected one of mean, positions"):
        encoder(readout="all")
