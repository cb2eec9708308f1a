"""A user's cells and tables given to a trained model: read as those of training were, and held against them."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import tiny

from gde.embed import embed_data, embed_store
from gde.errors import GdeError
from gde.export.cells import embed_cells
from gde.prepare.common.query_rows import open_rows


def people(n: int = 120, seed: int = 0) -> pd.DataFrame:
    """Six places with measurements of very different size."""
    rng = np.random.default_rng(seed)
    place = np.arange(n) % 6
    values = rng.normal(place[:, None], 1, (n, 3)) * [1.0, 10.0, 0.01] + [170.0, 1.6e9, 0.0]
    return pd.DataFrame(values, columns=["height", "time", "level"]).assign(place=[f"0{p}" for p in place])


def write(table: pd.DataFrame, path, transpose: bool = False):
    table = table.T.reset_index() if transpose else table
    if transpose:
        table.columns = ["name", *(f"s{i}" for i in range(table.shape[1] - 1))]
    if path.suffix == ".parquet":
        table.to_parquet(path, index=False)
    elif path.suffix == ".h5ad":
        x = table[["height", "time", "level"]].to_numpy()
        data = ad.AnnData(x, table[["place"]].set_axis(table.index.astype(str)))
        data.var_names = ["height", "time", "level"]
        data.write_h5ad(path)
    else:
        table.to_csv(path, sep="\t" if ".tsv" in path.name else ",", index=False)
    return path


def model_of(tmp_path, transpose: bool = False):
    dataset = {"kind": "table", "path": str(write(people(), tmp_path / "mine.csv", transpose)), "groupby": ["place"]}
    dataset["split"] = {"by": "group"}
    config = tiny.experiment(name="mine", dataset=dataset | {"transpose": transpose}, evaluation={"kind": "samples"})
    store = tiny.prepare(config, tmp_path / "sets")
    return tiny.model_for(store, config), store


@pytest.mark.parametrize("ending", ["csv", "tsv", "csv.gz", "parquet"])
def test_a_table_is_embedded_as_the_store_made_of_it(tmp_path, ending):
    model, store = model_of(tmp_path)
    path = write(people().assign(more=1.0), tmp_path / f"new.{ending}")
    found, (z, se) = embed_data(model, path, "place"), embed_store(model, store)
    order = store.groups["group"].argsort()
    assert found.obs_names.tolist() == sorted(store.groups["group"])
    np.testing.assert_allclose(found.X, z[order], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(found.layers["se"], se[order], rtol=1e-3, atol=1e-4)


def test_an_h5ad_is_taken_where_its_numbers_are_fine_enough(tmp_path):
    """They are read as float32, in which times of today have steps of two minutes."""
    model, store = model_of(tmp_path)
    path = write(people(), tmp_path / "new.h5ad")
    with pytest.raises(GdeError, match=r"'time' in steps of 128 \(float32\), .*standard deviation.*give a table"):
        embed_data(model, path, "place")
    dataset = model.config["dataset"] | {"path": str(tmp_path / "mine.csv"), "features": ["height", "level"]}
    config = tiny.experiment(name="mine", dataset=dataset, evaluation={"kind": "samples"})
    store = tiny.prepare(config, tmp_path / "without")
    found = embed_data(model := tiny.model_for(store, config), path, "place")
    z = embed_store(model, store)[0][store.groups["group"].argsort()]
    np.testing.assert_allclose(found.X, z, rtol=1e-3, atol=1e-3)


def test_a_transposed_table_is_read_turned(tmp_path):
    model, store = model_of(tmp_path, transpose=True)
    found = embed_data(model, write(people(), tmp_path / "new.csv", transpose=True), "place")
    np.testing.assert_allclose(found.X, embed_store(model, store)[0][store.groups["group"].argsort()], rtol=1e-4)


def test_rows_of_a_table_are_cells(tmp_path):
    model, _ = model_of(tmp_path)
    path = write(people(), tmp_path / "new.csv")
    each = embed_cells(model, path, "place")
    assert (
        each.obs_names.tolist() == [str(i + 1) for i in range(120)]
        and each.obs["set"].tolist() == each.obs["place"].tolist()
    )
    assert embed_data(model, path).obs["n_samples"].tolist() == [120]


CHANGES = {
    "a feature is missing": (lambda t: t.drop(columns="level"), "columns: found no 'level'"),
    "text among numbers": (lambda t: t.assign(level=["low", *t["level"][1:]]), "row 1, column level: found 'low'"),
    "a group is missing": (
        lambda t: t.assign(place=["", *t["place"][1:]]),
        "column place: found a missing value",
    ),
    "whole numbers": (
        lambda t: pd.concat([t.round(0).astype({"height": int, "time": int, "level": int})] * 4),
        "0% of numbers with a fraction, expected 100% as in training",
    ),
}


@pytest.mark.parametrize(("change", "said"), CHANGES.values(), ids=CHANGES)
def test_a_table_unlike_that_of_training_is_refused(tmp_path, change, said):
    model, _ = model_of(tmp_path)
    with pytest.raises(GdeError, match=said):
        embed_data(model, write(change(people()), tmp_path / "new.csv"), "place")


@pytest.mark.parametrize(("factor", "told"), [(1.0, False), (0.01, True), (10.0, True)])
def test_other_units_are_told(tmp_path, caplog, factor, told):
    model, _ = model_of(tmp_path)
    table = people(seed=1)
    table["height"] *= factor
    embed_data(model, write(table, tmp_path / "new.csv"), "place")
    assert ("1 of 3 features lie more than 10 standard deviations" in caplog.text) == told
    assert ("height; are they in the same units?" in caplog.text) == told


@pytest.mark.parametrize("options", [{"layer": "counts"}, {"use_raw": True}])
def test_a_table_has_no_layers(tmp_path, options):
    model, _ = model_of(tmp_path)
    with pytest.raises(GdeError, match=r"--layer, --use-raw: found .*a table"):
        embed_data(model, tmp_path / "mine.csv", "place", **options)


def test_totals_are_of_counts(tmp_path):
    model, _ = model_of(tmp_path)
    with pytest.raises(GdeError, match="--totals: found 'n' with a model of values: scaled"):
        embed_data(model, tmp_path / "mine.csv", "place", totals="n")


@pytest.fixture
def cells_model(cells_store, cells_h5ad):
    return tiny.model_for(cells_store, tiny.cells_experiment(cells_h5ad))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (lambda n: ["x"] * n, r"row 0 \(cell\d+\), column n: found 'x', expected a total above 0"),
        (lambda n: [10.0] * (n - 1) + [0.0], "column n: found 0.0"),
        (lambda n: [np.nan] * n, "column n: found nan"),
        (lambda n: [1.0] * n, r"row 0 \(cell\d+\): found a total of 1 for \d+ counts"),
    ],
)
def test_totals_that_cannot_be_are_refused(cells_model, values, said):
    data = tiny.cells()
    data.obs["n"] = values(data.n_obs)
    with pytest.raises(GdeError, match=said):
        embed_data(cells_model, data, "donor", totals="n")


@pytest.mark.filterwarnings("ignore:Variable names are not unique")
@pytest.mark.parametrize("kind", ["h5ad", "donors", "tenx", "perturb_seq"])
def test_genes_of_one_name_are_added_up_where_training_did(cells_model, kind, monkeypatch, caplog):
    """Elsewhere they are refused, as they were in training."""
    data = tiny.cells()
    expected = embed_data(cells_model, data, "donor").X
    x = data.X.toarray()
    half = np.floor(x[:, 3] / 2)
    parts = np.concatenate([x, half[:, None]], 1)
    parts[:, 3] -= half
    twice = ad.AnnData(sp.csr_matrix(parts), data.obs, pd.DataFrame(index=[*data.var_names, "gene3"]))
    monkeypatch.setitem(cells_model.config, "dataset", cells_model.config["dataset"] | {"kind": kind})
    if kind in ("h5ad", "donors"):
        with pytest.raises(GdeError, match="the name 'gene3' more than once"):
            embed_data(cells_model, twice, "donor")
        return
    np.testing.assert_allclose(embed_data(cells_model, twice, "donor").X, expected, rtol=1e-4, atol=1e-5)
    assert "genes of one name are added up, as in training: gene3" in caplog.text
    with open_rows(cells_model, twice, [], layer=None, use_raw=False) as rows:
        assert rows.var_names == list(data.var_names)


def test_chosen_genes_of_normalised_cells_need_no_equal_totals(tmp_path):
    """Those of a file of all genes are checked; of some they differ by nature."""
    rng = np.random.default_rng(0)
    data = tiny.cells()
    x = data.X.toarray()
    data.X = sp.csr_matrix((x / x.sum(1, keepdims=True) * 1e4).astype(np.float32))
    data.write_h5ad(tmp_path / "cells.h5ad")
    dataset = {"values": "normalised", "n_hvg": 3}
    config = tiny.cells_experiment(tmp_path / "cells.h5ad")
    config["dataset"] |= dataset | {"n_pcs": 2}
    model = tiny.model_for(tiny.prepare(config, tmp_path / "sets"), config)
    part = data[:, model.features.names].copy()
    part.X = part.X.multiply(rng.uniform(0.05, 1.0, (part.n_obs, 1))).tocsr()  # totals twentyfold apart
    assert embed_data(model, part, "donor").n_obs == 12
    whole = data.copy()
    whole.X = data.X.multiply(rng.uniform(0.05, 1.0, (part.n_obs, 1))).tocsr()
    with pytest.raises(GdeError, match="totals that differ"):
        embed_data(model, whole, "donor")
