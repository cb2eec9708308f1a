"""Metrics of patterns and sequences where the answer is known: a generator that is the truth, and one that is not."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from fakes import context

from gde.config.datasets.patterns import DnaMultinomial
from gde.distances.exact import solve_ot
from gde.evaluate.sequences.evaluation import shuffled
from gde.evaluate.sequences.summary import gaps, summarise
from gde.evaluate.shared.held_sets import held_sets
from gde.evaluate.shared.likelihood import Scored, another, token_likelihood
from gde.evaluate.shared.markov import Markov
from gde.evaluate.shared.simplex_grid import STEPS, simplex_grid
from gde.evaluate.simulated.pattern_sets import Cases, cases_of, transport
from gde.evaluate.simulated.patterns import composition, simplex
from gde.prepare.synthetic_dna import prepare
from gde.sets.patterns import Patterns
from gde.sets.store.set_store import SetStore
from gde.sets.types.alphabet import ALPHABETS

DNA = ALPHABETS["dna"]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    path = tmp_path_factory.mktemp("patterns") / "sets"
    cfg = DnaMultinomial(kind="dna_multinomial", size=300, length=24).model_dump()
    prepare(cfg, path, name="p", seed=0)
    return SetStore.open(path)


@pytest.fixture(scope="module")
def patterns(store):
    return Patterns(np.stack([DNA.encode(w) for w in store.meta["patterns"]["kmers"]]), 24, 0.1)


@pytest.fixture(scope="module")
def cases(store, patterns):
    return cases_of(store, patterns, 0, np.random.default_rng(0))


def test_three_words_make_the_grid_of_the_simplex(store, cases):
    assert cases.share.shape == (55, 3) and np.allclose(cases.share.sum(1), 1)
    assert (store.groups["split"][cases.group] == "test").all()
    assert store.groups["group"][cases.group].tolist() == store.meta["patterns"]["kmers"]


def test_the_true_law_composes_as_well_as_can_be(store, patterns, cases):
    rng = np.random.default_rng(1)
    made = [patterns.sample(rng.choice(3, 200, p=p), rng) for p in cases.share]
    metrics, table = composition(patterns, store, cases, made, rng, 20)
    error, rate = metrics["patterns/composition_error"], metrics["patterns/substitutions"]
    assert error["value"] == pytest.approx(error["ceiling"], abs=0.01)
    assert error["value"] < 0.1 * error["baselines"]["other_set"] and error["baselines"]["training_mean"] > 0.2
    assert rate["value"] == pytest.approx(0.1, abs=0.01) and rate["target"] == 0.1 and rate["chance"] > 0.5
    sums = table.groupby("set")[["truth [share of sequences]", "generated [share of sequences]"]].sum()
    assert np.allclose(sums, 1)


def test_a_generator_that_ignores_its_embedding_does_not(store, patterns, cases):
    rng = np.random.default_rng(1)
    made = [patterns.sample(rng.integers(3, size=200), rng) for _ in cases.share]
    metrics, _ = composition(patterns, store, cases, made, rng, 20)
    error = metrics["patterns/composition_error"]
    assert error["value"] == pytest.approx(error["baselines"]["training_mean"], abs=0.02)
    assert error["value"] == pytest.approx(error["baselines"]["other_set"], abs=0.02)


def test_embeddings_that_are_the_distances_correlate_fully(cases):
    """Shares as embeddings are nearly W2 in normal approximation; random ones are nothing."""
    rng = np.random.default_rng(2)
    gap = np.linalg.norm(cases.share[:, None] - cases.share[None], axis=-1)
    noise = rng.normal(size=(55, 4))
    noise = np.linalg.norm(noise[:, None] - noise[None], axis=-1)
    metrics, table = simplex(cases, {"latent_distance": gap, "one_hot_mean": noise}, rng, 20)
    pearson = metrics["geometry/simplex_pearson"]
    assert pearson["value"] > 0.9 and abs(pearson["baselines"]["one_hot_mean"]) < 0.2
    assert pearson["n"] == 55 * 54 // 2 and len(table) == 55
    assert table["latent_distance [latent units]"].min() == 0 == table["w2 [counts]"].min()


def test_transport_between_mixtures_is_that_of_their_sequences():
    """Against transport between all sequences of all kmers, by enumeration of those without substitutions."""
    patterns = Patterns.draw(4, 3, 9, 0.0, np.random.default_rng(3))
    rng = np.random.default_rng(4)
    share = rng.dirichlet(np.ones(4), 5)
    share[0] = [1, 0, 0, 0]
    flat = patterns.clean.reshape(-1, 9)
    differ = (flat[:, None] != flat[None]).sum(-1).astype(float)
    found = transport(share, patterns.cost)
    for i in range(5):
        for j in range(5):
            a, b = (np.repeat(share[k] / 3, 3) for k in (i, j))
            plan = solve_ot(a, b, differ)
            assert found[i, j] == pytest.approx((plan * differ).sum(), abs=1e-9)


def test_many_words_give_each_alone_and_mixtures(store):
    kmers = Patterns.draw(6, 4, 24, 0.1, np.random.default_rng(0))
    groups = store.groups.iloc[:6].assign(group=kmers.names, split=["train"] * 2 + ["test"] * 4)
    fake = SimpleNamespace(groups=groups, meta={"patterns": {"kmers": kmers.names}}, path="p")
    found = cases_of(fake, kmers, 7, np.random.default_rng(0))
    assert isinstance(found, Cases) and found.share.shape == (11, 6)
    assert np.allclose(found.share.sum(1), 1) and not found.share[:, :2].any()
    assert ((found.share > 0).sum(1) == [1] * 4 + [3] * 7).all() and found.group[:2].tolist() == [-1, -1]


class Truth:
    """A generator that knows the kmers: z holds the mixture's shares."""

    def __init__(self, patterns):
        self.patterns = patterns

    def log_prob(self, x, z):
        same = (x[0].numpy()[:, None, None] == self.patterns.clean).sum(-1)  # (m, k, turns)
        s, n = self.patterns.substitutions, self.patterns.length
        distribution = ((1 - s) ** same * (s / 3) ** (n - same)).mean(-1)
        return torch.from_numpy(np.log(distribution @ z[0].numpy().astype(float) + 1e-300))[None]


def test_the_true_law_reaches_the_ceiling_of_the_likelihood(patterns):
    rng = np.random.default_rng(5)
    share = (simplex_grid() / STEPS)[[0, 9, 30, 54]]
    draw = lambda p: patterns.sample(rng.choice(3, 500, p=p), rng)  # noqa: E731
    sets = [Scored(p, draw(p)) for p in share]
    markov = Markov(5, 5).fit([(draw(np.ones(3) / 3), None)])
    mixed = [-(p[p > 0] * np.log(p[p > 0])).sum() for p in share]
    ceiling = -(patterns.entropy + np.mean(mixed) / patterns.length)
    model = SimpleNamespace(generator=Truth(patterns), device="cpu")
    found, own = token_likelihood(context({"bootstrap": 20}, model=model), sets, markov, 5, ceiling=ceiling)
    assert found["value"] == pytest.approx(ceiling, abs=0.01) and found["value"] == pytest.approx(own.mean())
    assert found["baselines"]["markov"] < found["value"] - 0.05
    assert found["baselines"]["other_set"] < found["value"] and found["baselines"]["uniform"] == -np.log(6)


def test_another_is_never_the_same():
    for n in (2, 3, 10):
        other = another(n, np.random.default_rng(n))
        assert sorted(other) == list(range(n)) and (other != np.arange(n)).all()


def test_gaps_of_equal_sets_are_zero_and_of_others_known():
    a = DNA.pad(["ACGT", "ACGT", "NN"], 6)
    b = DNA.pad(["ACGTAC"], 6)
    same = gaps(summarise([(a, None)], DNA, 2), summarise([(a[:1], None), (a[1:], None)], DNA, 2))
    assert set(same.values()) == {0.0}
    weighted = gaps(summarise([(a[1:], np.array([2.0, 1.0]))], DNA, 2), summarise([(a, None)], DNA, 2))
    assert max(weighted.values()) == pytest.approx(0.0, abs=1e-12)
    found = gaps(summarise([(a, None)], DNA, 2), summarise([(b, None)], DNA, 2))
    assert found["lengths/error"] == pytest.approx(6 - 10 / 3)
    assert found["composition/n_error"] == pytest.approx(2 / 10)
    assert found["composition/gc_error"] == pytest.approx(abs(1 / 3 - 1 / 2))
    assert found["kmers/distance"] == pytest.approx((2 / 5 - 1 / 3) + 1 / 5)  # AC and TA are commoner in b
    none = gaps(summarise([(a[2:], None)], DNA, 2), summarise([(b, None)], DNA, 2))
    assert none["kmers/distance"] == 1.0


def test_context_and_target_are_disjoint(store):
    held, there = held_sets(store, 50, 2, np.random.default_rng(0))
    assert len(held) == 2 and there == 3
    for h in held:
        assert not set(h.context) & set(h.target) and len(h.context) == len(h.target) == 50
        name = store.groups["group"][h.group]
        trained = store.select(split="train", group=name)[0]
        assert (h.context >= store.starts[trained]).all() and (h.context < store.starts[trained] + 210).all()


def test_shuffled_sequences_keep_their_letters():
    tokens = DNA.pad(["ACGTACGTGG", "AC", "NNAC"], 12)
    mixed = shuffled(tokens, np.random.default_rng(0))
    assert [sorted(t) for t in DNA.decode(mixed)] == [sorted(t) for t in DNA.decode(tokens)]
    assert (mixed != tokens).any()
