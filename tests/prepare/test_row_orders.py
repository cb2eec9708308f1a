"""One law for all readers of cells: neither the order of a file's rows, nor how many are read at once, nor how the
matrix is stored changes what the store holds."""

import gzip

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.io
import scipy.sparse as sp

from gde.config.datasets import DATASETS
from gde.files.input_files import LINEAGE
from gde.prepare import prepare_of
from gde.sets.store.set_store import SetStore
from gde.sets.vectors import load_vectors

GENES = [f"gene{j}" for j in range(30)]
PERTURBED, CELLS, CONTROLS = 12, 20, 60
BY_SAMPLE = {"split": {"by": "sample"}}


def world():
    """Counts (300, 30) and what is known of the cells: 60 controls, then 20 cells of each of twelve perturbed genes; by
    other columns twelve donors of two sites, and clones of two days."""
    rng = np.random.default_rng(0)
    target = np.repeat(np.arange(PERTURBED + 1) - 1, [CONTROLS, *[CELLS] * PERTURBED])
    n = len(target)
    donor = rng.permutation(np.arange(n) % 12)
    rate = (
        rng.gamma(2.0, 2.0, 30) * np.exp(0.4 * rng.normal(size=(13, 30)))[target] * rng.gamma(5, 0.2, (12, 30))[donor]
    )
    obs = pd.DataFrame(
        {
            "gene": np.append([f"gene{j}" for j in range(PERTURBED)], "control")[target],
            "batch": [f"b{i}" for i in rng.integers(0, 2, n)],
            "donor_id": [f"D{d:02d}" for d in donor],
            "site": [f"S{d % 2}" for d in donor],
            "day": donor % 2 * 2.0,
            "clone": donor // 2,
        },
        index=[f"c{i}" for i in range(n)],
    )
    return rng.poisson(rate).astype(np.float32), obs


def cells_file(form):
    def write(folder, x, obs):
        ad.AnnData(form(x), obs, pd.DataFrame(index=GENES)).write_h5ad(folder / "cells.h5ad")
        return {"path": str(folder / "cells.h5ad")}

    return write


def screen(form):
    return lambda folder, x, obs: {"files": {"K562": cells_file(form)(folder, x, obs)["path"]}}


def cell_ranger(folder, x, obs):
    y = sp.csr_matrix(x)
    with h5py.File(folder / "matrix.h5", "w") as f:
        group = f.create_group("matrix")
        kinds = ["Gene Expression"] * len(GENES)
        for key, values in {"id": GENES, "name": GENES, "feature_type": kinds, "genome": GENES}.items():
            group[f"features/{key}"] = np.array(values, "S")
        group["barcodes"] = np.array(obs.index, "S")
        group["data"], group["indices"], group["indptr"] = y.data.astype("i4"), y.indices, y.indptr
        group["shape"] = np.array(y.shape[::-1], "i4")
    obs.rename_axis("barcode").reset_index().to_csv(folder / "cells.csv", index=False)
    return {"path": str(folder / "matrix.h5"), "barcodes": str(folder / "cells.csv")}


def lineage(folder, x, obs):
    table = {"Library": "L", "Cell barcode": obs.index, "Time point": obs["day"], "Starting population": "P"}
    table |= {"Cell type annotation": obs["site"], "Well": 1, "SPRING-x": 0.0, "SPRING-y": 0.0}
    member = sp.coo_matrix((np.ones(len(obs)), (np.arange(len(obs)), obs["clone"])))
    (folder / LINEAGE["metadata"]).write_bytes(
        gzip.compress(pd.DataFrame(table).to_csv(sep="\t", index=False).encode())
    )
    (folder / LINEAGE["genes"]).write_bytes(gzip.compress("\n".join(GENES).encode() + b"\n"))
    for key, matrix in (("counts", sp.coo_matrix(x)), ("clones", member)):
        with gzip.open(folder / LINEAGE[key], "wb") as f:
            scipy.io.mmwrite(f, matrix, field="integer", symmetry="general")
    return {"folder": str(folder)}


READERS = {
    "h5ad-csr": ("h5ad", cells_file(sp.csr_matrix), {"groupby": ["donor_id"]}),
    "h5ad-csc": ("h5ad", cells_file(sp.csc_matrix), {"groupby": ["donor_id"]}),
    "h5ad-dense": ("h5ad", cells_file(np.asarray), {"groupby": ["donor_id"], "labels": ["site"]}),
    "donors": ("donors", cells_file(sp.csr_matrix), {"labels": ["site"], "cell_type": "batch", "min_size": 5}),
    "perturb_seq-csr": ("perturb_seq", screen(sp.csr_matrix), {"n_pcs": "auto"}),
    "perturb_seq-dense": ("perturb_seq", screen(np.asarray), {"n_hvg": 20}),
    "tenx": ("tenx", cell_ranger, {"groupby": ["donor_id"], "labels": ["site"]}),
    "lineage_tracing": ("lineage_tracing", lineage, {"values": "counts"}),
    "h5ad-by-sample": ("h5ad", cells_file(sp.csr_matrix), {"groupby": ["donor_id"], **BY_SAMPLE}),
    "donors-by-sample": ("donors", cells_file(sp.csr_matrix), {"labels": ["site"], **BY_SAMPLE}),
    "tenx-by-sample": ("tenx", cell_ranger, {"groupby": ["donor_id"], **BY_SAMPLE}),
    "lineage_tracing-by-sample": ("lineage_tracing", lineage, {"values": "counts", **BY_SAMPLE}),
}
ORDERS = {
    "reversed, by one": (lambda obs: np.arange(len(obs))[::-1], 1),
    "controls last, by 7": (lambda obs: np.roll(np.arange(len(obs)), -CONTROLS), 7),
    "sorted by donor, by 41": (lambda obs: np.argsort(obs["donor_id"], kind="stable").to_numpy(), 41),
    "shuffled, all at once": (lambda obs: np.random.default_rng(1).permutation(len(obs)), 1000),
}


def store_of(reader, folder, x, obs) -> SetStore:
    kind, write, more = READERS[reader]
    folder.mkdir()
    settings = DATASETS[kind].model_validate({"kind": kind, **write(folder, x, obs), **more}).model_dump()
    prepare_of(kind)(settings, folder / "store", name="cells", seed=0)
    return SetStore.open(folder / "store")


def by_cell(store: SetStore, g: int) -> np.ndarray:
    """The rows of a group in an order of their own: of the cells' names, or of the first column."""
    x = np.asarray(store.read(g))
    if not (store.path / "samples.parquet").exists():
        return x[np.lexsort(np.round(x, 3).T)]
    cells = store.samples["cell"].iloc[int(store.groups["start"][g]) : int(store.groups["stop"][g])]
    return x[np.argsort(cells.to_numpy())]


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """The stores of the rows as they are."""
    return {reader: store_of(reader, tmp_path_factory.mktemp(reader) / "a", *world()) for reader in READERS}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("reader", READERS)
def test_orders_chunks_and_storage_make_the_same_store(reader, order, reference, tmp_path, monkeypatch):
    x, obs = world()
    of, rows = ORDERS[order]
    monkeypatch.setattr("gde.readers.anndata.CHUNK_VALUES", rows * len(GENES))
    monkeypatch.setattr("gde.readers.anndata.PIECE_VALUES", rows * len(GENES))
    monkeypatch.setattr("gde.readers.disk.NNZ_PIECE", 501)
    at = of(obs)
    store, first = store_of(reader, tmp_path / "b", x[at], obs.iloc[at]), reference[reader]
    groups, expected = (
        s.groups.drop(columns=["start", "stop"]).sort_values(["group", "split"]) for s in (store, first)
    )
    pd.testing.assert_frame_equal(groups.reset_index(drop=True), expected.reset_index(drop=True), rtol=1e-5)
    assert store.meta["feature_names"] == first.meta["feature_names"]
    for key in ("mean", "scale"):
        np.testing.assert_allclose(store.meta[key], first.meta[key], rtol=1e-4, atol=1e-5)
    for a, b in zip(groups.index, expected.index, strict=True):
        np.testing.assert_allclose(by_cell(store, a), by_cell(first, b), rtol=1e-4, atol=1e-4)
    if (vectors := load_vectors(store)) is not None:
        assert vectors.names == load_vectors(first).names
        np.testing.assert_allclose(vectors.table, load_vectors(first).table, atol=1e-4)


def test_partners_of_coexpression_are_those_of_all_controls(tmp_path, monkeypatch):
    """Only some genes describe a target: which ones does not depend on the controls that come first."""
    monkeypatch.setattr("gde.prepare.perturb_seq_targets.PARTNERS", 5)
    monkeypatch.setattr("gde.readers.anndata.CHUNK_VALUES", 11 * len(GENES))
    x, obs = world()
    at = np.arange(len(obs))[::-1]
    one, two = (store_of("perturb_seq-csr", tmp_path / k, x[i], obs.iloc[i]) for k, i in (("a", at[::-1]), ("b", at)))
    np.testing.assert_allclose(load_vectors(one).table, load_vectors(two).table, atol=1e-4)
