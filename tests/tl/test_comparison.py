"""Tests of all pairs of groups by the influence of samples: levels that hold, power, and the effect's interval."""

import numpy as np
import pandas as pd
import pytest
import tiny
import torch

from gde.compare import compare
from gde.errors import GdeError
from gde.influence import influence
from gde.model import GDE
from gde.sets.store.set_store import SetStore
from gde.sets.store.writer import StoreWriter
from gde.tl.comparison import Deals, _spread, compare_samples
from gde.tl.effect import effect_of


def untrained(kind: str = "resnet", dim: int = 2, **options) -> GDE:
    """A model of random weights: the test is valid for any."""
    torch.manual_seed(0)
    encoder = {"kind": kind} | ({} if kind in ("mean", "pca_mean") else {"hidden": 16}) | options
    if kind not in ("mean", "pca_mean", "kernel_mean"):
        encoder["layers"] = 1
    config = tiny.experiment({"encoder": encoder}) | {"run": "tiny-00000000"}
    return tiny.perturb(GDE(config, mean=torch.zeros(dim), scale=torch.full((dim,), 2.0)))


def store_of(path, sets: dict[str, np.ndarray], split: str = "test") -> SetStore:
    """A set store of named groups."""
    groups = pd.DataFrame({"group": list(sets), "split": split, "size": [len(x) for x in sets.values()]})
    with StoreWriter(path, groups=groups, sample_shape=(2,), seed=0) as writer:
        which = np.repeat(np.arange(len(sets)), [len(x) for x in sets.values()])
        writer.write(np.concatenate(list(sets.values())).astype(np.float32), which)
        writer.finish({"kind": "query", "data": "simulated"})
    return SetStore.open(path)


def p_values(model, sizes, *, ties=False, weights=False, change=None, repeats=300) -> np.ndarray:
    """Of pairs of sets in the middle of others that are far away, so that the reference is a mixture."""
    rng, deals, out = np.random.default_rng(0), Deals(99, 0), []
    for _ in range(repeats):
        pool = rng.normal(size=(sum(sizes), 2))
        if change is not None:
            pool[sizes[0] :] = change(pool[sizes[0] :])
        pool = (np.round(pool) if ties else pool).astype(np.float32)
        others = (rng.normal(size=(50, 2)) + 3).astype(np.float32)
        w = rng.choice([1.0, 3.0], len(pool)) if weights else None
        phi = influence(model, pool, reference=np.concatenate([pool, others]))
        a, b = np.split(phi, [sizes[0]])
        given = (None, None) if w is None else np.split(w, [sizes[0]])
        out.append(deals.test(a, b, *given)["p_value"])
    return np.array(out)


@pytest.mark.parametrize("kind", ["mean", "resnet", "gnn", "kernel_mean", "attention"])
def test_the_level_holds_everywhere(kind):
    """Shares of p-values up to a level, within four standard errors of it, in 300 tests without a difference."""
    p = p_values(untrained(kind), (15, 25))
    for level in (0.01, 0.05, 0.1, 0.5, 0.9):
        assert abs((p <= level).mean() - level) < 4 * np.sqrt(level * (1 - level) / len(p)), level


@pytest.mark.parametrize(
    "options", [{"sizes": (8, 40)}, {"sizes": (30, 30), "ties": True}, {"sizes": (12, 24), "weights": True}],
    ids=["unequal", "ties", "weights"],
)  # fmt: skip
def test_the_level_holds_of(options):
    p = p_values(untrained("mean"), **options)
    for level in (0.05, 0.1, 0.5):
        assert (p <= level).mean() < level + 4 * np.sqrt(level * (1 - level) / len(p)), level


@pytest.mark.parametrize("change", [lambda x: x + 0.8, lambda x: 2 * x], ids=["location", "scale"])
def test_different_distributions_are_told_apart(change):
    assert (p_values(untrained(), (50, 50), change=change, repeats=30) <= 0.05).mean() > 0.8


def test_as_powerful_as_embedding_anew():
    model, rng, deals, found = untrained(), np.random.default_rng(0), Deals(99, 0), []
    for k in range(40):
        a, b = rng.normal(size=(40, 2)).astype(np.float32), (rng.normal(size=(40, 2)) * 1.3 + 0.1).astype(np.float32)
        phi = influence(model, np.concatenate([a, b]))
        quick = deals.test(phi[:40], phi[40:], None, None)["p_value"]
        found.append((quick, compare(model, a, b, permutations=99, seed=k).p_value))
    quick, exact = (np.array(found) <= 0.05).mean(0)
    assert quick > exact - 0.2, (quick, exact)
    assert np.corrcoef(np.log(np.array(found)).T)[0, 1] > 0.6


def test_all_pairs_at_once(tmp_path):
    rng = np.random.default_rng(0)
    sets = {f"g{i}": rng.normal(size=(40 + i, 2)) + (2 if i == 3 else 0) for i in range(6)}
    store = store_of(tmp_path / "sets", sets | {"single": rng.normal(size=(1, 2))})
    table = compare_samples(untrained(), store)
    assert len(table) == 15 and table.attrs["left_out"] == ["single"]
    assert table.attrs["permutations"] == 999
    far = (table["first"] == "g3") | (table["second"] == "g3")
    assert far.head(5).all() and (table.loc[far, "fdr"] <= 0.05).all() and (table.loc[~far, "fdr"] > 0.05).all()
    assert (table["p_value"].diff().dropna() >= 0).all() and (table["fdr"] >= table["p_value"]).all()
    assert (table["effect_low"] <= table["effect"]).all() and (table["effect"] <= table["effect_high"]).all()
    with torch.no_grad():
        z = [
            untrained().encode(torch.from_numpy(sets[g].astype(np.float32))[None])
            for g in table.loc[0, ["first", "second"]]
        ]
    assert table.loc[0, "distance"] == pytest.approx(float((z[0] - z[1]).norm()), rel=1e-4)
    one = compare_samples(untrained(), store, reference="g3")
    assert len(one) == 5 and (one["first"] == "g3").all()
    assert compare_samples(untrained(), store, ["g0", "g3"])["p_value"].item() == 0.001


def test_pairs_of_all_sizes_share_orders_and_each_is_dealt_evenly():
    deals = Deals(4000, 0, largest=9)
    for n, m in ((2, 3), (4, 5), (1, 8)):
        (dealt,) = deals.parts(n, m)
        assert (dealt.sum(1) == n).all()
        assert np.abs(dealt.mean(0) - n / (n + m)).max() < 4 * 0.5 / np.sqrt(4000)
    assert list(deals.orders) == [9]


def test_permutations_follow_the_number_of_pairs(tmp_path):
    rng = np.random.default_rng(0)
    store = store_of(tmp_path / "sets", {f"g{i:02}": rng.normal(size=(8, 2)) for i in range(12)})
    table = compare_samples(untrained("mean"), store)
    assert len(table) == 66 and table.attrs["permutations"] == 1319
    assert 66 / (table.attrs["permutations"] + 1) <= 0.05
    repeated = compare_samples(untrained("mean"), store)
    pd.testing.assert_frame_equal(table, repeated)


def test_the_interval_holds_the_distance_of_the_distributions():
    """Of means 0.5 apart under the mean encoder, where the embedding of a distribution is known."""
    model, rng, held = untrained("mean"), np.random.default_rng(0), 0
    shift = np.array([0.5, 0.0])
    with torch.no_grad():
        ends = model.encode(torch.tensor([[[0.0, 0.0]], [[0.5, 0.0]]]))
        true = float((ends[0] - ends[1]).norm())
    for _ in range(200):
        sets = [rng.normal(size=(60, 2)).astype(np.float32), (rng.normal(size=(60, 2)) + shift).astype(np.float32)]
        phi = np.split(influence(model, np.concatenate(sets)), 2)
        with torch.no_grad():
            z = [model.encode(torch.from_numpy(x)[None])[0].numpy() for x in sets]
        found = effect_of(z[0] - z[1], _spread(phi[0], None)[1] + _spread(phi[1], None)[1], 1.0)
        held += found["effect_low"] <= true <= found["effect_high"]
    assert 0.9 <= held / 200 <= 0.99


def test_weights_are_samples():
    """Samples that stand for three pull as three: equal differences of means, and no test of fewer samples."""
    rng, model = np.random.default_rng(0), untrained("mean")
    a, b = (rng.normal(size=(n, 2)).astype(np.float32) for n in (30, 40))
    w = [rng.choice([1.0, 3.0], n) for n in (30, 40)]
    spread = _spread(influence(model, a, w[0]), w[0])
    effective = w[0].sum() ** 2 / np.square(w[0]).sum()
    np.testing.assert_allclose(spread[0], spread[1] * effective)
    p = [Deals(999, 0).test(*np.split(influence(model, np.concatenate([a, b]), v), [30]), *np.split(v, [30]))["p_value"]
         for v in (np.concatenate(w), 5 * np.concatenate(w))]  # fmt: skip
    assert p[0] == pytest.approx(p[1], abs=0.01)  # their scale is free


def test_medians_are_embedded_anew(tmp_path, caplog):
    rng = np.random.default_rng(0)
    store = store_of(tmp_path / "sets", {"a": rng.normal(size=(20, 2)), "b": rng.normal(size=(20, 2)) + 3})
    with caplog.at_level("INFO"):
        table = compare_samples(untrained("median_gnn"), store, permutations=99)
    assert "embedded anew" in caplog.text and table["p_value"].item() == 0.01 and table.attrs["exact"]


def test_samples_that_are_all_equal_show_nothing(tmp_path):
    store = store_of(tmp_path / "sets", {"a": np.ones((5, 2)), "b": np.ones((6, 2))})
    assert compare_samples(untrained(), store)["p_value"].item() == 1


def test_too_few_groups_are_refused(tmp_path):
    store = store_of(tmp_path / "sets", {"a": np.ones((5, 2)), "b": np.ones((6, 2))}, split="train")
    with pytest.raises(GdeError, match=r"split test: found 0 groups to compare.*--split all"):
        compare_samples(untrained(), store)
    with pytest.raises(GdeError, match="samples in train only"):
        compare_samples(untrained(), store, ["a", "b"])
