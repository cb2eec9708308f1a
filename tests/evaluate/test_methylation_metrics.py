"""Metrics of methylation: scores of reads by hand, models with known answers, tissues told from what differs only."""

import numpy as np
import pytest
import torch
from fakes import context
from methylated import CONTEXT, CPGS, DNA, RateModel, config, embed_whole, store_of

from gde.evaluate.methylation import evaluation as methylation
from gde.evaluate.methylation.reads import add_profile, patterns
from gde.evaluate.methylation.tissues import replicates
from gde.evaluate.shared.context import Context
from gde.evaluate.shared.held_out_labels import mean_f1
from gde.evaluate.shared.metrics import check
from gde.evaluate.shared.tables import write_tables


@pytest.fixture(autouse=True)
def embedded(monkeypatch):
    """`embed_store` streams through stages that these models do not have."""
    monkeypatch.setattr("gde.evaluate.methylation.views.embed_store", embed_whole)


def test_scores_of_reads_by_hand():
    rows = ["CCCC", "TTTT", "CTNC", "CT", "NNNC", "CCTT"]
    tokens = DNA.pad(["A" * CONTEXT + row for row in rows], CONTEXT + CPGS)
    weight = np.array([1, 2, 1, 1, 1, 3])
    found = patterns(tokens, CONTEXT, weight)
    assert found.methylated.tolist() == [4, 0, 2, 1, 1, 2] and found.known.tolist() == [4, 4, 3, 2, 1, 4]
    assert found.rate == pytest.approx((4 + 0 + 2 + 1 + 1 + 6) / (4 + 8 + 3 + 2 + 1 + 12))
    assert found.concordance == pytest.approx((1 + 2) / (1 + 2 + 1 + 3))  # of reads of three or more
    share = np.array([1, 2, 3]) / 6  # CCCC, TTTT, CCTT
    assert found.entropy == pytest.approx(-(share * np.log2(share)).sum() / 4)
    assert found.valid.all() and found.levels(2).tolist() == [2 / 9, 7 / 9]


@pytest.mark.parametrize("row", ["ACGTAC", "ACGTACNN", "ACGTACCGT", "ACGTAC" + "A"])
def test_what_is_no_read_is_not_valid(row):
    assert not patterns(DNA.pad([row], CONTEXT + CPGS), CONTEXT).valid[0]


def test_scores_that_reads_do_not_have_are_none():
    found = patterns(DNA.pad(["A" * CONTEXT + "CT"], CONTEXT + CPGS), CONTEXT)
    assert found.concordance is None and found.entropy is None and found.rate == 0.5


def test_a_profile_counts_every_cpg_in_its_region():
    tokens = DNA.pad(["A" * CONTEXT + "CTNC", "A" * CONTEXT + "TT"], CONTEXT + CPGS)
    profile = np.zeros((2, 3))
    add_profile(profile, tokens, np.array([2.0, 1.0]), np.array([9, 25]), CONTEXT, 10)  # CpGs 9..12, 25..26
    assert profile.tolist() == [[2, 2, 0], [4, 2, 2]]


def test_a_model_that_knows_is_near_the_truth(tmp_path):
    metrics, tables = methylation.evaluate(Context(RateModel(), store_of(tmp_path / "s"), config(), 0))
    check(metrics)
    (tmp_path / "tables").mkdir()
    write_tables(tmp_path / "tables", tables)
    for suffix in ("", "_coarse"):
        assert metrics[f"tissue/accuracy{suffix}"]["value"] == metrics[f"tissue/macro_f1{suffix}"]["value"] == 1.0
    assert metrics["tissue/accuracy"]["chance"] == 0.25 and metrics["tissue/accuracy_coarse"]["chance"] == 0.5
    assert metrics["replicates/nearest"]["value"] == 1.0 and metrics["replicates/separation"]["value"] > 5
    error = metrics["methylation/rate_error"]
    assert error["value"] < 0.04 and error["baselines"]["other_tissue"] > 0.3 and error["ceiling"] < 0.03
    assert metrics["methylation/valid"]["value"] == 1.0
    assert set(tables["left_out"]["group"]) == {"tissue/head_accuracy"}  # no classifier was trained


def test_a_model_that_is_blind_is_at_chance(tmp_path):
    metrics, _ = methylation.evaluate(Context(RateModel(blind=True), store_of(tmp_path / "s", samples=8), config(), 0))
    tissue, chance = metrics["tissue/accuracy"], metrics["tissue/accuracy"]["chance"]
    assert abs(tissue["value"] - chance) < 4 * np.sqrt(chance * (1 - chance) / tissue["n"])
    assert tissue["baselines"]["mean_methylation"] == 1.0  # the answer was there
    assert metrics["methylation/rate_error"]["value"] > 0.2
    assert metrics["replicates/separation"]["value"] == pytest.approx(1, abs=0.5)


def test_a_profile_tells_what_the_mean_does_not(tmp_path):
    store = store_of(tmp_path / "s", regional=True, samples=8, n=400)
    metrics, _ = methylation.evaluate(Context(RateModel(), store, config(), 0))
    found = metrics["tissue/accuracy"]["baselines"]
    assert found["mean_profile"] == 1.0 and found["mean_methylation"] < 0.8


def test_reads_held_out_are_told_apart_from_samples_held_out(tmp_path):
    metrics, tables = methylation.evaluate(
        Context(RateModel(), store_of(tmp_path / "s", by="sample", samples=2), config(), 0)
    )
    assert "tissue/held_out" in set(tables["left_out"]["group"]) and metrics["tissue/accuracy"]["n"] == 8


class HalfModel(RateModel):
    """Every second read generated has a G among its CpGs, all of whose others are methylated."""

    def sample(self, z, n, *, generator=None, given=None):
        x = super().sample(z, n, generator=generator, given=given)
        c, g = DNA.encode("CG").tolist()
        x[:, ::2, CONTEXT:] = torch.where(x[:, ::2, CONTEXT:] > 0, c, 0)
        x[:, ::2, CONTEXT] = g
        return x


def test_what_is_no_read_counts_in_no_score(tmp_path):
    metrics, _ = methylation.evaluate(Context(HalfModel(), store_of(tmp_path / "s"), config(), 0))
    assert metrics["methylation/valid"]["value"] == pytest.approx(0.5, abs=0.01)
    assert metrics["methylation/rate_error"]["value"] < 0.05


def test_a_model_without_a_read_is_wholly_wrong(tmp_path):
    model = RateModel()
    model.sample = lambda z, n, generator=None, given=None: torch.ones(1, n, CONTEXT + CPGS, dtype=torch.uint8)  # all A
    metrics, tables = methylation.evaluate(Context(model, store_of(tmp_path / "s"), config(), 0))
    assert metrics["methylation/valid"]["value"] == 0.0 and metrics["methylation/rate_error"]["value"] == 1.0
    assert not {"methylation", "sites"} & set(tables)
    assert {"methylation", "sites"} <= set(tables["left_out"]["group"])
    check(metrics)
    (tmp_path / "tables").mkdir()
    write_tables(tmp_path / "tables", tables)


class SiteModel(RateModel):
    """Whose reads are methylated as their contexts say: all CpGs behind an A, none behind another token."""

    def sample(self, z, n, *, generator=None, given=None):
        x = super().sample(z, n, generator=generator, given=given)
        a, c, t = DNA.encode("ACT").tolist()
        there = x[:, :, CONTEXT:] > 0
        x[:, :, CONTEXT:] = torch.where(x[:, :, :1] == a, c, t) * there
        return x


def test_sites_are_those_of_the_samples_own_reads(tmp_path):
    store = store_of(tmp_path / "s")
    a = DNA.encode("A")[0]
    metrics, tables = methylation.evaluate(Context(SiteModel(), store, config(generated=2000), 0))
    found = tables["sites"].query("quantity.str.startswith('rate')").set_index("label")["generated [1]"]
    for tissue in found.index:
        rows = np.flatnonzero((store.groups["tissue"] == tissue) & (store.groups["split"] == "test"))
        begins, weight = (np.concatenate([f(g) for g in rows]) for f in (store.read, store.read_weights))
        share = np.average(begins[:, 0] == a, weights=weight)
        assert found[tissue] == pytest.approx(share, abs=0.06)
    check(metrics)


def test_a_generator_that_cannot_begin_leaves_sites_out(tmp_path):
    model = RateModel()
    model.begins = False
    metrics, tables = methylation.evaluate(Context(model, store_of(tmp_path / "s"), config(), 0))
    assert not [name for name in metrics if name.startswith("sites/")] and "sites" not in tables
    assert "sites" in set(tables["left_out"]["group"])


def test_a_single_tissue_leaves_tissues_out(tmp_path):
    metrics, tables = methylation.evaluate(
        Context(RateModel(), store_of(tmp_path / "s", rates={"Blood-NK": 0.3}), config(), 0)
    )
    assert not [name for name in metrics if name.startswith("tissue/")]
    scores = {f"tissue/{score}{suffix}" for score in ("accuracy", "macro_f1") for suffix in ("", "_coarse")}
    assert scores | {"replicates", "tissue/head_accuracy"} == set(tables["left_out"]["group"])
    assert metrics["methylation/rate_error"]["value"] < 0.05


def test_f1_counts_both_errors():
    truth, said = np.array(list("aabbcc")), np.array(list("aabacb"))
    f1 = np.mean([2 * 2 / (2 + 3), 2 * 1 / (2 + 2), 2 * 1 / (2 + 1)])
    assert mean_f1(truth, said) == pytest.approx(f1)
    assert mean_f1(truth, truth) == 1.0


def test_separation_is_between_over_within():
    x = np.array([[0.0], [1.0], [10.0], [12.0]])
    names, tested = np.array(list("aabb")), np.array([True, False, True, False])
    found = replicates(context({"bootstrap": 10}), {"gde": (x, x)}, names, tested)
    assert found["replicates/separation"]["value"] == pytest.approx(np.mean([11, 9.5]) / np.mean([1, 2]))
    assert found["replicates/nearest"]["value"] == 1.0 and found["replicates/nearest"]["chance"] == pytest.approx(1 / 3)
    assert replicates(context({"bootstrap": 10}), {"gde": (x, x)}, np.array(list("abcd")), tested) == {}
