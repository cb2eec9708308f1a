"""A model that sees every site scores near the ceiling, a blind one like chance; laws of the parts."""

import numpy as np
import published
import pytest
import torch
from epidemics import (
    ANCESTOR,
    LENGTH,
    MONTHS,
    NEW,
    PROTEIN,
    SITES,
    BlindModel,
    SiteModel,
    config,
    epidemic_store,
    sequences,
    share,
)
from fakes import context

from gde.config.evaluations import EVALUATIONS
from gde.errors import GdeError
from gde.evaluate.epidemic import readout as epidemic_readout
from gde.evaluate.epidemic.evaluation import evaluate
from gde.evaluate.epidemic.frame import Frame
from gde.evaluate.epidemic.generated import copies, nearest
from gde.evaluate.epidemic.population import population, shared_out
from gde.evaluate.epidemic.readout import readouts, reduced
from gde.evaluate.epidemic.sets import Keys, Sets, cut_sets, keys_of, views_of
from gde.evaluate.shared.context import Context
from gde.evaluate.shared.metrics import check
from gde.evaluate.shared.tables import check_table
from gde.model import GDE


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return epidemic_store(tmp_path_factory.mktemp("epidemic") / "sets")


@pytest.fixture(scope="module")
def found(store):
    """Metrics and tables of the model that sees all sites, and of the blind one."""
    with torch.no_grad():
        return [evaluate(Context(model, store, config(), 0)) for model in (SiteModel(), BlindModel())]


def frame():
    return Frame(ANCESTOR, PROTEIN)


def value(found, which, metric):
    return found[which][0][metric]["value"]


def test_every_metric_is_there_and_finite(found):
    for metrics, tables in found:
        assert set(metrics) == set(EVALUATIONS["epidemic"].metrics)
        check(metrics)
        for name, table in tables.items():
            check_table(name, table)
        assert set(tables) == {"months", "sweeps", "sites", "future", "embedding", "left_out"}
        assert all(m["ci"][0] <= m["ci"][1] for m in metrics.values())
        for name in metrics:
            if name.startswith(("sweeps", "sites", "extrapolation/distance")):
                low, high = metrics[name]["ci"]
                assert low <= metrics[name]["value"] <= high, name


def test_month_and_country_are_read_by_who_sees_them(found):
    month = found[0][0]["month/mae"]
    assert month["value"] < 1.0 < month["baselines"]["median"]
    assert month["value"] < month["baselines"]["single_sequence"]
    assert set(month["baselines"]) == {"single_sequence", "kmers", "sites", "median"}
    assert value(found, 1, "month/mae") > 2 * month["value"]
    country = found[0][0]["country/accuracy"]
    assert country["value"] > 0.8 > 0.5 > country["chance"]
    assert value(found, 1, "country/accuracy") < 0.5
    assert value(found, 0, "month/mae_future") > month["value"]  # no month so late was ever seen


def test_sweeps_are_those_of_the_simulation(found):
    for name in ("named_error", "error", "largest_error"):
        metric = found[0][0][f"sweeps/{name}"]
        assert metric["value"] < 3 * metric["ceiling"] < value(found, 1, f"sweeps/{name}")
    assert value(found, 0, "sweeps/pearson") > 0.97 > 0.1 > value(found, 1, "sweeps/pearson")
    assert value(found, 0, "sites/pearson") > 0.97
    table = found[0][1]["sweeps"]
    real = table[(table["label"] == "D14G") & (table["source"] == "real")]
    truth = [share(14, m) for m in real["month [months]"]]
    np.testing.assert_allclose(real["share [share of sequences]"], truth, atol=0.2)
    assert {"D14G", "D30G", "D45G"} <= set(table["label"])


def test_held_out_groups_are_compared_with_sequences_that_were_not_embedded(store):
    """But where all groups are looked at: most of them trained."""
    keys, made = keys_of(store), {}
    for which in ("held_out", "all"):
        ctx = Context(SiteModel(), store, config(keys=which), 0)
        with torch.no_grad():
            made[which] = population(ctx, keys, np.zeros((len(store), SiteModel.latent_dim)), frame())
    apart, same = made["held_out"], made["all"]
    for i, g in enumerate(apart.group):
        both = np.concatenate([apart.tokens["embedded"][i], apart.tokens["real"][i]])
        assert sorted(map(bytes, both)) == sorted(map(bytes, store.read(int(g))))
    assert set(keys.part[apart.group]) == {"test", "future"} and len(same.group) == len(store)
    shares = np.stack([np.eye(22)[x].mean(0).ravel() for x in apart.tokens["embedded"]])
    np.testing.assert_allclose(apart.z, shares, atol=1e-6)
    assert not same.z.any() and same.tokens["embedded"] is same.tokens["real"]


def test_the_mean_of_a_language_model_is_a_baseline(store, tmp_path, monkeypatch):
    """Where the encoder has one: the mean of what it says of each sequence of a set."""
    monkeypatch.delenv("GDE_LM_CACHE", raising=False)
    esm = published.esm2(tmp_path / "esm2")
    encoder = {"kind": "protein_lm", "weights": str(tmp_path / "esm2"), "mode": "frozen", "then": {"kind": "mean"}}
    built = {"encoder": encoder, "generator": {"kind": "gpt", "hidden": 8, "layers": 1}, "latent_dim": 4}
    model = GDE(
        built | {"tokens": {"alphabet": "protein", "length": LENGTH}}, mean=[0.0] * LENGTH, scale=[1.0] * LENGTH
    )
    model.encoder.initialise()
    model.eval()
    keys, rng = keys_of(store), np.random.default_rng(0)
    sets = cut_sets(store, keys, 4, 1, 10, rng)
    views = views_of(model, store, sets, keys, frame(), 2)
    first = [published.esm_mean(esm, text) for text in PROTEIN.decode(store.gather(sets.rows[0][None])[0][0].numpy())]
    np.testing.assert_allclose(views["lm_mean"][0], torch.stack(first).mean(0), rtol=1e-4, atol=1e-4)
    metrics, _ = readouts(context({"bootstrap": 20}), views, sets, keys)
    assert set(metrics["month/mae"]["baselines"]) == {"single_sequence", "lm_mean", "kmers", "sites", "median"}


def test_what_cannot_be_told_is_said(found):
    why = dict(found[0][1]["left_out"][["group", "status"]].to_numpy())
    assert why["sweeps/named_error"] == "the consensus of 2019-12 has no D at site 614: D614G; see evaluation.reference"


def test_the_baselines_do_not_see_the_model(found):
    for metric in ("month/mae", "country/accuracy"):
        for name in ("sites", "kmers"):
            assert found[0][0][metric]["baselines"][name] == found[1][0][metric]["baselines"][name]


def test_perplexity_of_the_true_law_is_that_of_real_sequences(found):
    own = found[0][0]["perplexity/model"]
    assert own["value"] == pytest.approx(own["target"], rel=0.1) and own["value"] < 1.5 < own["chance"]
    markov = found[0][0]["perplexity/markov"]
    assert markov["value"] == pytest.approx(markov["target"], rel=0.1)
    assert value(found, 1, "perplexity/markov") < markov["target"]  # one sequence, the likeliest
    likely = found[0][0]["likelihood/token"]
    assert likely["value"] > likely["baselines"]["other_set"] > likely["baselines"]["uniform"]


@pytest.mark.parametrize("residue", [1, PROTEIN.size], ids=["short", "unknown"])
def test_sequences_without_the_sites_are_no_success(store, residue):
    """A generator that stops at once, or draws unknown tokens, agrees with nothing."""

    class Nothing(SiteModel):
        def sample(self, z, n, *, generator=None):
            out = torch.zeros(len(z), n, LENGTH, dtype=torch.uint8)
            out[..., : 3 if residue == 1 else SITES] = residue
            return out

    with torch.no_grad():
        metrics, _ = evaluate(Context(Nothing(), store, config(), 0))
    check(metrics)
    assert metrics["sweeps/named_error"]["value"] > 0.9 and metrics["sweeps/error"]["value"] > 0.2


def test_all_keys_where_few_are_held_out(store):
    with torch.no_grad():
        metrics, tables = evaluate(Context(SiteModel(), store, config(keys="all", least=48), 0))
    for name in ("sweeps/error", "sites/pearson", "novelty/identity", "likelihood/token", "perplexity/model"):
        assert metrics[name]["protocol"] == "all_keys", name
    assert tables["sweeps"]["month [months]"].nunique() == MONTHS


def test_months_without_sequences_are_left_out_and_named(store):
    with torch.no_grad():
        metrics, tables = evaluate(Context(SiteModel(), store, config(least=500), 0))
    assert not any(name.startswith(("sweeps", "sites", "novelty", "perplexity")) for name in metrics)
    assert "month/mae" in metrics and tables["left_out"]["status"].str.contains("fewer than evaluation.least").any()


def test_another_kind_of_store_is_refused(tmp_path):
    from tokens import numbered, store_of

    dna = store_of(numbered(8), np.arange(8) % 2, tmp_path / "dna")
    with pytest.raises(GdeError, match="expected one of protein sequences by country and month"):
        evaluate(Context(SiteModel(), dna, config(), 0))


def test_a_store_without_months_is_refused(tmp_path):
    import pandas as pd

    from gde.sets.store.token_writer import TokenStoreWriter

    with TokenStoreWriter(tmp_path / "s", alphabet="protein", length=LENGTH, seed=0) as writer:
        writer.write(sequences(0, 4, np.random.default_rng(0)), 0)
        writer.finish(pd.DataFrame({"group": ["a"], "split": ["train"]}), {"kind": "sequences", "data": "user"})
    from gde.sets.store.set_store import SetStore

    with pytest.raises(GdeError, match="found 'month_index', expected a column of the groups"):
        keys_of(SetStore.open(tmp_path / "s"))


# Sets, shares, what is near.


def test_sets_are_disjoint_and_of_one_key(store):
    keys, rng = keys_of(store), np.random.default_rng(0)
    sets = cut_sets(store, keys, 16, 3, 10, rng)
    assert all(len(rows) == 16 for rows in sets.rows)
    rows = np.concatenate(sets.rows)
    assert len(np.unique(rows)) == len(rows)
    for own, g in zip(sets.rows, sets.group, strict=True):
        assert own.min() >= store.starts[g] and own.max() < store.starts[g] + store.sizes[g]
    part = keys.part[sets.group]
    assert (part == "train").sum() == 10 and set(part) == {"train", "test", "future"}
    small = cut_sets(store, keys, 1000, 3, 10**6, rng)
    assert len(small.rows) == len(store)


@pytest.mark.parametrize("n, sizes", [(10, [1, 1, 1]), (7, [100, 1]), (200, [3, 130, 52, 7])])
def test_shares_sum_and_follow_the_sizes(n, sizes):
    made = shared_out(n, np.array(sizes))
    assert made.sum() == n and (np.abs(made - n * np.array(sizes) / sum(sizes)) < 1).all()


def test_identity_counts_known_sites_only():
    x = np.tile(ANCESTOR, (3, 1))
    x[1, :6] = np.where(x[1, :6] == NEW, 1, NEW)
    x[2, 6:12] = PROTEIN.size
    np.testing.assert_allclose(nearest(x, ANCESTOR[None], frame()), [1, 1 - 6 / SITES, 1])


def test_copies_are_found_among_all_training_sequences(store):
    train = np.flatnonzero((store.groups["split"] == "train").to_numpy())
    own, other = store.read(int(train[-1]))[:3], sequences(2, 3, np.random.default_rng(5), unknown=0.5)
    assert copies({"a": own, "b": other}, store)["a"].tolist() == [1, 1, 1]
    assert copies({"a": own, "b": other}, store)["b"].tolist() == [0, 0, 0]


def test_rows_of_a_group_are_left_out_together(monkeypatch):
    """Split by sample: what trains and what validates of a group. Views that tell the group and nothing else are then
    best weighed as little as can be; with a row left out alone they seemed to predict its month."""
    rng, n = np.random.default_rng(0), 30
    names = np.array([f"C{i % 3}|{i}" for i in range(n)])
    group = np.concatenate([names, names, names])
    part = np.repeat(["train", "train", "test"], n).astype(object)
    keys = Keys(group, np.array([name[:2] for name in group]), np.tile(rng.normal(size=n), 3), part)
    views = {"gde": np.tile(rng.normal(size=(n, 60)), (3, 1)), "sites": np.tile(rng.normal(size=(n, 60)), (3, 1))}
    sets = Sets([np.arange(3)] * 3 * n, np.arange(3 * n))
    found, seen = [], []

    def fitted(kind):
        true = getattr(epidemic_readout, kind)

        def fit(*arguments, groups, **options):
            seen.append(groups)
            found.append(true(*arguments, groups=groups, **options).penalty)
            return true(*arguments, groups=groups, **options)

        return fit

    for kind in ("ridge", "softmax"):
        monkeypatch.setattr(epidemic_readout, kind, fitted(kind))
    epidemic_readout.readouts(context({"bootstrap": 5}), views, sets, keys)
    assert len(found) == 4
    assert all((groups[:n] == groups[n:]).all() and len(set(groups)) == n for groups in seen)
    assert min(found[:2]) >= 10.0


def test_principal_components_keep_what_regression_sees():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(20, 500))
    fit = np.arange(12)
    a, b = reduced(x, fit), reduced(x, fit, np.arange(12, 20))
    centred = x - x[fit].mean(0)
    np.testing.assert_allclose(a @ a.T, centred[fit] @ centred[fit].T, atol=1e-6)
    np.testing.assert_allclose(b @ a.T, centred[12:] @ centred[fit].T, atol=1e-6)
