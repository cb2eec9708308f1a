"""Drivers: which features, and which samples, carry the difference of two groups."""

import numpy as np
import pandas as pd
import pytest
import tiny
import torch
from scipy.stats import binom, ttest_ind
from simulators.planted_genes import simulate_planted

import gde
from gde.cli import main
from gde.errors import GdeError
from gde.evaluate.shared.kmers import kmer_profile
from gde.model import GDE
from gde.sets.store.set_store import SetStore
from gde.sets.store.token_writer import TokenStoreWriter
from gde.sets.types import sample_type
from gde.sets.types.alphabet import ALPHABETS
from gde.tl.driver_features import feature_table, in_words
from gde.tl.driver_samples import COLUMN, carriers, sample_table
from gde.tl.moments import Moments
from gde.tl.readouts import Residues
from gde.tl.shifts import Shift, model_error, relative_error
from gde.tl.sides import read_sides

DIM = 3


class Around(torch.nn.Module):
    """A generator of normal samples around the embedding."""

    def sample(self, z, n, *, generator=None):
        return z[:, None] + torch.randn(len(z), n, z.shape[1], generator=generator)


@pytest.fixture(scope="module")
def exact() -> GDE:
    """A model whose embedding is the mean of the samples, and that generates samples of this mean."""
    config = tiny.experiment({"encoder": {"kind": "mean"}, "latent_dim": DIM}) | {"run": "tiny-00000000"}
    model = GDE(config, mean=torch.zeros(DIM), scale=torch.ones(DIM)).eval()
    with torch.no_grad():
        model.encoder.out.weight.copy_(torch.eye(DIM))
        model.encoder.out.bias.zero_()
    model.generator = Around()
    return model


def store(path, sets, **columns) -> SetStore:
    """A store of the test split with groups g0, g1, ... and columns of them."""
    made = tiny.store_of([x.astype(np.float32) for x in sets], path)
    for name, values in columns.items():
        made.groups[name] = values
    return made


def sides_of(model, made, *arguments, **options):
    """Sides of a store that is open: its columns need not be on disk."""
    from unittest import mock

    with mock.patch.object(SetStore, "open", lambda path: made):
        return read_sides(model, made.path, *arguments, **options)


def test_an_exact_model_decodes_the_pseudobulk_shift(exact, tmp_path, no_fsync):
    """Where the embedding is the mean, the decoded shift is Welch's: same value, error and degrees of freedom."""
    rng = np.random.default_rng(0)
    sets = [rng.normal(0, 1, (40, DIM)), rng.normal([1, 0, -0.5], [2, 1, 1], (15, DIM))]
    table = feature_table(exact, sides_of(exact, store(tmp_path / "s", sets), "g0", "g1"), draws=4000, n=8)
    table = table.sort_values("feature")
    welch = ttest_ind(sets[1], sets[0], equal_var=False)
    np.testing.assert_allclose(table["decoded_shift"], sets[1].mean(0) - sets[0].mean(0), atol=1e-5)
    np.testing.assert_allclose(table["pseudobulk_shift"], table["decoded_shift"], atol=1e-5)
    np.testing.assert_allclose(table["pseudobulk_p_value"], welch.pvalue, rtol=1e-4)
    np.testing.assert_allclose(np.log(table["p_value"]), np.log(welch.pvalue), rtol=0.08)
    low, high = welch.confidence_interval()
    np.testing.assert_allclose(table["lower"], low, atol=0.06)
    np.testing.assert_allclose(table["upper"], high, atol=0.06)
    assert table.attrs["correlation"] == pytest.approx(1, abs=1e-4)
    assert "little" not in in_words(table)
    table.attrs["correlation"] = 0.3
    assert "generates little of the observed difference" in in_words(table)
    np.testing.assert_allclose(table["decoded_spread"], 0, atol=1e-4)  # that it cannot generate


@pytest.mark.parametrize("sizes", [(6, 6), (5, 40)], ids=["few", "unequal"])
@pytest.mark.parametrize("units", ["samples", "donors"])
def test_intervals_hold_their_level_where_nothing_differs(exact, tmp_path, no_fsync, sizes, units):
    """19 in 20 intervals of a feature that does not differ hold zero, as chance allows."""
    rng, inside, repeats = np.random.default_rng(1), 0, 60
    groups = sum(sizes) if units == "donors" else 2
    made = store(tmp_path / "s", [np.zeros((n, DIM)) for n in ([4] * groups if units == "donors" else sizes)])
    made.groups["disease"] = np.repeat(["well", "ill"], sizes) if units == "donors" else "none"
    names = ("well", "ill", "group", "disease") if units == "donors" else ("g0", "g1", None, None)
    sides = sides_of(exact, made, *names)
    for i in range(repeats):
        x = rng.normal(size=sides.x.shape).astype(np.float32)
        if units == "donors":  # who differ
            x += rng.normal(size=(groups, DIM)).astype(np.float32)[sides.unit]
        sides.x[:] = x
        moments = Moments(len(sides.units), DIM)
        moments.add(x.astype(float), sides.unit)
        sides.moments.__dict__.update(moments.__dict__)
        table = feature_table(exact, sides, draws=24, n=2, seed=i)
        inside += int(((table["lower"] < 0) & (table["upper"] > 0)).sum())
    low, high = binom.ppf([0.001, 0.9995], repeats * DIM, 0.95)
    assert low <= inside <= high


@pytest.mark.parametrize("wrong", [0.0, 0.4], ids=["right", "off"])
@pytest.mark.parametrize("trained_on_them", [False, True])
def test_what_the_model_gets_wrong_is_seen(wrong, trained_on_them):
    """Errors that the model makes by itself, and those that it took from the observed difference itself."""
    rng, n, ones = np.random.default_rng(0), 5000, np.ones(5000)
    chance = rng.normal(0, 0.5, n)
    true = np.where(np.arange(n) < 50, 5.0, 0.0)
    error = wrong * (chance / 0.5 if trained_on_them else rng.normal(size=n))
    decoded = Shift.of(0.5 * true + error + rng.normal(0, 0.1, n), 0.01 * ones, 20 * ones)
    observed = Shift.of(true + chance, 0.25 * ones, 20 * ones)
    assert model_error(decoded, observed, 0 * ones, ones) == pytest.approx(wrong, abs=0.12)


@pytest.mark.parametrize("others", [4, 2000], ids=["few others", "many others"])
def test_shrinking_of_large_shifts_is_seen(others):
    """By the share that the generator takes off, with the usual error known from other features, or from their own."""
    rng, n = np.random.default_rng(0), 40 + others
    true = np.where(np.arange(n) < 40, rng.choice([-3.0, 3.0], n), 0.0)
    decoded = Shift.of(0.8 * true + rng.normal(0, 0.1, n), np.full(n, 0.01), np.full(n, 20.0))
    observed = Shift.of(true + rng.normal(0, 0.2, n), np.full(n, 0.04), np.full(n, 20.0))
    right = Shift.of(true + rng.normal(0, 0.1, n), np.full(n, 0.01), np.full(n, 20.0))
    none, ones = np.zeros(n), np.ones(n)
    assert relative_error(decoded, observed, none, none, ones) == pytest.approx(0.2, abs=0.02)
    assert relative_error(right, observed, none, none, ones) < 0.04
    assert relative_error(decoded, Shift.of(none, ones, np.full(n, 20.0)), none, none, ones) == 0


def test_contributions_sum_to_the_distance_and_cancel_where_both_sides_are_alike(exact, tmp_path, no_fsync):
    """Of two kinds of samples, one of which differs, that one carries all; of a mean the first order is exact."""
    rng = np.random.default_rng(0)
    kinds = ["same", "other"]
    sets = [rng.normal(0, 0.3, (60, DIM)), rng.normal(0, 0.3, (60, DIM)), rng.normal(0, 0.3, (90, DIM))]
    sets.append(rng.normal([2, 0, 0], 0.3, (90, DIM)))
    made = store(tmp_path / "s", sets, kind=[*kinds, *kinds], side=["A", "A", "B", "B"])
    sides = sides_of(exact, made, "A", "B", "side", None, ["kind"])
    table = sample_table(exact, sides)
    assert table[COLUMN].sum() == pytest.approx(table.attrs["distance"], rel=1e-4)
    mean = [sides.x[sides.unit == u].mean(0) for u in (0, 1)]
    assert table.attrs["distance"] == pytest.approx(np.linalg.norm(mean[1] - mean[0]), rel=1e-5)
    carried = carriers(table, "kind").set_index("kind")
    assert carried["share"].sum() == pytest.approx(1)
    assert carried.loc["other", "share"] == pytest.approx(1, abs=0.1)
    assert carried.loc["same", "lower"] < 0 < carried.loc["same", "upper"]
    assert carried.loc["other", "lower"] > 0.8 and carried.loc["other", "n_second"] == 90
    assert carried["fraction_first"].sum() == pytest.approx(1)


@pytest.mark.parametrize("weights", [False, True])
def test_moments_are_those_of_each_unit(weights):
    rng = np.random.default_rng(0)
    y, unit = rng.normal(1e6, 1, (50, 2)), rng.integers(0, 2, 50)
    w = rng.integers(1, 4, 50).astype(float) if weights else None
    moments = Moments(2, 2)
    for part in np.array_split(np.arange(50), 3):
        moments.add(y[part], unit[part], None if w is None else w[part])
    for u in (0, 1):
        own = unit == u
        given = np.ones(own.sum()) if w is None else w[own]
        np.testing.assert_allclose(moments.means()[u], np.average(y[own], axis=0, weights=given), rtol=1e-12)
        n = given.sum() ** 2 / np.square(given).sum()
        centred = np.square(y[own] - moments.means()[u])
        expected = np.average(centred, axis=0, weights=given) * n / (n - 1)
        np.testing.assert_allclose(moments.variances()[u], expected, rtol=1e-6)
    assert not weights or moments.effective()[0] < (unit == 0).sum()


# ---- sequences ----


def sequence_model(alphabet="dna", length=12) -> GDE:
    torch.manual_seed(0)
    config = tiny.experiment(
        {
            "encoder": {"kind": "dna_conv", "hidden": 8, "layers": 1},
            "generator": {"kind": "gpt", "hidden": 8, "layers": 1},
        },
        dataset={"kind": "synthetic_dna", "length": length},
        evaluation={"kind": "patterns"},
    )
    config["tokens"] = {"alphabet": alphabet, "length": length}
    return tiny.perturb(GDE(config, mean=torch.zeros(length), scale=torch.ones(length)))


def tokens_of(rng, n, length=12, shortest=12):
    tokens = rng.integers(1, 5, (n, length)).astype(np.uint8)
    for row, end in zip(tokens, rng.integers(shortest, length + 1, n), strict=True):
        row[end:] = 0
    return tokens


@pytest.mark.parametrize("shortest", [12, 7], ids=["aligned", "ragged"])
def test_sequences_are_read_as_kmers_and_residues_at_positions(shortest):
    tokens, model = tokens_of(np.random.default_rng(0), 60, shortest=shortest), sequence_model()
    readout = Residues(model, tokens, 2)
    values = pd.DataFrame(readout(tokens), columns=readout.names)
    one = kmer_profile(tokens[:1], 2, 4)
    assert values.loc[0, "AC"] == pytest.approx(one[1]) and len([n for n in values if ":" not in n]) == 16
    assert any(":" in name for name in values) == (shortest == 12)
    if shortest == 12:
        np.testing.assert_array_equal(values["3:G"], tokens[:, 2] == 3)


def library(path, alphabet="dna", length=12, n=80):
    """Two groups of sequences; those of the second have TTT at their third residue."""
    rng = np.random.default_rng(0)
    tokens = tokens_of(rng, 2 * n, length)
    tokens[n:, 2:5] = ALPHABETS[alphabet].encode("TTT")
    with TokenStoreWriter(path, alphabet=alphabet, length=length, seed=0, fields={"weight": "float32"}) as writer:
        writer.write(tokens, np.repeat([0, 1], n), weight=rng.integers(1, 4, 2 * n))
        writer.finish(pd.DataFrame({"group": ["g0", "g1"], "split": "test"}), {"kind": "query", "data": "simulated"})
    return SetStore.open(path)


class FromThirdResidue(torch.nn.Module):
    """A generator of random sequences with TTT where the embedding lies on one side."""

    BEGINS = False

    def sample(self, z, n, *, generator=None):
        tokens = torch.randint(1, 5, (len(z), n, 12), generator=generator, dtype=torch.uint8)
        chance = torch.rand(len(z), n, 1, generator=generator) < z[:, :1, None].sigmoid()
        tokens[:, :, 2:5] = torch.where(chance, torch.full_like(tokens[:, :, 2:5], 4), tokens[:, :, 2:5])
        return tokens


def test_planted_residues_come_out_on_top(tmp_path, no_fsync):
    model, made = sequence_model(), library(tmp_path / "s")
    model.generator = FromThirdResidue()
    sides = sides_of(model, made, "g0", "g1", k=3)
    with torch.no_grad():
        from gde.embed import encode_sets

        z = encode_sets(model, [sides.of(0), sides.of(1)], 1000)
    model.encoder.register_forward_hook(lambda m, i, z: z)
    sign = np.sign(z[1, 0] - z[0, 0])
    model.generator.sample = _steep(model.generator.sample, float(z[:, 0].mean()), float(4000 * sign))
    table = feature_table(model, sides, n=400, draws=16)
    assert set(table["feature"].head(4)) == {"TTT", "3:T", "4:T", "5:T"}
    assert (table["fdr"].head(4) < 0.05).all() and (table["pseudobulk_fdr"].head(4) < 0.05).all()
    assert "decoded_spread" not in table and "log2_ratio" not in table
    assert table.attrs["unit"] == "frequency" and "up: " in in_words(table)
    samples = sample_table(model, sides)
    assert samples["sequence"].str.len().eq(12).all() and samples["weight"].groupby(samples["side"]).sum().eq(1).all()


def _steep(sample, middle, slope):
    return lambda z, n, generator=None: sample((z - middle) * slope, n, generator=generator)


# ---- cells ----


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    """Cells of 12 donors, a model of them that was not trained, and both on disk."""
    root = tmp_path_factory.mktemp("cells")
    data = tiny.cells()
    data.obs["disease"] = np.where(data.obs["donor"].str[-1].astype(int) % 2 == 0, "well", "ill")
    data.write_h5ad(root / "cells.h5ad")
    config = tiny.cells_experiment(root / "cells.h5ad") | {"run": "cells-00000000"}
    model = tiny.model_for(tiny.prepare(config, root / "sets"), config)
    model.save(root / "model")
    return root, data, GDE.load(root / "model")


FEW = {"n": 16, "draws": 8}


def test_a_file_and_data_in_memory_give_the_same_in_any_order(cells):
    root, data, model = cells
    pair = ("D00|T", "D03|B", ["donor", "cell_type"])
    mixed = data[np.random.default_rng(0).permutation(data.n_obs)].copy()
    tables = [gde.tl.drivers(given, *pair, model=model, **FEW) for given in (root / "cells.h5ad", data)]
    pd.testing.assert_frame_equal(*tables)
    pd.testing.assert_frame_equal(data.uns["gde_drivers"], tables[0])
    one, two = (gde.tl.contributions(given, *pair, model=model) for given in (data, mixed))
    np.testing.assert_allclose(data.obs[COLUMN], mixed.obs[COLUMN].reindex(data.obs_names), rtol=1e-3, atol=1e-6)
    chosen = (data.obs["donor"].astype(str) + "|" + data.obs["cell_type"].astype(str)).isin(pair[:2])
    assert (data.obs[COLUMN].notna() == chosen).all() and len(one) == len(two) == chosen.sum()


def test_observed_shifts_are_those_of_log_normalised_counts(cells):
    _, data, model = cells
    table = gde.tl.drivers(data, "well", "ill", "donor", "disease", model=model, **FEW).set_index("feature")
    x = data.X.toarray()
    x = pd.DataFrame(np.log1p(1e4 * x / x.sum(1, keepdims=True)), data.obs_names, data.var_names)
    donors = x.groupby([data.obs["disease"], data.obs["donor"]], observed=True).mean()
    welch = ttest_ind(donors.loc["ill"], donors.loc["well"], equal_var=False)
    np.testing.assert_allclose(table["pseudobulk_p_value"][data.var_names], welch.pvalue, rtol=1e-3)
    np.testing.assert_allclose(table["log2_ratio"], table["decoded_shift"] / np.log(2))
    assert table.attrs["n_units"] == [6, 6] and table.attrs["unit"] == "log1p of counts per 10,000"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("D00", "D99", "donor"), "group 'D99': found no such group"),
        (("D00", "D00", "donor"), "the same name twice"),
        (("D00", "D01"), "groupby: found nothing"),
        (("well", "ill", "donor", "donor"), "columns other than 'donor'"),
        (("T", "B", "donor", "cell_type"), "found T, B inside 'D00'"),
        (("well", "sick", "donor", "disease"), "column 'disease': found no 'sick'"),
        (("D00", "D01", "doner"), "doner"),
    ],
)
def test_mistakes_are_told(cells, arguments, said):
    _, data, model = cells
    with pytest.raises(GdeError, match=said):
        gde.tl.drivers(data, *arguments, model=model, **FEW)


def test_groups_of_another_split_and_columns_of_the_file_are_told(cells):
    root, _, model = cells
    groups = SetStore.open(root / "sets").groups
    trained = groups["group"][groups["split"] == "train"].iloc[0]
    other = groups["group"][groups["split"] == "test"].iloc[0]
    with pytest.raises(GdeError, match="samples in train only"):
        gde.tl.drivers(root / "sets", trained, other, model=model, **FEW)
    assert len(gde.tl.drivers(root / "sets", trained, other, model=model, split=None, **FEW)) == 30
    with pytest.raises(GdeError, match="found no column 'disease'"):
        gde.tl.drivers(root / "sets", "well", "ill", "donor", "disease", model=model, **FEW)
    with pytest.raises(GdeError, match="totals: found"):
        gde.tl.drivers(root / "sets", trained, other, model=model, totals="n", **FEW)


def test_models_of_texts_and_of_other_k_mers_refuse(tmp_path, no_fsync):
    model = sequence_model()
    with pytest.raises(GdeError, match="1 to 6 for dna"):
        Residues(model, tokens_of(np.random.default_rng(0), 20), 9)
    model.sample_type = sample_type("text", (12,))
    with pytest.raises(GdeError, match="one of cells, tables, or DNA or protein sequences"):
        read_sides(model, tmp_path / "x.csv", "a", "b")


def test_the_command_prints_writes_and_draws(cells, tmp_path, capsys):
    root, _, _ = cells
    outs = {name: tmp_path / name for name in ("f.tsv", "s.csv", "p.png")}
    said = ["--groupby", "donor", "--by", "disease", "--over", "cell_type", "-n", "16", "--draws", "8", "--top", "5"]
    files = ["-o", outs["f.tsv"], "--samples", outs["s.csv"], "--plot", outs["p.png"]]
    given = [root / "model", root / "cells.h5ad", "well", "ill", *said, *files]
    assert main(["drivers", *map(str, given)]) == 0
    shown = capsys.readouterr().out
    assert "ill against well: " in shown and "and 25 more" in shown and "share" in shown
    assert len(pd.read_csv(outs["f.tsv"], sep="\t")) == 30
    assert {"cell_type", COLUMN} <= {*pd.read_csv(outs["s.csv"])}
    assert outs["p.png"].read_bytes()[1:4] == b"PNG"
    assert main(["drivers", *map(str, [*given[:4], "--plot", tmp_path / "p.txt"])]) == 2
    assert "a name that ends in .png, .svg, .pdf" in capsys.readouterr().err


def test_planted_genes_come_out_on_top(tmp_path, no_fsync):
    """A model trained for seconds: 10 genes of 60 that differ in one type of cells."""
    data, planted = simulate_planted(where="type", change=2.0, planted=10, donors=12, cells=40, genes=60)
    about = {"labels": ["disease"], "values": "counts", "results": tmp_path, "latent_dim": 8, "name": "planted"}
    parts = {"encoder": {"kind": "resnet", "hidden": 16, "layers": 1}, "generator": {"kind": "flow", "hidden": 32}}
    training = {"steps": 120, "n_sets": 8, "set_size": 32, "torch_threads": 1, "tensorboard": False}
    dataset = {"n_hvg": None, "scale": True, "n_pcs": 15, "min_size": 5}
    model = gde.train(data, ["donor"], dataset=dataset, training=training, **about, **parts)
    table = gde.tl.drivers(data, "well", "ill", "donor", "disease", model=model, n=128, draws=16)
    assert table["feature"].head(10).isin(planted).mean() >= 0.9
    called = table["fdr"] < 0.05
    assert called[~table["feature"].isin(planted)].mean() < 0.1
    samples = gde.tl.contributions(data, "well", "ill", "donor", "disease", model=model, over="cell_type")
    assert gde.tl.carriers(samples, "cell_type").iloc[0]["cell_type"] == "B"


def test_words_without_a_correlation():
    table = pd.DataFrame({"feature": ["a"], "fdr": [1.0], "decoded_shift": [0.0], "pseudobulk_fdr": [0.01]})
    table.attrs.update(first="f0", second="f1", correlation=float("nan"))
    told = in_words(table)
    assert "nan" not in told and "say nothing of the difference" in told and told.endswith("train it longer.")
