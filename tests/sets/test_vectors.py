"""Vectors of conditions: read without running code, matched by name, missing ones counted, and used by the model."""

import numpy as np
import pandas as pd
import pytest
import tiny
import torch
import worlds

from gde.errors import GdeError
from gde.model import GDE
from gde.prepare.common.vectors import coexpression, match, read_vectors
from gde.sets.source import make_sampler
from gde.sets.store.set_store import SetStore
from gde.sets.store.writer import StoreWriter
from gde.sets.vectors import Vectors, load_vectors
from gde.training import build_models, train

NAMES = [f"G{i}" for i in range(12)]
TABLE = np.random.default_rng(0).normal(size=(12, 5)).astype(np.float32)


def write(path, names=NAMES, table=TABLE):
    frame = pd.DataFrame(table, index=names, columns=[f"v{i}" for i in range(table.shape[1])])
    if path.suffix == ".npz":
        np.savez(path, names=np.array(names), vectors=table)
    elif path.suffix == ".parquet":
        frame.to_parquet(path)
    elif path.suffix == ".h5ad":
        import anndata

        anndata.AnnData(frame).write_h5ad(path)
    else:
        frame.to_csv(path, sep="\t" if path.suffix == ".tsv" else ",", index_label="gene")
    return path


@pytest.mark.parametrize("ending", ["npz", "parquet", "csv", "tsv", "h5ad"])
def test_every_format_gives_the_same_vectors(tmp_path, ending):
    found = read_vectors(write(tmp_path / f"genes.{ending}"))
    assert found.names == NAMES and found.source == f"genes.{ending}"
    np.testing.assert_allclose(found.table, TABLE, rtol=1e-6)


def bad_file(name, root):
    path = root / name
    if name in ("genes.pickle", "genes.docx"):
        path.write_bytes(b"\x80\x04.")
    elif name == "page.csv":
        path.write_text("<!DOCTYPE html><html>busy</html>")
    elif name == "cut.npz":
        path.write_bytes(write(root / "whole.npz").read_bytes()[:200])
    elif name == "objects.npz":
        np.savez(path, names=np.array(["a", {}], dtype=object), vectors=TABLE[:2])
    elif name == "twice.csv":
        write(path, ["G1", "G1"], TABLE[:2])
    elif name == "nan.tsv":
        write(path, ["G1", "G2"], np.array([[1.0, 2.0], [np.nan, 1.0]]))
    elif name == "text.csv":
        path.write_text("gene,a,b\nG1,1,x\n")
    elif name == "short.npz":
        np.savez(path, names=np.array(NAMES[:3]), vectors=TABLE)
    return path


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("genes.pickle", "can run code.*npz"),
        ("genes.docx", r"the ending .\.docx."),
        ("page.csv", "an HTML page"),
        ("cut.npz", "an unreadable archive"),
        ("objects.npz", "an unreadable archive.*without objects"),
        ("twice.csv", "'G1' a second time"),
        ("nan.tsv", r"row 2 \(G2\): found NaN"),
        ("text.csv", "row 1: found .x. in column .b., expected numbers"),
        ("short.npz", r"3 names and vectors \(12, 5\)"),
    ],
)
def test_bad_files_are_refused_in_one_line(tmp_path, name, message):
    with pytest.raises(GdeError, match=message) as e:
        read_vectors(bad_file(name, tmp_path))
    assert "\n" not in str(e.value)


def test_missing_names_are_counted_listed_and_filled_on_request(caplog):
    vectors = Vectors(NAMES, TABLE, "genes.npz")
    caplog.set_level("INFO")
    with pytest.raises(GdeError, match=r"no vector for 2 of 4 conditions \(X1, X2\)"):
        match(vectors, ["G3", "X1", "G1", "X2"], where="dataset.vectors")
    found, lost = match(vectors, ["G3", "X1", "G1", "X2"], where="dataset.vectors", missing="mean")
    assert found.lost == ("X1", "X2") and "no vector for 2 of 4 conditions (X1, X2)" in caplog.text
    assert found.frame()["known"].tolist() == [True, False, True, False]
    assert lost == ["X1", "X2"] and found.names == ["G3", "X1", "G1", "X2"]
    np.testing.assert_allclose(found.table[1], found.table[[0, 2]].mean(0), atol=1e-6)
    with pytest.raises(GdeError, match=r"no vector for 2 of 2.*check that the file names conditions"):
        match(vectors, ["ENSG1", "ENSG2"], where="dataset.vectors", missing="mean")


@pytest.mark.parametrize(
    ("table", "wanted"),
    [(TABLE, ["G1", "X1", "X2"]), (np.ones_like(TABLE), ["G1", "G2", "X1"]), (0 * TABLE, ["G1", "G2"])],
    ids=["one has a vector", "all have the same", "all are zero"],
)
def test_vectors_that_tell_no_two_conditions_apart_are_refused(table, wanted):
    """They would be a column of zeros: every prediction of an unseen condition would be the same one."""
    with pytest.raises(GdeError, match=r"with a vector, all alike, expected two that differ"):
        match(Vectors(NAMES, table, "x"), wanted, where="dataset.vectors", missing="mean")


def test_components_keep_the_distances_of_low_rank_vectors():
    low = Vectors(NAMES, (TABLE[:, :2] @ np.random.default_rng(1).normal(size=(2, 30))).astype(np.float32), "x")
    found, _ = match(low, NAMES, where="x", n_pcs=2)
    whole, _ = match(low, NAMES, where="x")
    assert found.table.shape == (12, 2)

    def ratios(t):
        d = np.linalg.norm(t[:, None] - t[None], axis=-1)
        return d / d.max()

    np.testing.assert_allclose(ratios(found.table), ratios(whole.table), atol=1e-5)


@pytest.mark.parametrize("cells", [40, 400])
def test_genes_of_one_programme_have_like_vectors(cells):
    """Two programmes of ten genes and ten that are noise; both routes, rows more or fewer than genes."""
    rng = np.random.default_rng(2)
    activity = rng.normal(size=(cells, 2))
    x = np.concatenate([activity[:, [0]].repeat(40, 1), activity[:, [1]].repeat(40, 1), np.zeros((cells, 40))], 1)
    x += 0.5 * rng.normal(size=x.shape)
    x[:, -1] = 3.0  # does not vary
    found = coexpression(np.array_split(x, 7), [f"g{i}" for i in range(120)], 2)
    unit = found.table / np.linalg.norm(found.table, axis=1, keepdims=True).clip(min=1e-9)
    same, other = unit[:40] @ unit[:40].T, unit[:40] @ unit[40:80].T
    assert same.mean() > 0.9 and abs(other.mean()) < 0.3
    assert (found.table[-1] == 0).all()
    assert (np.abs(found.table) <= 1 + 1e-5).all()  # correlations


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """lines_and_genes, effects linear in vectors of 3 numbers; two genes never train in any line."""
    path = tmp_path_factory.mktemp("described") / "sets"
    rng = np.random.default_rng(5)
    lines, genes = 3, 24
    vectors = Vectors([f"G{i + 1}" for i in range(genes)], rng.normal(size=(genes, 3)).astype(np.float32), "planted")
    effect = vectors.table @ rng.normal(size=(3, 4))
    line, gene = (v.ravel() for v in np.indices((lines, genes + 1)))
    place = 2 * rng.normal(size=(lines, 4))
    mean = place[line] + np.where((gene > 0)[:, None], effect[gene - 1], 0.0)
    table = pd.DataFrame({"line": [f"L{i}" for i in line], "gene": [f"G{i}" if i else "none" for i in gene]})
    table["group"] = table["gene"] + "|" + table["line"]
    table["split"] = np.where(gene > 21, "test", np.where((gene > 18) & (gene <= 21), "validation", "train"))
    x = mean[:, None] + 0.3 * rng.normal(size=(len(mean), 60, 4))
    with StoreWriter(path, groups=table.assign(size=60), sample_shape=(4,), seed=0) as writer:
        writer.write(x.reshape(-1, 4), np.repeat(np.arange(len(mean)), 60))
        writer.finish({"kind": "test", "data": "simulated"}, tables={"vectors": vectors.frame()})
    return SetStore.open(path), effect


def objective(conditions):
    return {
        "kind": "perturbation",
        "control": {"gene": "none"},
        "within": ["line"],
        "rank": 8,
        "conditions": conditions,
    }


def error(model, store, effect, genes=("G22", "G23", "G24")):
    control = int(store.select(gene="none", line="L0")[0])
    z = model.embed(torch.from_numpy(np.array(store.read(control)))[None])
    moved = [model.predict_mean(model.predict_perturbed(z, g)) - model.predict_mean(z) for g in genes]
    true = effect[[int(g[1:]) - 1 for g in genes]]
    return float(np.square(torch.cat(moved).numpy() - true).sum() / np.square(true).sum())


def test_conditions_that_never_trained_are_predicted_from_their_vectors(world, tmp_path, no_fsync):
    """And not from each other's: with shuffled vectors the skill is gone."""
    store, effect = world
    errors = {}
    for kind in ("vectors", "shuffled_vectors"):
        config = worlds.experiment(objective(kind), latent_dim=8, **{"training.steps": 500})
        model, _ = train(config, store, tmp_path / kind, device=tiny.CPU)
        errors[kind] = error(model, store, effect)
        model.save(tmp_path / f"{kind}-model")
        assert error(GDE.load(tmp_path / f"{kind}-model"), store, effect) == errors[kind]
    assert errors["vectors"] < 0.3 and errors["shuffled_vectors"] > 0.8, errors


def test_a_store_keeps_its_vectors_and_objectives_say_what_is_missing(world, tmp_path):
    store, _ = world
    assert load_vectors(store).source == "planted" and load_vectors(store).names[0] == "G1"
    config = worlds.experiment(objective("vectors"))
    model, _ = build_models(config, store, tiny.CPU)
    torch.testing.assert_close(
        model.heads["perturbation"].conditions.given, torch.from_numpy(load_vectors(store).table)
    )
    batch = make_sampler(store, config, only=None, device=tiny.CPU)(0)
    assert batch.condition.max() < 24
    plain, _ = worlds.lines_and_genes(tmp_path / "plain")
    with pytest.raises(GdeError, match=r"objective\.conditions: found a data set without vectors"):
        make_sampler(plain, config, only=None, device=tiny.CPU)
