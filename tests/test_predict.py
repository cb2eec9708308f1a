"""Predicted cells of perturbations that were never tried, and their controls, as programs read that judge them."""

from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import tiny
import torch
from simulators.perturb import PerturbTruth, simulate_perturb

from gde.cli import main
from gde.embed import embed_store
from gde.errors import GdeError
from gde.files.seals import check_seal
from gde.model import GDE
from gde.predict import OBSERVED, PREDICTED, predict_file, predict_test_sets
from gde.prepare.perturb_seq_query import Columns, new_vectors
from gde.sets.store.set_store import SetStore
from gde.training import build_models

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::anndata.OldFormatWarning")
UNTRIED = ["NEW1", "NEW2"]
COLUMN, CONTROL = "perturbation", "control"  # of the simulated files


def train(truth: PerturbTruth, root: Path, vectors: dict, **objective) -> tuple[Path, SetStore]:
    """A model, its weights moved at random, and its store."""
    files = {line: str(path) for line, path in truth.files.items()}
    dataset = {"kind": "perturb_seq", "files": files, "n_hvg": 40, "vectors": vectors, "split": {"test": 0.3}}
    section = {"kind": "perturbation", "control": {"gene": CONTROL}, "within": ["cell_line"], "conditions": "vectors"}
    config = tiny.experiment(
        {"training.set_size": 10}, dataset=dataset, objective=section | objective, evaluation={"kind": "perturbation"}
    )
    store = tiny.prepare(config, root / "sets")
    model, _ = build_models(config | {"run": "tiny-00000000", "store": store.digest}, store, tiny.CPU)
    tiny.perturb(model).save(root / "model")
    return root / "model", store


@pytest.fixture(scope="module")
def truth(tmp_path_factory) -> PerturbTruth:
    """Two lines; vectors of the perturbed genes and of two that were never tried."""
    folder = tmp_path_factory.mktemp("screen")
    truth = simulate_perturb(folder, perturbed=12, cells=25, controls=50, genes=80, absent=0.0, layout="zenodo")
    rng = np.random.default_rng(0)
    new = pd.DataFrame(rng.normal(size=(2, truth.embeddings.shape[1] - 1)).astype(np.float32))
    new.columns = truth.embeddings.columns[1:]
    new.insert(0, "gene", UNTRIED)
    pd.concat([truth.embeddings, new]).to_parquet(folder / "vectors.parquet", index=False)
    return truth


@pytest.fixture(scope="module")
def world(truth, tmp_path_factory) -> tuple[Path, SetStore]:
    path = str(next(iter(truth.files.values())).parent / "vectors.parquet")
    return train(truth, tmp_path_factory.mktemp("world"), {"kind": "file", "path": path})


@pytest.fixture(scope="module")
def learned(truth, tmp_path_factory) -> Path:
    return train(truth, tmp_path_factory.mktemp("learned"), None, conditions="learned")[0]


@pytest.fixture
def file(truth) -> Path:
    return truth.files["K562"]


def lognorm(data: ad.AnnData, genes: list[str]) -> pd.DataFrame:
    """Of every cell, per 10,000 of all its counts; genes that stand there twice added up."""
    x = pd.DataFrame(np.asarray(data.X.todense() if hasattr(data.X, "todense") else data.X, float), data.obs_names)
    x = x.T.groupby(data.var_names.str.replace(r"-1$", "", regex=True)).sum().T
    return np.log1p(x.div(x.sum(axis=1), axis=0) * 1e4)[genes]


def rows(x) -> np.ndarray:
    """In an order that does not depend on that of the cells."""
    x = np.asarray(x, float).round(3)
    return x[np.lexsort(x.T)]


def test_cells_of_a_gene_that_was_never_tried_beside_the_controls(world, truth, file, tmp_path):
    model = GDE.load(world[0])
    tried = truth.table["gene"][0]
    out = predict_file(model, file, [*UNTRIED, tried], tmp_path / "p.h5ad", n=30, seed=3)
    read = ad.read_h5ad(tmp_path / "p.h5ad")
    check_seal(tmp_path / "p.h5ad")
    data = ad.read_h5ad(file)
    control = data[data.obs[COLUMN] == CONTROL]
    assert read.obs[COLUMN].value_counts().to_dict() == {**dict.fromkeys([*UNTRIED, tried], 30), CONTROL: 50}
    assert (read.obs["generated"] == (read.obs[COLUMN] != CONTROL)).all() and set(read.obs["cell_line"]) == {"K562"}
    assert read.obs_names.is_unique and list(read.var_names) == model.features.names
    assert read.uns["gde"]["samples"] == PREDICTED and dict(read.uns["gde"]["control"]) == {
        "column": COLUMN, "name": CONTROL
    }  # fmt: skip
    expected = lognorm(control, model.features.names).to_numpy()
    np.testing.assert_allclose(rows(read[read.obs[COLUMN] == CONTROL].X), rows(expected), atol=2e-3)
    made = read[read.obs["generated"]]
    assert made.X.min() >= 0 and (made.X - model.features.tensors["largest"]).max() < 1e-4
    np.testing.assert_array_equal(out.X, read.X)
    # what the model itself says, of the embedding of all controls
    z = model.embed(torch.from_numpy(expected.astype(np.float32))[None])
    moved = model.predict_perturbed(z, UNTRIED[0])
    drawn = model.sample(moved, 30, generator=torch.Generator().manual_seed(3))[0].numpy()
    raw = read.obsm["X_features"][(read.obs[COLUMN] == UNTRIED[0]).to_numpy()]
    np.testing.assert_allclose(raw, drawn, rtol=1e-3, atol=1e-3)
    assert (raw < 0).any()


def test_vectors_of_new_genes_are_on_the_scale_of_those_that_trained(world):
    model = GDE.load(world[0])
    table = pd.read_parquet(model.config["dataset"]["vectors"]["path"]).set_index("gene")
    names = model.heads["perturbation"].conditions.names
    centred = table - table.mean()
    given = model.heads["perturbation"].conditions.given.numpy()
    scale = given[0] / centred.loc[names[0]]
    np.testing.assert_allclose(new_vectors(model, UNTRIED), centred.loc[UNTRIED] * scale.mean(), rtol=1e-4, atol=1e-5)


def test_every_context_has_its_own_controls(world, truth, tmp_path):
    both = ad.concat([ad.read_h5ad(f) for f in truth.files.values()], index_unique="-", join="inner")
    both.write_h5ad(tmp_path / "both.h5ad")
    out = predict_file(GDE.load(world[0]), tmp_path / "both.h5ad", UNTRIED[:1], tmp_path / "p.h5ad", n=20)
    count = out.obs.groupby(["cell_line", "generated"], observed=True).size().to_dict()
    assert count == {(line, generated): 20 if generated else 50 for line in truth.files for generated in (True, False)}
    apart = predict_file(GDE.load(world[0]), tmp_path / "both.h5ad", UNTRIED[:1], tmp_path / "q.h5ad", n=20,
                         columns=Columns(within=[]))  # fmt: skip
    assert apart.n_obs == 120 and "cell_line" not in apart.obs


def test_names_of_columns_and_controls_are_given(world, file, tmp_path):
    data = ad.read_h5ad(file)
    data.obs["target"] = data.obs[COLUMN].astype(str).replace({CONTROL: "none"})
    data = data[:, ::-1].copy()
    data.X = sp.csr_matrix(data.X)
    del data.obs[COLUMN]
    data.write_h5ad(tmp_path / "a.h5ad")
    columns = Columns(condition="target", control="none")
    out = predict_file(GDE.load(world[0]), tmp_path / "a.h5ad", UNTRIED, tmp_path / "p.h5ad", columns=columns, n=5)
    assert out.obs["target"].value_counts().to_dict() == {"none": 50, "NEW1": 5, "NEW2": 5}
    alone = data[data.obs["target"] == "none"].copy()
    del alone.obs["target"]
    alone.write_h5ad(tmp_path / "b.h5ad")
    bare = predict_file(GDE.load(world[0]), tmp_path / "b.h5ad", UNTRIED, tmp_path / "q.h5ad", n=5,
                        columns=Columns(condition="target", control="none", every=True))  # fmt: skip
    np.testing.assert_array_equal(bare.X, out.X)
    pd.testing.assert_frame_equal(bare.obs, out.obs)


def test_what_a_prediction_is_compared_with(world, truth, file, tmp_path):
    genes = truth.table["gene"].tolist()[:3]
    made = predict_file(GDE.load(world[0]), file, genes, tmp_path / "p.h5ad", n=10, compared=tmp_path / "o.h5ad")
    real, data = ad.read_h5ad(tmp_path / "o.h5ad"), ad.read_h5ad(file)
    assert list(real.var_names) == list(made.var_names) and real.uns["gde"]["samples"] == OBSERVED
    assert real.obs[COLUMN].value_counts().to_dict() == {**dict.fromkeys(genes, 10), CONTROL: 50}
    assert not real.obs["generated"].any()
    controls = [a[(a.obs[COLUMN] == CONTROL).to_numpy()].X for a in (made, real)]
    np.testing.assert_array_equal(*controls)
    own = lognorm(data[data.obs[COLUMN] == genes[0]], list(made.var_names)).round(2)
    for row in real[real.obs[COLUMN] == genes[0]].X:
        assert (np.abs(own - row).max(axis=1) < 0.02).any()


def test_the_workflows_prediction_is_of_what_is_held_out(world, tmp_path):
    model, store = world
    predict_test_sets(model, store.path, tmp_path / "p.h5ad", tmp_path / "o.h5ad", device=tiny.CPU, at_most=15)
    made, real = (ad.read_h5ad(tmp_path / name) for name in ("p.h5ad", "o.h5ad"))
    test = store.groups[store.groups["split"] == "test"]
    for data in (made, real):
        count = data.obs[data.obs["gene"] != CONTROL].groupby(["gene", "cell_line"], observed=True).size()
        expected = test.set_index(["gene", "cell_line"]).eval("stop - start").clip(upper=15)
        assert count.to_dict() == expected.to_dict()
        assert set(data.obs["cell_line"][data.obs["gene"] == CONTROL]) == {"K562", "RPE1"}
    assert len(made) == len(real) and made.uns["gde"]["provenance"]["inputs"]["store"] == store.digest
    group = test.index[0]
    own = np.asarray(store.read(group))
    here = (real.obs["gene"] == test["gene"][group]) & (real.obs["cell_line"] == test["cell_line"][group])
    for row in real[here.to_numpy()].X:
        assert np.isclose(own, row, atol=1e-5).all(1).any()
    z = embed_store(GDE.load(model), store, se=False)[0]
    assert np.isfinite(z).all()


MISTAKES = {
    "unknown": (["NEW11"], {}, "did you mean 'NEW1'"),
    "control": ([CONTROL], {}, "leave it out"),
    "column": (UNTRIED, {"condition": "guide"}, "--pert-col"),
    "name": (UNTRIED, {"control": "safe"}, "--control"),
    "within": (UNTRIED, {"within": ["cell_lines"]}, "did you mean 'cell_line'"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_named_and_nothing_is_written(world, file, tmp_path, mistake):
    conditions, columns, part = MISTAKES[mistake]
    with pytest.raises(GdeError) as e:
        predict_file(GDE.load(world[0]), file, conditions, tmp_path / "p.h5ad", columns=Columns(**columns))
    assert part in str(e.value) and not list(tmp_path.iterdir())


def test_a_condition_without_cells_cannot_be_compared(world, file, tmp_path):
    with pytest.raises(GdeError, match=r"no cells of 'NEW1'.*--observed"):
        predict_file(GDE.load(world[0]), file, UNTRIED, tmp_path / "p.h5ad", compared=tmp_path / "o.h5ad")
    assert not list(tmp_path.iterdir())


def test_another_file_of_vectors_is_refused(world, tmp_path):
    model = GDE.load(world[0])
    table = pd.read_parquet(model.config["dataset"]["vectors"]["path"])
    table.iloc[:, 1:] = np.roll(table.iloc[:, 1:].to_numpy(), 1, axis=0)
    table.to_parquet(tmp_path / "other.parquet")
    model.config["dataset"]["vectors"]["path"] = str(tmp_path / "other.parquet")
    with pytest.raises(GdeError, match="vectors other than those"):
        new_vectors(model, UNTRIED)


def test_models_that_cannot_say_so(learned, file, truth, tmp_path):
    model = GDE.load(learned)
    with pytest.raises(GdeError, match=r"objective\.conditions: vectors"):
        predict_file(model, file, UNTRIED, tmp_path / "p.h5ad")
    known = model.heads["perturbation"].conditions.names[0]
    assert predict_file(model, file, [known], tmp_path / "p.h5ad", n=4).obs["generated"].sum() == 4
    del model.heads["perturbation"]
    with pytest.raises(GdeError, match=r"objective: \{kind: perturbation"):
        predict_file(model, file, UNTRIED, tmp_path / "q.h5ad")


def test_screens_of_another_kind_of_data_set(truth, file, tmp_path):
    """Cells of any .h5ad whose groups have controls: genes by their names in the file, as in training."""
    section = {"kind": "perturbation", "control": {COLUMN: CONTROL}}
    dataset = {"kind": "h5ad", "path": str(file), "groupby": [COLUMN], "values": "counts", "n_hvg": None, "n_pcs": 5}
    config = tiny.experiment(
        {"training.set_size": 10}, dataset=dataset, objective=section, evaluation={"kind": "samples"}
    )
    store = tiny.prepare(config, tmp_path / "sets")
    model = tiny.perturb(build_models(config, store, tiny.CPU)[0])
    genes = model.heads["perturbation"].conditions.names[:2]
    out = predict_file(model, file, genes, tmp_path / "p.h5ad", n=7, compared=tmp_path / "o.h5ad")
    assert out.obs[COLUMN].value_counts().to_dict() == {CONTROL: 50, genes[0]: 7, genes[1]: 7}
    assert out.obsm["X_features"].shape == (64, 5) and out.X.min() >= 0


def test_the_command_takes_names_and_a_file_of_names(world, file, tmp_path, capsys):
    (tmp_path / "genes.txt").write_text("NEW1\n\nNEW2\n")
    out = tmp_path / "p.h5ad"
    asked = ["predict", str(world[0]), str(file), "--condition", "NEW1", "--conditions", str(tmp_path / "genes.txt")]
    assert main([*asked, "-n", "6", "-o", str(out)]) == 0
    assert capsys.readouterr().out == f"{out}: 12 predicted cells of 2 perturbations, 50 controls\n"
    assert main(["predict", str(world[0]), str(file), "-o", str(out)]) == 2
    assert "name it: --condition GENE" in capsys.readouterr().err


@pytest.fixture(scope="module")
def pair(world, truth, tmp_path_factory) -> tuple[Path, Path, str, str]:
    """Files of predictions and observations, as the workflow and as the command write them."""
    root = tmp_path_factory.mktemp("pair")
    genes, file = truth.table["gene"].tolist()[:4], truth.files["K562"]
    predict_file(GDE.load(world[0]), file, genes, root / "p.h5ad", n=25, compared=root / "o.h5ad")
    return root / "p.h5ad", root / "o.h5ad", COLUMN, CONTROL


def test_cell_eval_reads_a_prediction(pair, tmp_path):
    cell_eval = pytest.importorskip("cell_eval", reason="cell-eval is not installed")
    predicted, real, column, control = pair
    options = {"control_pert": control, "pert_col": column, "num_threads": 1, "outdir": str(tmp_path)}
    judge = cell_eval.MetricsEvaluator(adata_pred=str(predicted), adata_real=str(real), **options)
    results, _ = judge.compute(profile="full", break_on_error=True)
    assert len(results) == 4


def test_cell_eval2_reads_a_prediction(pair):
    cell_eval2 = pytest.importorskip("cell_eval2", reason="cell-eval2 is not installed")
    predicted, real, column, control = pair
    config = cell_eval2.EvalConfig(pert_col=column, control=control, input_type="lognorm")
    frame = cell_eval2.compute_metrics(str(predicted), str(real), config=config)
    assert len(frame)


def test_a_model_whose_data_say_what_controls_are_predicts_alike(world, truth, file, tmp_path, monkeypatch):
    """`objective.control: null`, as a screen has it by default: by a file, and by the store."""
    model = GDE.load(world[0])
    out = predict_file(model, file, [UNTRIED[0]], tmp_path / "given.h5ad", n=20, seed=3)
    monkeypatch.setitem(model.config["objective"], "control", None)
    again = predict_file(model, file, [UNTRIED[0]], tmp_path / "null.h5ad", n=20, seed=3)
    np.testing.assert_array_equal(again.X, out.X)
    assert again.obs.equals(out.obs)


def test_pairs_with_a_control_and_names_by_identifier_are_read_as_in_training(world, truth, file, tmp_path):
    model, tried = GDE.load(world[0]), truth.table["gene"][0]
    options = {"n": 20, "seed": 3, "compared": tmp_path / "real.h5ad"}
    out = predict_file(model, file, [tried], tmp_path / "plain.h5ad", **options)
    real = ad.read_h5ad(tmp_path / "real.h5ad")
    data = ad.read_h5ad(file)
    label = data.obs[COLUMN].astype(str)
    data.obs[COLUMN] = np.where(label == CONTROL, label, label + f"+{CONTROL}")
    data.var["feature_name"] = data.var_names.to_numpy()
    data.var_names = [f"ENSG{i:011d}" for i in range(data.n_vars)]
    data.write_h5ad(tmp_path / "other.h5ad")
    again = predict_file(model, tmp_path / "other.h5ad", [tried], tmp_path / "again.h5ad", **options)
    np.testing.assert_allclose(again.X, out.X, atol=1e-5)
    np.testing.assert_allclose(ad.read_h5ad(tmp_path / "real.h5ad").X, real.X, atol=1e-5)
