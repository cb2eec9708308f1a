"""Clones over days: the release's four files become sets of a clone on a day, whatever their order and faults."""

import gzip
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from prepare_data import refused
from simulators.lineage import FATES, simulate_lineage
from simulators.mtx import write_mtx, write_text

from gde.config.datasets.cells import LineageTracing
from gde.config.inputs import input_files
from gde.features.pipeline import FeaturePipeline
from gde.files.input_files import LINEAGE
from gde.prepare.common.composition import columns, composition
from gde.prepare.lineage_tracing import prepare
from gde.prepare.lineage_tracing_clones import DOUBLET, NONE, clone_of
from gde.readers.matrix_market import read_matrix_market
from gde.sets.store.set_store import SetStore


def lineage_cfg(folder, **changes) -> dict:
    """The settings of a small data set."""
    small = {"folder": str(folder), "n_hvg": 60, "n_pcs": 6}
    return LineageTracing.model_validate({"kind": "lineage_tracing", **small, **changes}).model_dump()


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lineage") / "files"
    return folder, simulate_lineage(folder, seed=1)


@pytest.fixture(scope="module")
def store(simulated, tmp_path_factory) -> SetStore:
    out = tmp_path_factory.mktemp("lineage") / "store"
    prepare(lineage_cfg(simulated[0]), out, name="lin", seed=0)
    return SetStore.open(out)


def test_groups_are_the_clones_of_the_truth(store, simulated):
    cells = simulated[1].cells
    one = cells[cells["labelled"] & ~cells["doublet"]]
    size = one.groupby(["clone", "day"]).size()
    expected = {f"{clone}|{day}": n for (clone, day), n in size.items() if n >= 3}
    assert dict(zip(store.groups["group"], store.sizes.tolist(), strict=True)) == expected
    assert store.groups.groupby("clone")["split"].nunique().max() == 1
    assert set(store.groups["split"]) == {"train", "validation", "test"}
    meta = store.meta["cells"]
    assert meta == {
        "total": len(cells),
        "with_clone": len(one),
        "without_clone": int((~cells["labelled"]).sum()),
        "doublets": int(cells["doublet"].sum()),
    }
    assert store.meta["dropped_samples"] == len(one) - len(store.x)
    assert store.meta["gene_duplicates"] == {"lin": ["Gene0", "Gene1"]}


def test_every_sample_keeps_what_is_known_of_its_cell(store, simulated):
    table = pd.read_csv(Path(simulated[0]) / LINEAGE["metadata"], sep="\t")
    told = simulated[1].cells.set_index(table["Library"] + ":" + table["Cell barcode"])
    samples = store.samples
    assert len(samples) == len(store.x) and samples["cell"].is_unique
    own = told.loc[samples["cell"]]
    assert (own["clone"].astype(str).to_numpy() == samples["clone"]).all()
    assert (own["day"].to_numpy() == samples["day"]).all()
    spring = table.set_index(table["Library"] + ":" + table["Cell barcode"]).loc[
        samples["cell"], ["SPRING-x", "SPRING-y"]
    ]
    np.testing.assert_allclose(samples[["spring_x", "spring_y"]], spring)
    group = np.repeat(np.arange(len(store)), store.sizes)
    assert (samples["clone"].to_numpy() == store.groups["clone"].to_numpy()[group]).all()
    share = store.groups[columns(store.groups)].to_numpy()
    np.testing.assert_allclose(share.sum(1), 1)
    name = f"composition_{FATES[0]}"
    counted = (samples["cell_type"] == FATES[0]).groupby(group).mean().to_numpy()
    np.testing.assert_allclose(store.groups[name], counted)
    wells = samples["well"].groupby(group).agg(lambda w: "+".join(sorted(set(w))))
    assert (store.groups["well"].to_numpy() == wells.to_numpy()).all() and "1+2" in set(store.groups["well"])


def test_values_are_the_pipeline_of_the_matrix(store, simulated, tmp_path):
    folder = Path(simulated[0])
    counts = read_matrix_market(folder / LINEAGE["counts"], tmp_path)
    x = counts[slice(0, counts.shape[0])].toarray()
    genes = gzip.decompress((folder / LINEAGE["genes"]).read_bytes()).decode().split()
    x[:, :2] += x[:, -2:]  # two genes stand there twice
    table = pd.read_csv(folder / LINEAGE["metadata"], sep="\t")
    row = pd.Series(np.arange(len(table)), table["Library"] + ":" + table["Cell barcode"])[store.samples["cell"]]
    pipeline = FeaturePipeline.load(store.path / "features")
    expected = pipeline.transform(x[row.to_numpy(), :-2], genes[:-2])
    np.testing.assert_allclose(store.x, expected, atol=1e-3)


def test_wells_can_divide_clones(simulated, tmp_path):
    prepare(lineage_cfg(simulated[0], by_well=True), tmp_path / "store", name="lin", seed=0)
    store = SetStore.open(tmp_path / "store")
    assert set(store.groups["well"]) == {"0", "1", "2"} and store.groups.groupby("clone")["split"].nunique().max() == 1


def test_the_order_of_the_file_makes_no_difference(tmp_path):
    for by_column in (False, True):
        simulate_lineage(tmp_path / f"{by_column}", clones=20, genes=60, by_column=by_column, seed=2)
        prepare(lineage_cfg(tmp_path / f"{by_column}"), tmp_path / f"s{by_column}", name="lin", seed=0)
    one, two = (SetStore.open(tmp_path / f"s{by_column}") for by_column in (False, True))
    np.testing.assert_allclose(one.x, two.x, atol=1e-4)
    assert one.samples.equals(two.samples) and one.groups.equals(two.groups)


def test_the_first_clone_counts_and_doublets_do_not(tmp_path):
    matrix = np.array([[1, 0, 0], [0, 0, 0], [0, 1, 1], [0, 0, 1], [1, 0, 0]])
    write_mtx(tmp_path / "clones.mtx.gz", [matrix], matrix.shape, field="integer")
    found = clone_of(read_matrix_market(tmp_path / "clones.mtx.gz", tmp_path), "clones")
    assert found.tolist() == [0, NONE, DOUBLET, 2, 0]


def test_compositions_of_no_cells_are_zero():
    groups = pd.DataFrame({"composition_b": ["x", "y", "z"]})  # a column of the user's own
    found = composition(np.array([0, 0, 2, -1]), np.array(["T/a", "b", "T/a", "c"]), groups)
    assert found.to_dict("list") == {
        "composition_b": ["x", "y", "z"], "composition_T_a": [0.5, 0.0, 1.0], "composition_b_1": [0.5, 0.0, 0.0]
    }  # fmt: skip


def test_the_excerpt_of_the_release(tmp_path, excerpt):
    prepare(lineage_cfg(excerpt("larry")), tmp_path / "store", name="larry", seed=0)
    store = SetStore.open(tmp_path / "store")
    assert len(store) == 45 and store.meta["data"] == "excerpt"  # (clone, day) of three cells or more, by its README
    assert store.meta["cells"] == {"total": 533, "with_clone": 428, "without_clone": 105, "doublets": 0}
    assert {"composition_Monocyte", "composition_Neutrophil"} <= set(columns(store.groups))


def changed(folder, tmp_path) -> Path:
    """A copy of the files, to be damaged."""
    return Path(shutil.copytree(folder, tmp_path / "changed"))


def metadata(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / LINEAGE["metadata"], sep="\t")


def rewrite(folder: Path, table: pd.DataFrame) -> None:
    write_text(folder / LINEAGE["metadata"], table.to_csv(sep="\t", index=False))


def transposed(folder: Path, which: str, tmp: Path) -> None:
    x = read_matrix_market(folder / LINEAGE[which], tmp)
    y = x[slice(0, x.shape[0])].T.tocsr()
    write_mtx(folder / LINEAGE[which], [y], y.shape, field="integer" if which == "clones" else "real")


def entries(folder: Path, change, tmp: Path) -> None:
    """Change the values of the counts' matrix."""
    x = read_matrix_market(folder / LINEAGE["counts"], tmp)
    y = x[slice(0, x.shape[0])]
    y.data = change(y.data)
    write_mtx(folder / LINEAGE["counts"], [y], y.shape)


def negative(x):
    return np.where(np.arange(len(x)) == 7, -2.5, x)


FAULTS = {
    "wrong column": (lambda f, t: rewrite(f, metadata(f).rename(columns={"Well": "Wells"})), ["no 'Well'", "'Wells'?"]),
    "no number": (
        lambda f, t: rewrite(f, metadata(f).assign(**{"Time point": ["d2", *metadata(f)["Time point"][1:]]})),
        ["row 1", "Time point", "'d2'"],
    ),
    "transposed counts": (lambda f, t: transposed(f, "counts", t), ["genes in columns", "transposed"]),
    "transposed clones": (lambda f, t: transposed(f, "clones", t), ["cells in rows", "transposed"]),
    "metadata of fewer cells": (lambda f, t: rewrite(f, metadata(f)[5:]), ["cells in rows", "metadata"]),
    "fewer gene names": (
        lambda f, t: write_text(f / LINEAGE["genes"], "a\nb\nc\n"),
        ["3 genes in columns", LINEAGE["genes"]],
    ),
    "negative values": (lambda f, t: entries(f, negative, t), ["row 0", "-2.5", "no negative number"]),
    "NaN": (lambda f, t: entries(f, lambda x: np.where(np.arange(len(x)) == 7, np.nan, x), t), ["nan", "finite"]),
    "already logged": (lambda f, t: entries(f, lambda x: np.log1p(x) / 2, t), ["no value above", "lognorm"]),
    "counts": (lambda f, t: entries(f, np.rint, t), ["only whole numbers", "values: counts"]),
    "a page": (lambda f, t: (f / LINEAGE["metadata"]).write_text("<html>"), ["an HTML page"]),
    "an empty file": (lambda f, t: (f / LINEAGE["genes"]).write_bytes(b""), ["an empty file"]),
    "no file": (lambda f, t: (f / LINEAGE["clones"]).unlink(), ["no such file", LINEAGE["clones"]]),
    "gene names cut short": (
        lambda f, t: (f / LINEAGE["genes"]).write_bytes((f / LINEAGE["genes"]).read_bytes()[:-20]),
        ["truncated or damaged"],
    ),
    "no clones": (
        lambda f, t: write_mtx(f / LINEAGE["clones"], [np.zeros((len(metadata(f)), 4))], (len(metadata(f)), 4)),
        ["no cell with a clone"],
    ),
    "clones that are no counts": (
        lambda f, t: write_mtx(f / LINEAGE["clones"], [np.full((len(metadata(f)), 1), 0.5)], (len(metadata(f)), 1)),
        ["0.5", "barcode"],
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_told_in_one_line_and_leave_nothing(simulated, out, tmp_path, fault):
    folder = changed(simulated[0], tmp_path)
    damage, parts = FAULTS[fault]
    (tmp_path / "scratch").mkdir()
    damage(folder, tmp_path / "scratch")
    with refused(out, *parts):
        prepare(lineage_cfg(folder), out, name="lin", seed=0)


def test_fractions_are_no_counts(simulated, out):
    with refused(out, "whole numbers with values: counts", "values: normalised"):
        prepare(lineage_cfg(simulated[0], values="counts"), out, name="lin", seed=0)


def test_the_workflow_is_told_every_file(simulated):
    files = input_files(lineage_cfg("somewhere"))
    assert sorted(files.values()) == sorted(f"somewhere/{name}" for name in LINEAGE.values())
