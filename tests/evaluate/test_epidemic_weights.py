"""Real and generated sequences of a population weigh alike, and what is drawn again for an interval is its own."""

import numpy as np
import pytest
import torch
from epidemics import ANCESTOR, LENGTH, PROTEIN, SiteModel, config, epidemic_store
from fakes import context

from gde.evaluate.epidemic.evaluation import training_counts
from gde.evaluate.epidemic.frame import Frame, site_counts
from gde.evaluate.epidemic.generated import both_sides, likelihoods, novelty
from gde.evaluate.epidemic.population import Population
from gde.evaluate.epidemic.sets import Keys, keys_of
from gde.evaluate.epidemic.sweeps import Shares, average, interval, month_before, sites
from gde.evaluate.shared import embedding
from gde.evaluate.shared.context import Context
from gde.evaluate.shared.rows import read_rows
from gde.model import GDE

FRAME = Frame(ANCESTOR, PROTEIN)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return epidemic_store(tmp_path_factory.mktemp("epidemic") / "sets")


def drawn(share: float, n: int, rng: np.random.Generator) -> np.ndarray:
    """Sequences (n, L), of which about a share differs from the ancestor's, the usual one, at a tenth of the sites."""
    x = np.tile(FRAME.reference, (n, 1)).astype(np.uint8)
    changed = rng.random(n) < share
    residues = rng.integers(1, 20, x[changed].shape)
    x[changed] = np.where(rng.random(x[changed].shape) < 0.1, residues, x[changed])
    return np.pad(x, ((0, 0), (0, LENGTH - x.shape[1])))


def population_of(real: list[np.ndarray], made: list[np.ndarray], month: list[float]) -> Population:
    k, tokens = len(real), {"real": real, "generated": made, "embedded": real}
    placed = {side: [FRAME.place(x) for x in some] for side, some in tokens.items()}
    counts = {side: np.stack([site_counts(FRAME, x) for x in some]) for side, some in placed.items()}
    z = np.zeros((k, SiteModel.latent_dim))
    return Population(np.arange(k), np.array(month), np.zeros(k, bool), z, tokens, placed, counts)


def keys_for(found: Population, part: str = "test") -> Keys:
    names = np.array([f"g{i}" for i in found.group])
    return Keys(names, names, found.month, np.full(len(names), part, object))


def test_a_month_of_many_sequences_weighs_as_much_on_both_sides(store):
    """The same laws on both sides: values are their targets, however many real sequences a month has."""
    rng = np.random.default_rng(0)
    share, sizes = [0.1, 0.9, 0.9], [900, 40, 40]
    found = population_of(
        [drawn(s, n, rng) for s, n in zip(share, sizes, strict=True)], [drawn(s, 60, rng) for s in share], [0, 1, 2]
    )
    metrics = novelty(Context(None, store, config(), 0), found, keys_for(found), FRAME)
    identity = metrics["novelty/identity"]
    assert identity["value"] == pytest.approx(identity["target"], abs=0.01)
    assert identity["value"] < 0.97  # of all real sequences together it were .99
    # groups are drawn again, of which there are three, and not sequences
    assert identity["ci"][1] - identity["ci"][0] > 0.03


def test_copies_are_looked_for_among_sequences_without_a_missing_letter(store):
    """A training sequence of which a token is missing is no copy, and no new one."""
    known = np.concatenate([store.read(g) for g in store.select(split="train")])
    copies, unknown = known[(known <= store.alphabet.known).all(1)][:6], store.alphabet.known + 1
    blurred = copies.copy()
    blurred[:, 3] = unknown
    found = population_of([np.concatenate([copies, blurred])], [copies], [0])
    ctx = Context(None, store, config(), 0)
    metric = novelty(ctx, found, keys_for(found), FRAME)["novelty/copies"]
    assert metric["value"] == metric["target"] == 1 and not ctx.left
    for real, made in ((blurred, copies), (copies, blurred)):
        found = population_of([real], [made], [0])
        assert "novelty/copies" not in novelty(ctx, found, keys_for(found), FRAME)
    assert [name for name, _ in ctx.left] == ["novelty/copies"] * 2


def test_groups_of_which_nothing_is_generated_are_left_out(store):
    rng = np.random.default_rng(0)
    real = [drawn(0.5, n, rng) for n in (30, 2, 30)]
    found = population_of(real, [drawn(0.5, 10, rng), drawn(0.5, 0, rng), drawn(0.5, 10, rng)], [0, 0, 1])
    assert both_sides(found, keys_for(found)).tolist() == [0, 2]
    assert both_sides(found, keys_for(found, "train")).tolist() == []
    ctx = context(config()["evaluation"] | {"scored": 1}, model=SiteModel(), store=store)
    with torch.no_grad():
        metrics = likelihoods(ctx, found, keys_for(found))
    assert metrics["perplexity/model"]["n"] == 1 and metrics["perplexity/model"]["ci"] is None and not ctx.left


def test_the_month_before_is_no_earlier_one():
    months, real = np.array([1.0, 2.0, 12.0]), np.array([[0.1], [0.2], [0.3]])
    assert month_before(months, real, np.array([0.7]))[:, 0].tolist() == [0.7, 0.1, 0.7]


def test_an_interval_draws_the_groups_of_its_months():
    """Two groups of one month among many of others: none of the draws is without them."""
    rng = np.random.default_rng(0)
    real = [drawn(0.0, 20, rng) for _ in range(8)]
    found = population_of(real, [drawn(1.0, 20, rng) for _ in range(8)], [*range(6), 6, 6])
    varied = np.argwhere(found.counts["generated"].sum(0) > 0)
    shares = Shares(found, [(int(s), int(t)) for s, t in varied if t != FRAME.reference[s]])

    def score(made: np.ndarray, truth: np.ndarray) -> float:
        return average(made[shares.months == 6], truth[shares.months == 6])

    value = score(shares.by_month("generated"), shares.by_month("real"))
    ctx = context({"bootstrap": 100})
    low, high = interval(ctx, shares, score, value, np.array([6.0]), (0.0, 1.0))
    assert 0.5 * value < low <= value <= high
    assert interval(ctx, shares, score, value, np.array([1.0]), (0.0, 1.0)) is None


def test_the_baseline_of_sites_counts_months_alike(store):
    """A month with most of the training sequences is one month; the truth is a mean over months, too."""
    rng = np.random.default_rng(0)
    real = [drawn(share, 300, rng) for share in (0.0, 1.0)]
    found = population_of(real, real, [0, 1])
    many = np.stack([40 * found.counts["real"][0], found.counts["real"][1]])
    metrics, _ = sites(Context(None, store, config(keys="all"), 0), found, FRAME, many, np.array([0.0, 1.0]))
    assert metrics["sites/pearson"]["baselines"]["training"] == pytest.approx(1.0)
    assert metrics["sites/pearson"]["protocol"] == "all_keys"
    months, counts = training_counts(store, keys_of(store), FRAME, 10**6)
    trained = store.select(split="train")
    assert months.tolist() == sorted(set(keys_of(store).month[trained]))
    assert counts.sum((0, 2)).max() <= store.sizes[trained].sum() and counts.sum() > 0


def test_a_large_group_is_embedded_in_parts_and_alike(store, monkeypatch):
    built = {"encoder": {"kind": "dna_conv", "hidden": 4, "layers": 2, "readout": "positions"}, "latent_dim": 3}
    built |= {
        "generator": {"kind": "gpt", "hidden": 8, "layers": 1},
        "tokens": {"alphabet": "protein", "length": LENGTH},
    }
    model = GDE(built, mean=[0.0] * LENGTH, scale=[1.0] * LENGTH).eval()
    rows = np.arange(40)
    whole, sizes = embedding.embed_rows(model, store, rows), []

    def read(store, rows):
        sizes.append(len(rows))
        return read_rows(store, rows)

    monkeypatch.setattr(embedding, "default_rows", lambda model: 16)
    monkeypatch.setattr(embedding, "read_rows", read)
    parts = embedding.embed_rows(model, store, rows)
    np.testing.assert_allclose(parts, whole, rtol=1e-4, atol=1e-5)
    assert max(sizes) == 16 and np.abs(whole).max() > 1e-3
