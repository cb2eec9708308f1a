"""Residue by token: causal, the same from a cache, drawn from the law whose likelihood is given."""

import itertools
import weakref

import pytest
import tiny
import torch
from scipy.stats import chisquare
from torch.utils._python_dispatch import TorchDispatchMode

from gde import generators
from gde.generators import autoregressive
from gde.nets.registry import build

LATENT, LENGTH, VOCABULARY = 3, 21, 5
VARIANTS = [
    pytest.param((kind, {"conditioning": c, "prefix": 4 if c == "prefix" else 1}), id=f"{kind}-{c}")
    for kind, c in itertools.product(("hyenadna", "gpt", "progen2"), ("prefix", "additive", "adaln"))
]


def make(kind, options, dim=LENGTH, vocabulary=VOCABULARY):
    torch.manual_seed(0)
    sizes = {"dim": dim, "latent_dim": LATENT, "vocabulary": vocabulary}
    made = build(generators.REGISTRY, {"kind": kind, "hidden": 16, "layers": 2} | options, **sizes)
    return tiny.moved(made, 0.2)


@pytest.fixture(params=VARIANTS)
def generator(request):
    return make(*request.param)


def residues(rows, seed=0):
    return torch.randint(1, VOCABULARY + 1, (rows, LENGTH), generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
def test_cached_logits_are_those_of_the_whole(generator):
    x, z = residues(6), torch.randn(6, LATENT)
    condition = generator.condition(z)
    whole = generator.logits(x, condition)
    step = generator.start(6, condition.films)
    for vector in condition.prefix.unbind(1):
        h = step(vector)
    for t in range(LENGTH):
        torch.testing.assert_close(generator.scores(h), whole[:, t], rtol=1e-5, atol=1e-5)
        vector = generator.token_embedding(x[:, t])
        if t + 1 < LENGTH:
            h = step(vector if condition.added is None else vector + condition.added[:, 0])


@pytest.mark.parametrize("position", [0, 1, 9, 19])
@torch.no_grad()
def test_a_letter_changes_only_what_follows(generator, position):
    x, z = residues(4), torch.randn(4, LATENT)
    other = x.clone()
    other[:, position] = 1 + x[:, position] % VOCABULARY
    before, after = (generator.logits(v, generator.condition(z)) for v in (x, other))
    torch.testing.assert_close(before[:, : position + 1], after[:, : position + 1], rtol=1e-4, atol=1e-5)
    assert ((before - after)[:, position + 1 :].abs().amax((0, 2)) > 1e-4).all()


def test_the_first_letter_follows_the_embedding(generator):
    """Its logits depend on z, in every conditioning, with a gradient; there is no residue before it."""
    z = torch.randn(4, LATENT, requires_grad=True)
    first = generator.logits(residues(4), generator.condition(z))[:, 0]
    assert (torch.autograd.grad(first.square().sum(), z)[0].abs().sum(1) > 0).all()
    assert (first[1:] - first[:1]).detach().abs().amax(1).min() > 1e-3


@pytest.mark.parametrize("kind", ["hyenadna", "gpt", "progen2"])
def test_samples_follow_the_likelihood(kind):
    """All 14 sequences of at most 3 positions over 2 tokens: their probabilities sum to 1 and are the frequencies."""
    generator = make(kind, {}, dim=3, vocabulary=2)
    rows = [[a, b, c] for a in (1, 2) for b in (0, 1, 2) for c in (0, 1, 2) if b or not c]
    z, n = torch.randn(1, LATENT), 20_000
    p = generator.log_prob(torch.tensor([rows], dtype=torch.uint8), z)[0].exp().double()
    assert float(p.sum()) == pytest.approx(1.0, abs=1e-5)
    x = generator.sample(z, n, generator=torch.Generator().manual_seed(0))[0].long()
    code = x @ torch.tensor([9, 3, 1])
    counts = code.bincount(minlength=27)[torch.tensor(rows) @ torch.tensor([9, 3, 1])].double()
    assert int(counts.sum()) == n
    assert chisquare(counts.numpy(), (n * p / p.sum()).numpy()).pvalue > 1e-3


def test_entropy_falls_with_temperature_and_top_p(generator):
    """Of the first tokens, whose law is the same in every draw; in the limit one sequence is left for an embedding."""
    z = torch.randn(2, LATENT)

    def draw(**options):
        x = generator.sample(z, 400, generator=torch.Generator().manual_seed(0), **options)
        p = x[0, :, 0].long().bincount() / 400
        return float(-torch.special.xlogy(p, p).sum()), len(x.flatten(0, 1).unique(dim=0))

    assert draw() == draw(temperature=1.0, top_p=1.0)
    for options in (
        [{"temperature": t} for t in (3.0, 1.0, 0.3, 1e-4)],
        [{"top_p": p} for p in (1.0, 0.6, 1e-6)],
    ):
        entropies, different = zip(*(draw(**o) for o in options), strict=True)
        assert all(a > b for a, b in itertools.pairwise(entropies))
        assert different[0] > 100
        assert different[-1] <= 2
        assert entropies[-1] == 0.0


def test_the_options_are_the_defaults_of_sampling():
    z = torch.randn(2, LATENT)
    greedy = make("hyenadna", {"top_p": 1e-6})
    assert len(greedy.sample(z, 50).flatten(0, 1).unique(dim=0)) == 2
    with pytest.raises(ValueError, match="top_p: found 2"):
        greedy.sample(z, 1, top_p=2.0)


def test_drawing_stops_when_all_have_ended(monkeypatch):
    """A model that ends at once takes no step beyond the next look."""
    generator = make("hyenadna", {}, dim=200)
    with torch.no_grad():
        for p in generator.norm.parameters():
            p.zero_()
        generator.condition.out.bias.zero_()
        generator.condition.out.weight.zero_()
        generator.norm.bias.fill_(1.0)
        generator.token_embedding.weight.fill_(-1.0)
        generator.token_embedding.weight[0] = 1.0
    steps, start = [], generator.start

    def counted(*arguments):
        step = start(*arguments)
        return lambda h: steps.append(1) or step(h)

    monkeypatch.setattr(generator, "start", counted)
    x = generator.sample(torch.randn(2, LATENT), 5)
    assert ((x != 0).sum(-1) == 1).all()
    assert len(steps) <= 16


def test_validation_counts_every_sequence():
    """Without gradients the loss ignores `subsample`: it is the mean over all, whatever the noise."""
    generator, z = make("gpt", {"subsample": 2}), torch.randn(3, LATENT)
    x = residues(3 * 8).unflatten(0, (3, 8)).to(torch.uint8)
    with torch.no_grad():
        assert float(generator.loss(x, z)) == pytest.approx(float(-generator.log_prob(x, z).mean() / LENGTH), rel=1e-5)
    parts = [float(generator.loss(x, z).detach()) for _ in range(2)]
    assert parts[0] != parts[1]


@torch.no_grad()
def test_what_is_given_stands_and_the_rest_is_drawn_behind_it(generator):
    z, given = torch.randn(2, LATENT), residues(6)[:, :8].view(2, 3, 8).to(torch.uint8)
    draw = torch.Generator()
    x = generator.sample(z, 3, generator=draw.manual_seed(0), given=given)
    assert torch.equal(x[:, :, :8], given)
    # drawn token by token from the law that the whole sequences have: the likeliest token at temperature 0+
    cold = generator.sample(z, 3, generator=draw, given=given, temperature=1e-4)
    logits = generator.logits(cold.flatten(0, 1).long(), generator.condition(z.repeat_interleave(3, 0)))
    assert torch.equal(logits[:, 8].argmax(-1).to(torch.uint8), cold[:, :, 8].flatten())


@pytest.mark.parametrize("shape", [(2, 3, LENGTH + 1), (3, 2, 4)])
def test_what_is_given_must_fit(shape):
    generator = make("gpt", {})
    with pytest.raises(ValueError, match="given: found shape"):
        generator.sample(torch.randn(2, LATENT), 3, given=torch.ones(shape, dtype=torch.uint8))
    with pytest.raises(ValueError, match="an end among them"):
        generator.sample(torch.randn(2, LATENT), 3, given=torch.zeros(2, 3, 4, dtype=torch.uint8))


@pytest.mark.parametrize("kind", ["hyenadna", "gpt", "progen2"])
def test_long_sequences_are_drawn_and_scored_in_smaller_pieces(kind, monkeypatch):
    """As many together as their caches leave of the memory, at least one; the likelihood is the same."""
    generator, z = make(kind, {}), torch.randn(2, LATENT)
    x = residues(2 * 6).unflatten(0, (2, 6)).to(torch.uint8)
    whole, rows, start = generator.log_prob(x, z), [], generator.start
    monkeypatch.setattr(generator, "start", lambda n, films: rows.append(n) or start(n, films))
    for numbers, most in ((4 * generator.kept, 4), (1, 1)):  # of a likelihood more is kept
        monkeypatch.setitem(autoregressive.NUMBERS_AT_ONCE, "cpu", numbers)
        torch.testing.assert_close(generator.log_prob(x, z), whole)
        assert generator.sample(z, 5).shape == (2, 5, LENGTH)
        assert sum(rows) == 10 and max(rows) == most
        rows.clear()


class Live(TorchDispatchMode):
    """The most numbers of float32 that tensors made meanwhile have at once, each storage counted once."""

    def __init__(self):
        super().__init__()
        self.now = self.most = 0
        self.known = set()

    def __torch_dispatch__(self, function, types, arguments=(), options=None):
        out = function(*arguments, **(options or {}))
        for tensor in out if isinstance(out, tuple | list) else [out]:
            if isinstance(tensor, torch.Tensor) and (storage := tensor.untyped_storage())._cdata not in self.known:
                self.known.add(storage._cdata)
                self.now += storage.nbytes() // 4
                weakref.finalize(storage, self.gone, storage._cdata, storage.nbytes() // 4)
        self.most = max(self.most, self.now)
        return out

    def gone(self, name, numbers):
        self.known.discard(name)
        self.now -= numbers


@pytest.mark.parametrize(
    ("kind", "vocabulary", "options"),
    [
        *((kind, 5, {"conditioning": "adaln"}) for kind in ("hyenadna", "gpt", "progen2")),
        *((kind, 255, {"conditioning": "prefix"}) for kind in ("hyenadna", "gpt", "progen2")),
        ("gpt", 255, {"conditioning": "prefix", "sites": 2}),
    ],
)
def test_what_a_likelihood_takes_is_at_most_what_is_counted(kind, vocabulary, options):
    """Whether the states of the network or the logits are most of it; and not a small part of that."""
    generator, rows = make(kind, options, dim=60, vocabulary=vocabulary), 8
    x = torch.randint(1, vocabulary + 1, (1, rows, 60), dtype=torch.uint8)
    generator.log_prob(x[:, :1], torch.randn(1, LATENT))  # what is made once
    with Live() as live:
        generator.log_prob(x, torch.randn(1, LATENT))
    assert live.most / rows < generator.scored < 3 * live.most / rows
