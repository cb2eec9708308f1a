"""A Perturb-seq screen in every published layout becomes sets of a perturbed gene in a cell line, held out as asked."""

from contextlib import nullcontext
from dataclasses import replace

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from prepare_data import refused
from pydantic import ValidationError
from simulators.perturb import simulate_perturb

from gde.config.datasets.cells import PerturbSeq
from gde.config.inputs import input_files
from gde.errors import GdeError
from gde.prepare.perturb_seq import prepare
from gde.prepare.perturb_seq_hold_out import check_held_out, hold_out
from gde.sets.store.set_store import SetStore
from gde.sets.vectors import Vectors, load_vectors

OLD_FILE = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::anndata.OldFormatWarning")


def screen_cfg(files, **changes) -> dict:
    """The settings of a small screen."""
    small = {"files": {k: str(v) for k, v in files.items()}, "n_hvg": 60}
    small["vectors"] = {"kind": "coexpression", "n_pcs": 8}
    return PerturbSeq.model_validate({"kind": "perturb_seq", **small, **changes}).model_dump()


def store_of(files, out, **changes) -> SetStore:
    prepare(screen_cfg(files, **changes), out, name="screen", seed=0)
    return SetStore.open(out)


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    return simulate_perturb(tmp_path_factory.mktemp("perturb") / "files", seed=1)


@pytest.fixture(scope="module")
def held(simulated) -> list[str]:
    return simulated.table["gene"].tolist()[:3]


@pytest.fixture(scope="module")
def store(simulated, held, tmp_path_factory) -> SetStore:
    split = {"genes": held, "lines": ["K562"]}
    return store_of(simulated.files, tmp_path_factory.mktemp("perturb") / "store", split=split, n_hvg=None)


def counts(simulated, line: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """obs and the counts by symbol, duplicates added up."""
    adata = ad.read_h5ad(simulated.files[line])
    return adata.obs, pd.DataFrame(adata.X.T, index=adata.var["gene_name"].astype(str)).groupby(level=0).sum().T


@OLD_FILE
def test_genes_are_joined_and_added_up(store, simulated):
    tables = {line: counts(simulated, line) for line in simulated.files}
    shared = sorted(set.intersection(*(set(t.columns) for _, t in tables.values())))
    assert sorted(store.meta["feature_names"]) == shared and store.meta["genes"]["joined"] == len(shared)
    assert all(len(names) == 2 for names in store.meta["gene_duplicates"].values())
    for line, (obs, table) in tables.items():
        x = table[store.meta["feature_names"]].to_numpy(float)
        expected = pd.DataFrame(np.log1p(x / x.sum(1, keepdims=True) * 1e4), index=f"{line}:" + obs.index)
        here = (store.samples["cell_line"] == line).to_numpy()
        np.testing.assert_allclose(store.x[here], expected.loc[store.samples["cell"][here]], rtol=1e-4, atol=1e-5)
        total = pd.Series(x.sum(1), f"{line}:" + obs.index)[store.samples["cell"][here]]
        np.testing.assert_allclose(store.samples["total"][here], total)
        gem = line + ":" + obs["gem_group"].astype(str).set_axis(f"{line}:" + obs.index)
        assert (gem[store.samples["cell"][here]].to_numpy() == store.samples["gem_group"][here]).all()


def test_held_out_in_one_line_and_in_all(store, held):
    groups = store.groups
    one, everywhere = groups[groups["protocol"] == "one_line"], groups[groups["protocol"] == "all_lines"]
    assert sorted(one["gene"]) == sorted(held) and set(one["cell_line"]) == {"K562"}
    assert (groups[groups["gene"].isin(held) & (groups["cell_line"] == "RPE1")]["split"] == "train").all()
    assert len(everywhere) and not set(everywhere["gene"]) & set(groups[groups["split"] == "train"]["gene"])
    assert set(groups[groups["split"] == "test"]["protocol"]) == {"one_line", "all_lines"}
    assert (groups["split"] == groups["protocol"].where(groups["split"] != "test", "test")).all()
    assert (groups[groups["control"]]["split"] == "train").all() and set(groups[groups["control"]]["gene"]) == {
        "non-targeting"
    }
    assert store.meta["control"] == "non-targeting" and (groups["gem_groups"] == 3).all()


def test_knock_down_of_the_targets_is_told(store, simulated):
    groups = store.groups.merge(simulated.table, on="gene")
    groups = groups[groups["control_expression"] > 2]  # expressed well enough to see
    change = groups["target_expression"] - groups["control_expression"]
    planted = [
        simulated.factor[line] * simulated.shift[gene == simulated.table["gene"], simulated.measured.index(gene)][0]
        for gene, line in zip(groups["gene"], groups["cell_line"], strict=True)
    ]
    assert groups["null"].any() and (~groups["null"]).any() and np.min(planted) < -1
    assert np.corrcoef(planted, change)[0, 1] > 0.9 and change[groups["null"]].abs().max() < 0.4
    assert store.groups.loc[store.groups["control"], "target_expression"].isna().all()


@OLD_FILE
def test_controls_are_matched_by_gem_group(store, simulated):
    obs, table = counts(simulated, "K562")
    table = table[store.meta["feature_names"]].to_numpy(float)
    y = np.log1p(table / table.sum(1, keepdims=True) * 1e4)
    gene, gem = obs["gene"].to_numpy(), obs["gem_group"].to_numpy()
    for _, group in store.groups[(store.groups["cell_line"] == "K562") & ~store.groups["control"]].iterrows():
        column = store.meta["feature_names"].index(group["gene"])
        cells = np.flatnonzero(gene == group["gene"])
        own = [y[(gene == "non-targeting") & (gem == gem[i]), column].mean() for i in cells]
        assert group["control_expression"] == pytest.approx(np.mean(own), rel=1e-4)
        assert group["target_expression"] == pytest.approx(y[cells, column].mean(), rel=1e-4, abs=1e-6)


@OLD_FILE
@pytest.mark.parametrize("layout, legacy", [("zenodo", True), ("replogle", False), ("zenodo", False)])
def test_layouts_make_no_difference(tmp_path, layout, legacy):
    options = {"duplicated": 0, "lines": ("K562",), "seed": 4}
    one = simulate_perturb(tmp_path / "a", **options)
    two = simulate_perturb(tmp_path / "b", layout=layout, legacy=legacy, **options)
    a, b = store_of(one.files, tmp_path / "sa"), store_of(two.files, tmp_path / "sb")
    np.testing.assert_allclose(a.x, b.x, atol=1e-4) if layout == "replogle" else None
    sizes = [dict(zip(s.groups["gene"], s.sizes.tolist(), strict=True)) for s in (a, b)]
    control = "control" if layout == "zenodo" else "non-targeting"
    assert sizes[0].pop("non-targeting") == sizes[1].pop(control) and sizes[0] == sizes[1]
    assert b.meta["control"] == control and b.meta["feature_names"] == a.meta["feature_names"]
    split = [dict(zip(s.groups["gene"], s.groups["split"], strict=True)) for s in (a, b)]
    assert {k: v for k, v in split[0].items() if k in sizes[0]} == {k: v for k, v in split[1].items() if k in sizes[0]}


def test_coexpression_tells_programmes(tmp_path):
    from scipy.stats import spearmanr

    told = simulate_perturb(tmp_path / "files", perturbed=40, controls=600, lines=("K562",), batch_effect=0.6, seed=3)
    store = store_of(told.files, tmp_path / "store", vectors={"kind": "coexpression", "n_pcs": 4})
    vectors = load_vectors(store)
    assert vectors.names == sorted(told.table["gene"]) and vectors.table.shape == (40, 4)
    assert "600 control cells" in vectors.source
    assert np.isfinite(vectors.table).all() and abs(spearmanr(vectors.table[:, 0], vectors.table[:, 1])[0]) < 0.9


def test_vectors_of_a_file_are_kept_for_every_perturbed_gene(simulated, tmp_path):
    path = simulated.files["K562"].parent / "gene_embeddings.parquet"
    store = store_of(simulated.files, tmp_path / "store", vectors={"kind": "file", "path": str(path)})
    vectors = load_vectors(store)
    assert vectors.names == sorted(simulated.table["gene"])
    row = simulated.embeddings.set_index("gene").loc[vectors.names].to_numpy()
    for i in range(row.shape[1]):
        assert np.corrcoef(row[:, i], vectors.table[:, i])[0, 1] > 0.999
    assert str(path) in input_files(screen_cfg(simulated.files, vectors={"kind": "file", "path": str(path)})).values()


def test_without_vectors_the_store_has_none(simulated, tmp_path):
    assert load_vectors(store_of(simulated.files, tmp_path / "store", vectors=None)) is None


def test_missing_vectors_are_counted_listed_or_filled(simulated, out, tmp_path):
    table = simulated.embeddings
    lost = sorted(table["gene"])[:2]
    path = tmp_path / "fewer.tsv"
    table[~table["gene"].isin(lost)].to_csv(path, sep="\t", index=False)
    with refused(out, "no vector for 2 of 30 conditions", *lost, "missing: mean"):
        store_of(simulated.files, out, vectors={"kind": "file", "path": str(path)})
    store = store_of(simulated.files, out, vectors={"kind": "file", "path": str(path), "missing": "mean"})
    assert len(load_vectors(store).names) == 30 and set(load_vectors(store).lost) == set(lost)


@pytest.mark.parametrize(
    ("protocol", "refuses"),
    [(("train", "all_lines", "all_lines"), True), (("train", "all_lines", "one_line"), False)],
    ids=["none trains elsewhere", "one trains elsewhere"],
)
def test_held_out_genes_need_a_vector_or_another_line(protocol, refuses):
    """Before hours of training: what no vector describes and no line trains on, nothing can predict."""
    groups = pd.DataFrame({"gene": ["A", "B", "C"], "protocol": protocol})
    vectors = Vectors(["A", "B", "C"], np.eye(3, dtype=np.float32), "x", lost=("B", "C"))
    message = r"no vector for any of the 2 held-out genes \(B, C\)"
    with pytest.raises(GdeError, match=message) if refuses else nullcontext():
        check_held_out(vectors, groups, "x")
    check_held_out(replace(vectors, lost=("B",)), groups, "x")


@OLD_FILE
def test_the_excerpt(tmp_path, out, excerpt):
    folder = excerpt("perturbseq")
    files = {line: folder / f"{line}_raw_singlecell_01.h5ad" for line in ("K562", "A172")}
    split = {"genes": ["MAPK1", "PLK4"], "lines": ["K562"]}
    with refused(out, "1 of 18 perturbed genes", "vectors: null"):  # co-expression of one gene tells none apart
        store_of(files, out, split=split)
    store = store_of(files, tmp_path / "store", split=split, vectors=None)
    assert store.meta["data"] == "excerpt" and len(store) == 29 and store.meta["dim"] == 60
    groups = store.groups.set_index("group")
    assert groups.loc["MAPK1|K562", "protocol"] == "one_line" and groups.loc["MAPK1|A172", "split"] == "train"
    assert groups.loc["TMSB4X|K562", "target_expression"] > 0  # activated there, and the one target among the genes
    assert set(store.samples["gem_group"].str.split(":").str[0]) == {"K562", "A172"}


def rewritten(simulated, tmp_path, change, layout_legacy: bool = True):
    """The first file, changed as an AnnData and written in today's layout."""
    adata = ad.read_h5ad(simulated.files["K562"])
    adata = change(adata) or adata
    path = tmp_path / "changed.h5ad"
    adata.write_h5ad(path)
    return {"K562": path}


def negative(a):
    a.X[3, 2] = -1


def fractional(a):
    a.X[3, 2] = 0.5


def drop_gene(a):
    del a.obs["gene"]


def missing_gene(a):
    a.obs["gene"] = a.obs["gene"].astype(object).where(np.arange(len(a)) != 4)


def few_controls(a):
    gene = a.obs["gene"].astype(str).to_numpy()
    return a[(gene != "non-targeting") | (np.cumsum(gene == "non-targeting") <= 5)].copy()


FAULTS = {
    "no gene column": (drop_gene, {}, ["none of the columns gene, perturbation", "dataset.gene"]),
    "wrong gene column": (None, {"gene": "gen"}, ["no 'gen'", "'gene'?"]),
    "wrong batch column": (None, {"batch": "gemgroup"}, ["no 'gemgroup'", "'gem_group'?"]),
    "wrong symbols": (None, {"genes": "symbol"}, ["no 'symbol'", "gene_name"]),
    "unknown control": (None, {"control": "non-targetting"}, ["no 'non-targetting'", "'non-targeting'?"]),
    "no controls": (lambda a: a[a.obs["gene"] != "non-targeting"].copy(), {}, ["no control cells", "dataset.control"]),
    "few controls": (few_controls, {}, ["5 control cells in K562", "min_size = 20"]),
    "negative counts": (negative, {}, ["row 3", "-1", "no negative number"]),
    "fractional counts": (fractional, {}, ["row 3", "0.5", "whole numbers"]),
    "a cell without a gene": (missing_gene, {}, ["row 4", "column gene", "a missing value"]),
    "unknown held-out gene": (None, {"split": {"genes": ["G0000"]}}, ["no 'G0000'", "did you mean 'G0"]),
    "unknown held-out genes": (
        None,
        {"split": {"genes": ["SUPT5H", "G00002x"]}},
        ["2 of 2 genes that are not perturbed", "SUPT5H, G00002x"],
    ),
    "everything held out": (None, {"split": {"validation": 0.5, "test": 0.49}}, ["one trains"]),
    "min_size": (None, {"min_size": 1000}, ["control cells in K562", "lower min_size"]),
    "no layer": (None, {"layer": "counts"}, ["no 'counts'"]),
}


@OLD_FILE
@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_told_in_one_line_and_leave_nothing(simulated, out, tmp_path, fault):
    change, options, parts = FAULTS[fault]
    files = {"K562": simulated.files["K562"]} if change is None else rewritten(simulated, tmp_path, change)
    with refused(out, *parts):
        prepare(screen_cfg(files, **options), out, name="screen", seed=0)


def test_a_transposed_matrix_and_cells_of_another_number(simulated, out, tmp_path):
    from shutil import copy

    import h5py

    for change, parts in ((lambda x: x.T, ["transposed"]), (lambda x: x[:-3], ["as obs and var say"])):
        path = copy(simulated.files["K562"], tmp_path / "x.h5ad")
        with h5py.File(path, "r+") as f:
            x = f["X"][:]
            del f["X"]
            f["X"] = change(x)
        with refused(out, *parts):
            prepare(screen_cfg({"K562": path}), out, name="screen", seed=0)


def test_settings_that_cannot_be_are_refused(simulated):
    for changes, part in (
        ({"split": {"genes": ["A"], "lines": ["K56"]}}, "one of K562, RPE1"),
        ({"split": {"lines": ["K562"]}}, "null where no genes are named"),
        ({"split": {"genes": ["A", "A"]}}, "each gene once"),
        ({"split": {"validation": 0.6, "test": 0.4}}, "less than 1"),
        ({"files": {"K562": None}}, "one file or more"),
    ):
        with pytest.raises(ValidationError, match=part):
            (
                screen_cfg(simulated.files)
                | PerturbSeq.model_validate(
                    {"kind": "perturb_seq", "files": {k: str(v) for k, v in simulated.files.items()}, **changes}
                ).model_dump()
            )


def test_a_line_is_left_out_by_null(simulated, tmp_path):
    cfg = screen_cfg(simulated.files)
    prepare(cfg | {"files": {**cfg["files"], "RPE1": None}}, tmp_path / "store", name="screen", seed=0)
    store = SetStore.open(tmp_path / "store")
    assert set(store.groups["cell_line"]) == {"K562"}


def test_holding_out_depends_on_names_and_seed_alone():
    gene = np.array(["ctrl", *(f"g{i}" for i in range(40))] * 2)
    line, control = np.repeat(["A", "B"], 41), gene == "ctrl"
    cfg = {"genes": ["g1", "g2"], "lines": ["A"], "validation": 0.1, "test": 0.2, "seed": 0}
    split, protocol = hold_out(gene, line, control, cfg, "x")
    order = np.random.default_rng(0).permutation(len(gene))
    again, _ = hold_out(gene[order], line[order], control[order], cfg, "x")
    assert [split[i] for i in order] == again
    assert pd.Series(protocol).value_counts().to_dict() == {
        "train": 56,
        "all_lines": 16,
        "validation": 8,
        "one_line": 2,
    }
    other, _ = hold_out(gene, line, control, {**cfg, "seed": 1}, "x")
    assert other != split
    _, protocol = hold_out(gene, line, control, {**cfg, "lines": None}, "x")
    assert [protocol[i] for i in np.flatnonzero(np.isin(gene, ["g1", "g2"]))] == ["all_lines"] * 4
    alone = line == "A"  # where no other line has the gene, nothing trains on it
    assert "one_line" not in hold_out(gene[alone], line[alone], control[alone], cfg, "x")[1]


def screen_file(path, label, var, genes: int = 12, cells: int = 25, control: str = "control"):
    """Counts of `genes` perturbed genes and as many others; label : perturbed gene -> what the file calls it."""
    rng = np.random.default_rng(0)
    names = [f"G{i}" for i in range(2 * genes)]
    labels = [control] * 80 + [label(g) for g in names[:genes] for _ in range(cells)]
    x = rng.poisson(rng.gamma(2.0, 2.0, len(names)), (len(labels), len(names))).astype(np.float32)
    index = [f"c{i}" for i in range(len(labels))]
    ad.AnnData(x, pd.DataFrame({"perturbation": labels}, index=index), var(names)).write_h5ad(path)
    return {"K562": path}


def ensembl(column):
    return lambda names: pd.DataFrame({column: names}, index=[f"ENSG{i:011d}" for i in range(len(names))])


def plain(names):
    return pd.DataFrame({"gene_name": [f"x{n}" for n in names]}, index=names)


CALLED = {
    "gene_name": (str, ensembl("gene_name"), "control"),
    "feature_name": (str, ensembl("feature_name"), "control"),
    "the index, not gene_name": (str, plain, "control"),
    "paired with a control": ("{}+ctrl".format, ensembl("gene_symbols"), "ctrl"),
    "paired, control first": ("control+{}".format, plain, "control"),
}


@pytest.mark.parametrize("called", CALLED)
def test_targets_are_found_whatever_they_are_called(called, tmp_path):
    label, var, control = CALLED[called]
    options = {"batch": None, "n_hvg": None, "vectors": {"kind": "coexpression", "n_pcs": 3}}
    store = store_of(screen_file(tmp_path / "s.h5ad", label, var, control=control), tmp_path / "store", **options)
    groups = store.groups.set_index("gene")
    assert sorted(groups.index) == sorted([*(f"G{i}" for i in range(12)), control])
    assert store.meta["control"] == control and groups.loc[control, "control"]
    perturbed = groups[~groups["control"]]
    assert perturbed["target_expression"].notna().all() and perturbed["control_expression"].notna().all()
    assert store.meta["targets"] == {"perturbed_genes": 12, "measured": 12, "without_vector": 0}


def test_genes_without_a_vector_are_counted_aloud(tmp_path, out, caplog):
    files = screen_file(tmp_path / "s.h5ad", lambda g: g if int(g[1:]) < 9 else f"other{g}", ensembl("gene_name"))
    with caplog.at_level("INFO"):
        store = store_of(files, tmp_path / "store", batch=None, vectors={"kind": "coexpression", "n_pcs": 3})
    assert store.meta["targets"] == {"perturbed_genes": 12, "measured": 9, "without_vector": 3}
    assert "no vector for 3 of 12" in caplog.text and "otherG9" in caplog.text


@pytest.mark.parametrize("measured", [0, 1])
def test_coexpression_of_genes_that_are_not_measured_is_refused(measured, tmp_path, out):
    files = screen_file(tmp_path / "s.h5ad", lambda g: g if int(g[1:]) < measured else f"o{g}", ensembl("gene_name"))
    with refused(out, f"{measured} of 12 perturbed genes", "dataset.genes", "vectors: null"):
        store_of(files, out, batch=None)
    store = store_of(files, out, batch=None, vectors=None)
    assert load_vectors(store) is None and store.meta["targets"] == {"perturbed_genes": 12, "measured": measured}


@pytest.mark.parametrize("word", ["nan", "NA", "None", " "])
def test_a_missing_perturbation_that_is_spelled_out_is_refused(word, tmp_path, out):
    files = screen_file(tmp_path / "s.h5ad", lambda g: word if g == "G3" else g, ensembl("gene_name"))
    with refused(out, "column perturbation", "missing value", "drop the row"):
        store_of(files, out, batch=None)
