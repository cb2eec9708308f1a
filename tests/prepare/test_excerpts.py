"""Real cells in the layouts of their releases become set stores: LARRY clones and a Perturb-seq screen."""

import gzip

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.io
import scipy.sparse as sp
from prepare_data import SPLIT, h5ad_cfg

from gde.features.pipeline import FeaturePipeline
from gde.prepare.h5ad import prepare
from gde.sets.store.set_store import SetStore


def larry(folder) -> ad.AnnData:
    """Cells x genes with clone (a cell has one if its row of the clone matrix is not empty) and day."""
    counts = sp.csr_matrix(scipy.io.mmread(folder / "stateFate_inVitro_normed_counts.mtx.gz"), dtype=np.float32)
    clones = sp.csr_matrix(scipy.io.mmread(folder / "stateFate_inVitro_clone_matrix.mtx.gz"))
    obs = pd.read_csv(folder / "stateFate_inVitro_metadata.txt.gz", sep="\t")
    with gzip.open(folder / "stateFate_inVitro_gene_names.txt.gz", "rt") as f:
        genes = f.read().split()
    labelled = np.asarray(clones.sum(1)).ravel() > 0
    obs["clone"] = np.where(labelled, np.asarray(clones.argmax(1)).ravel(), -1)
    obs["day"] = obs["Time point"].astype(float)
    obs.index = [f"{i}" for i in range(len(obs))]
    return ad.AnnData(sp.csr_matrix(counts.log1p()), obs, pd.DataFrame(index=genes))[labelled].copy()


def test_larry_clones_by_day(tmp_path, excerpt):
    cells = larry(excerpt("larry"))
    path = tmp_path / "larry.h5ad"
    cells.write_h5ad(path)
    cfg = h5ad_cfg(path, groupby=["clone", "day"], values="lognorm", n_hvg=500, n_pcs=20, split=SPLIT | {"by": "clone"})
    prepare(cfg, tmp_path / "store", name="larry", seed=0)
    store = SetStore.open(tmp_path / "store")
    assert len(store) == 45  # (clone, day) pairs of at least three cells, by the excerpt's README
    assert (store.sizes >= 3).all() and store.meta["data"] == "user"
    assert store.groups.groupby("clone")["split"].nunique().max() == 1
    assert (cells.obs["clone"] == 0).sum() == 10  # the first clone is not taken for "no clone"
    assert store.meta["dropped_samples"] == len(cells) - len(store.x)


@pytest.mark.filterwarnings("ignore::anndata.OldFormatWarning")
def test_a_perturb_seq_screen_in_its_own_layout(tmp_path, excerpt):
    path = excerpt("perturbseq") / "K562_raw_singlecell_01.h5ad"
    cfg = h5ad_cfg(path, groupby=["gene"], labels=["gene_id"], n_hvg=200, n_pcs=30)
    prepare(cfg, tmp_path / "store", name="screen", seed=0)
    store = SetStore.open(tmp_path / "store")
    assert store.meta["data"] == "excerpt" and len(store) == 19 and store.x.shape == (1895, 30)
    assert set(store.groups["gene"]) >= {"non-targeting", "MAPK1"} and "gene_id" in store.groups
    adata = ad.read_h5ad(path)
    sizes = dict(zip(store.groups["gene"], store.sizes.tolist(), strict=True))
    assert sizes == adata.obs["gene"].value_counts().to_dict()
    again = np.concatenate(list(FeaturePipeline.load(tmp_path / "store" / "features").transform_h5ad(path)))
    np.testing.assert_allclose(np.sort(store.x, 0), np.sort(again, 0), atol=1e-4)
