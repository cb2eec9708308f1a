"""A trained model takes files of the form that its training took: the file of training gives back its samples."""

import gzip
from types import SimpleNamespace

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import tiny
from simulators.pubmed import simulate_baseline

from gde.config.datasets import DATASETS, kind_of_data
from gde.embed import open_data
from gde.errors import GdeError
from gde.sets.types import sample_type


def promoters(folder, n=240, ending=".txt.gz"):
    rng = np.random.default_rng(0)
    lines = [f"{''.join(rng.choice(list('ACGT'), 20))}\t{rng.normal():.4f}\n" for _ in range(n)]
    path = folder / f"promoters{ending}"
    path.write_bytes("".join(lines).encode() if not ending.endswith(".gz") else gzip.compress("".join(lines).encode()))
    return path


def gpra(folder):
    path = promoters(folder)
    return {"kind": "gpra", "files": {"a": str(path)}, "length": 20, "quantiles": 4, "top": 1}, path


def bins(folder):
    path, rng = folder / "elements.tsv", np.random.default_rng(0)
    rows = [(f"e{i}", "".join(rng.choice(list("ACGT"), 20)), rng.normal()) for i in range(120)]
    pd.DataFrame(rows, columns=["seq_id", "seq", "mean_value"]).to_csv(path, sep="\t", index=False)
    return {"kind": "mpra_bins", "path": str(path), "length": 20, "bins": 4}, path


def pubmed(folder):
    (path,) = simulate_baseline(files=1).write(folder)
    return {"kind": "pubmed", "files": [str(path)], "min_docs": 2, "length": 64}, path


def barcodes(folder):
    path, rng = folder / "barcodes.csv", np.random.default_rng(0)
    counts = {f"{k}_count_{i}": rng.poisson(9, 240) for k in ("dna", "rna") for i in (1, 2, 3)}
    oligo = [f"o{i % 8}" for i in range(240)]
    table = pd.DataFrame({"barcode": [f"b{i}" for i in range(240)], "oligo_name": oligo, **counts})
    table.to_csv(path, index=False)
    return {"kind": "mpra_barcodes", "path": str(path), "split": {"by": "sample"}}, path


def tenx(folder):
    from test_row_orders import cell_ranger, world

    files = cell_ranger(folder, *world())
    return {"kind": "tenx", **files, "groupby": ["donor_id"], "split": {"by": "sample"}}, folder / "matrix.h5"


def screen(folder):
    from test_row_orders import world

    x, obs = world()
    symbols = pd.DataFrame({"gene_name": [f"gene{j}" for j in range(30)]}, index=[f"ENSG{j:08d}" for j in range(30)])
    path = folder / "screen.h5ad"
    ad.AnnData(sp.csr_matrix(x), obs, symbols).write_h5ad(path)
    return {"kind": "perturb_seq", "files": {"K562": str(path)}, "n_pcs": 5}, path


FORMS = {"gpra": gpra, "mpra_bins": bins, "pubmed": pubmed, "mpra_barcodes": barcodes, "tenx": tenx, "screen": screen}
COLUMNS = {"screen": ["gene"]}
OPTIONS = {"tenx": lambda dataset: {"barcodes": dataset["barcodes"]}}


def world_of(form, folder):
    """Store, model and file of a kind. Models of tokens are only read: none is built."""
    given, path = FORMS[form](folder)
    dataset = DATASETS[given["kind"]].model_validate(given).model_dump()
    config = {"name": "mine", "seed": 0, "dataset": dataset}
    store = tiny.prepare(config, folder / "sets")
    length = dataset.get("length")
    kind = kind_of_data(dataset).sample_type_of(dataset)
    if length is not None:
        own = sample_type(kind, (length,))
        return store, SimpleNamespace(config=config, dim=length, alphabet=own.alphabet, sample_type=own), path
    kind = kind_of_data(dataset).evaluation
    objective = {"objective": {"kind": "perturbation", "within": ["cell_line"]}} if kind == "perturbation" else {}
    whole = tiny.experiment(name="mine", dataset=given, evaluation={"kind": kind}, **objective)
    whole["objective"] = {"kind": "reconstruction"}  # no heads: groups are read only
    return store, tiny.model_for(store, whole), path


def samples(store, groups):
    x = np.concatenate([np.asarray(store.read(g)) for g in groups])
    return x[np.lexsort(np.round(x.astype(float), 4).T)]


@pytest.mark.parametrize("form", FORMS)
def test_the_file_of_training_gives_back_its_samples(tmp_path, form):
    store, model, path = world_of(form, tmp_path)
    dataset = model.config["dataset"]
    columns = COLUMNS.get(form) or kind_of_data(dataset).group_columns(dataset)
    options = OPTIONS.get(form, lambda _: {})(dataset)
    with open_data(model, path, columns, **options) as found:
        told = found.groups[columns[0]].astype(str)
        assert set(store.groups[columns[0]].astype(str)) <= set(told) and told.is_unique
        for name in set(store.groups[columns[0]].astype(str)):
            own = np.flatnonzero(store.groups[columns[0]].astype(str) == name)
            if form == "gpra":  # promoters that tie are none here: the same quantiles
                own = np.flatnonzero(store.groups["quantile"].astype(str) == name)
            expected, got = samples(store, own), samples(found, np.flatnonzero(told == name))
            np.testing.assert_allclose(got, expected, rtol=1e-3, atol=1e-4)
    with open_data(model, path, []) as found:
        assert len(found) == 1


def test_promoters_in_a_plain_file_of_any_name(tmp_path):
    _, model, _ = world_of("gpra", tmp_path)
    path = promoters(tmp_path, n=100, ending=".measured")
    with open_data(model, path, "quantile") as store:
        assert store.groups["quantile"].tolist() == [0, 1, 2, 3] and store.sizes.tolist() == [25] * 4
        assert store.groups["group"].tolist() == ["q0", "q1", "q2", "q3"]


@pytest.mark.parametrize(
    ("form", "groupby", "options", "parts"),
    [
        ("gpra", "donor", {}, ["--groupby", "donor", "quantile", "has no other groups"]),
        ("gpra", "quantile", {"weight": "count"}, ["--weight", "leave it out"]),
        ("pubmed", "donor", {}, ["--groupby", "term"]),
        ("tenx", "donor_id", {}, ["--groupby", "--barcodes TABLE", "donor_id"]),
        ("tenx", "donor_id", {"layer": "counts"}, ["--layer", "Cell Ranger"]),
        ("mpra_barcodes", "donor", {}, ["--groupby", "oligo"]),
        ("screen", "gene", {"barcodes": "cells.csv"}, ["--barcodes", "leave it out"]),
    ],
)
def test_what_such_a_file_cannot_say_is_refused(tmp_path, form, groupby, options, parts):
    _, model, path = world_of(form, tmp_path)
    with pytest.raises(GdeError) as error, open_data(model, path, groupby, **options):
        pass
    assert all(part in str(error.value) for part in parts), str(error.value)


def test_fewer_promoters_than_quantiles(tmp_path):
    _, model, _ = world_of("gpra", tmp_path)
    path = promoters(tmp_path, n=3)
    with (
        pytest.raises(GdeError, match="3 promoters, expected one for each of 4 quantiles"),
        open_data(model, path, "quantile"),
    ):
        pass


def test_every_cell_has_a_row_in_the_table_of_barcodes(tmp_path):
    _, model, path = world_of("tenx", tmp_path)
    table = pd.read_csv(tmp_path / "cells.csv").iloc[1:]
    table.to_csv(tmp_path / "fewer.csv", index=False)
    told, options = "no row for 1 of 300 cells, such as c0", {"barcodes": tmp_path / "fewer.csv"}
    with pytest.raises(GdeError, match=told), open_data(model, path, "donor_id", **options):
        pass
