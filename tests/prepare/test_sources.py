"""Bundled and simulated data: what is promised about digits, pbmc68k and the families' held-out sets."""

import numpy as np
import pytest
import torch
from prepare_data import SPLIT, refused

from gde.errors import GdeError
from gde.features.pipeline import FeaturePipeline
from gde.prepare import digits, pbmc68k, simulate
from gde.sets.store.set_store import SetStore

SIMULATED = {
    "normal": {
        "mean_low": 0.0,
        "mean_high": 5.0,
        "sd_low": 0.2,
        "sd_high": 2.0,
        "published_distribution": {"mean_high": 1.0},
    },
    "poisson": {"rate_low": 3.0, "rate_high": 9.0, "published_distribution": {"rate_high": 5.0}},
    "multinomial": {
        "categories": 3,
        "trials": 20,
        "alpha": [5.0],
        "published_distribution": {"alpha": [9.0, 5.0, 5.0]},
    },
    "mvn": {
        "dim": 5,
        "mean_low": 0,
        "mean_high": 5,
        "df": 40,
        "published_distribution": {"mean_low": 0, "mean_high": 1},
    },
    "mvn_lowrank": {"dim": 4, "rank": 2, "scale": 0.5, "published_distribution": {"mean_high": 1.0}},
    "gmm": {"dim": 2, "df": 40, "components": 3, "alpha": 1.0, "published_distribution": {"df": 10}},
}
# anndata warns that the bundled file is old; our own reader does not mind.
OLD_FILE = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::anndata.OldFormatWarning")
SIZES = {"test_sets": 12, "validation_sets": 5, "test_size": 400}


def simulated(kind, out, seed=0, **changes) -> SetStore:
    simulate.prepare({"kind": kind, **SIMULATED[kind], **SIZES, **changes}, out, name=kind, seed=seed)
    return SetStore.open(out)


@pytest.mark.parametrize("kind", SIMULATED)
def test_held_out_sets_have_the_parameters_they_state(kind, out):
    store = simulated(kind, out)
    assert len(store) == 5 + 12 + 12 and (store.sizes == 400).all() and store.meta["data"] == "simulated"
    assert store.groups.groupby(["split", "distribution"]).size().to_dict() == {
        ("test", "paper"): 12, ("test", "strict"): 12, ("validation", "strict"): 5,
    }  # fmt: skip
    from gde.sets.families import build

    family = build(kind, **store.meta["family"]["params"])
    mean, cov = (t.double().numpy() for t in family.moments(store.truth))
    x = np.stack([store.read(g) for g in range(len(store))]).astype(float)
    error = (x.mean(1) - mean) / np.sqrt(np.diagonal(cov, axis1=1, axis2=2) / 400)
    assert np.abs(error).max() < 5 and abs(error.std() - 1) < 4 / np.sqrt(2 * error.size)
    ratio = x.var(1) / np.diagonal(cov, axis1=1, axis2=2)
    assert np.abs(ratio - 1).max() < 0.5


def test_the_published_law_applies_to_its_sets_only(out):
    store = simulated("mvn", out)
    paper = torch.as_tensor(store.groups["distribution"].eq("paper").to_numpy())
    assert store.truth["mean"][paper].max() <= 1 < store.truth["mean"][~paper].max()


def test_standardisation_is_of_the_training_law(out):
    store = simulated("mvn", out)
    within = 1 / (40 - 5 - 1)
    np.testing.assert_allclose(store.meta["mean"], 2.5, atol=0.4)
    np.testing.assert_allclose(store.meta["scale"], np.sqrt(25 / 12 + within), rtol=0.1)


def test_seed_decides_everything(tmp_path):
    a, b, c = (simulated("gmm", tmp_path / n, seed=s) for n, s in (("a", 0), ("b", 0), ("c", 1)))
    assert a.digest == b.digest != c.digest
    assert not set(np.unique(a.truth["mean"])) & set(np.unique(c.truth["mean"]))


def test_without_a_published_law_there_are_no_paper_sets(out):
    store = simulated("mvn", out, published_distribution=None)
    assert set(store.groups["distribution"]) == {"strict"} and store.meta["published_distribution"] is None


def test_blocks_are_complete(out, monkeypatch):
    monkeypatch.setattr(simulate, "BLOCK_VALUES", 400 * 2 * 3)
    store = simulated("gmm", out)
    assert len(np.unique(store.x, axis=0)) == len(store.x) == 29 * 400


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"df": 3}, "dataset.df: found 3"),
        ({"test_size": 0}, "dataset.test_size: found 0"),
        ({"test_sets": 1.5}, "dataset.test_sets: found 1.5"),
        ({"published_distribution": {"dff": 3}}, "dataset.published_distribution.dff"),
        ({"published_distribution": {"dim": 3}}, "dataset.published_distribution.dim"),
    ],
    ids=["df", "size", "sets", "law-key", "law-dim"],
)
def test_impossible_settings_are_refused(out, changes, part):
    with refused(out, part):
        simulated("mvn", out, **changes)


def test_digits_are_scikit_learns(out):
    load = pytest.importorskip("sklearn.datasets").load_digits()
    digits.prepare({"kind": "digits"}, out, name="digits", seed=0)
    store = SetStore.open(out)
    assert store.meta["data"] == "release" and store.meta["image_shape"] == [8, 8] and store.x.shape == (1797, 64)
    assert set(store.groups["split"]) == {"train", "validation", "test"} and len(store) == 30
    for d in range(10):
        mine = np.concatenate([store.read(g) for g in store.select(digit=d)]) * 16
        expected = load.data[load.target == d]
        assert sorted(map(tuple, mine)) == sorted(map(tuple, expected))
    train = np.concatenate([store.read(g) for g in store.select("train")]).astype(float)
    np.testing.assert_allclose(store.meta["mean"], train.mean(0), atol=1e-6)
    assert min(store.meta["scale"]) > 0


def test_digits_can_hold_whole_digits_out(out):
    digits.prepare({"kind": "digits", "split": SPLIT}, out, name="digits", seed=0)
    assert SetStore.open(out).groups["group"].is_unique
    with pytest.raises(GdeError, match="'group' or 'sample' for digits"):
        digits.prepare({"kind": "digits", "split": SPLIT | {"by": "donor"}}, out, name="digits", seed=0)


@OLD_FILE
def test_pbmc68k_is_the_release_in_our_own_pca(out):
    ad = pytest.importorskip("anndata")
    pbmc68k.prepare({"kind": "pbmc68k", "n_pcs": 20}, out, name="pbmc68k", seed=0)
    store = SetStore.open(out)
    adata = ad.read_h5ad(pbmc68k.bundled_file())
    assert store.meta["data"] == "release" and store.x.shape == (700, 20) and len(store) == 30
    sizes = store.groups.assign(n=store.sizes).groupby("bulk_labels")["n"].sum()
    assert sizes.to_dict() == adata.obs["bulk_labels"].value_counts().to_dict()
    pipeline = FeaturePipeline.load(out / "features")
    again = np.concatenate(list(pipeline.transform_h5ad(adata, use_raw=True)))
    np.testing.assert_allclose(np.sort(store.x, 0), np.sort(again, 0), atol=1e-4)
    train = np.concatenate([store.read(g) for g in store.select("train")]).astype(float)
    np.testing.assert_allclose(train.mean(0), 0, atol=1e-4)  # centred and uncorrelated on the training cells
    cov = np.cov(train.T)
    np.testing.assert_allclose(cov, np.diag(pipeline.tensors["variance"]), atol=1e-3 * cov[0, 0])


@OLD_FILE
def test_pbmc68k_of_another_version_is_not_called_release(out, tmp_path, monkeypatch):
    ad = pytest.importorskip("anndata")
    adata = ad.read_h5ad(pbmc68k.bundled_file())
    adata.write_h5ad(tmp_path / "other.h5ad")
    monkeypatch.setattr(pbmc68k, "bundled_file", lambda: tmp_path / "other.h5ad")
    pbmc68k.prepare({"kind": "pbmc68k"}, out, name="pbmc68k", seed=0)
    assert SetStore.open(out).meta["data"] == "user"
