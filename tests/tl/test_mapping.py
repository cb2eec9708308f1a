"""The map: ellipses that hold the places as often as they say, components that outliers do not turn."""

import subprocess
import sys

import numpy as np
import pytest
from simulators.cohort import rotated, simulate_cohort

from gde import tl
from gde.errors import GdeError
from gde.tl.mapping import hotelling, map_table, pca


@pytest.mark.parametrize(("latent", "error"), [(2, 0.3), (12, 0.3), (12, 0.02)])
def test_ellipses_hold_the_places(latent, error):
    """At least 95 %: errors are estimated from 16 folds, which Hotelling's radius allows for."""
    data = simulate_cohort(4000, latent, error=error, disease=3.0)
    pca(data)
    table = map_table(data)
    axes = data.varm["PCs"][:, :2]
    off = (data.layers["place"] - data.X) @ axes
    shape = np.stack([table[["var_1", "cov_12"]].to_numpy(), table[["cov_12", "var_2"]].to_numpy()], 1)
    inside = np.einsum("gi,gij,gj->g", off, np.linalg.inv(shape), off) <= np.square(table["radius"])
    assert 0.945 <= inside.mean() <= 0.985


def test_the_radius_is_hotellings():
    """T2 of p = 2 and 15 degrees of freedom at 5 %: 8.012 (tables); the normal limit is chi-squared's 5.991."""
    assert hotelling(np.array([15]))[0] ** 2 == pytest.approx(8.012, abs=0.01)
    assert hotelling(np.array([10**7]))[0] ** 2 == pytest.approx(5.991, abs=0.01)
    assert np.isnan(hotelling(np.array([0, 1, 2]))).all()


def test_components_are_those_of_scikit_learn():
    from sklearn.decomposition import PCA

    data = simulate_cohort(30)
    pca(data)
    known = PCA().fit(data.X)
    np.testing.assert_allclose(data.uns["pca"]["variance_ratio"], known.explained_variance_ratio_, atol=1e-9)
    np.testing.assert_allclose(data.uns["pca"]["variance"], known.explained_variance_, atol=1e-9)
    np.testing.assert_allclose(np.abs(data.obsm["X_pca"]), np.abs(known.transform(data.X)), atol=1e-4)


def test_places_do_not_change_when_the_space_is_rotated():
    data = simulate_cohort(20)
    other, _ = rotated(data)
    for each in (data, other):
        pca(each)
    np.testing.assert_allclose(np.abs(data.obsm["X_pca"]), np.abs(other.obsm["X_pca"]), atol=1e-4)


def test_an_outlier_does_not_turn_the_components(caplog):
    data = simulate_cohort(60, disease=5.0)
    data.X[7] = 1e3 * np.eye(6)[4]
    pca(data)
    assert data.uns["pca"]["left_out"] == ["donor_7"] and "donor_7" in caplog.text
    assert abs(data.varm["PCs"][0, 0]) > 0.9 and np.isfinite(data.obsm["X_pca"]).all()


def test_sets_of_few_samples_do_not_turn_the_components():
    data = simulate_cohort(16, disease=5.0)
    data.X[[3, 8]] += 8 * np.eye(6)[[4, 5]]
    data.obs.loc[["donor_3", "donor_8"], "n_samples"] = 2
    pca(data)
    assert abs(data.varm["PCs"][0, 0]) > 0.9
    assert np.abs(data.obsm["X_pca"][3]).max() > 4  # and have their place all the same
    data.obs["n_samples"] = 2  # where all are small, all count
    pca(data)
    assert abs(data.varm["PCs"][0, 0]) < 0.9


def test_everything_at_once(caplog):
    data = simulate_cohort(24, disease=2.0, batch=1.0)
    table = tl.map(data, batch="batch", keep=["disease"], umap=False, permutations=19)
    assert {"X_pca", "X_pca_error", "X_pca_corrected", "X_pca_error_corrected"} <= set(data.obsm)
    assert set(data.obsp) == {"gde_distances", "gde_distances_corrected"}
    assert {"gde_associations", "gde_associations_batch"} <= set(data.uns)
    assert list(table.index) == list(data.obs_names) and {"pc_1", "radius", "disease"} <= set(table)


def test_the_slots_can_be_written_and_read(tmp_path):
    from gde.export.h5ad import write_anndata
    from gde.readers.sealed_h5ad import read_anndata

    data = simulate_cohort(12)
    tl.map(data, umap=False, permutations=9)
    write_anndata(data, tmp_path / "z.h5ad")
    again = read_anndata(tmp_path / "z.h5ad", sealed=True)
    np.testing.assert_array_equal(again.obsp["gde_distances"], data.obsp["gde_distances"])
    assert list(again.uns["gde_associations"].index) == list(data.uns["gde_associations"].index)
    assert list(map_table(again)["pc_1"]) == list(map_table(data)["pc_1"])


@pytest.mark.slow  # UMAP compiles itself
def test_umap_is_the_same_for_the_same_seed_and_keeps_neighbours():
    made = []
    for seed in (0, 0, 1):
        data = simulate_cohort(40, disease=20.0)
        tl.map(data, permutations=9, seed=seed)
        made.append(data.obsm["X_umap"])
    np.testing.assert_array_equal(made[0], made[1])
    assert (made[0] != made[2]).any()
    ill = (data.obs["disease"] == "ill").to_numpy()
    gap = np.linalg.norm(made[0][:, None] - made[0][None], axis=-1) + np.diag(np.full(40, np.inf))
    assert (ill[gap.argmin(1)] == ill).all()


def test_few_groups_have_no_umap_and_it_is_said(caplog):
    data = simulate_cohort(8)
    tl.map(data, permutations=9)
    assert "X_umap" not in data.obsm and "no UMAP of 8 groups" in caplog.text


def test_embeddings_without_errors_have_a_map():
    data = simulate_cohort(8)
    del data.layers["se"]
    table = tl.map(data, umap=False, permutations=9)
    assert table["var_1"].isna().all() and table["pc_1"].notna().all()
    assert data.uns["gde_associations"]["ceiling"].isna().all()


def test_two_groups_are_no_map():
    with pytest.raises(GdeError, match="2 groups, expected 3 or more"):
        tl.map(simulate_cohort(2))


def test_a_function_is_no_module():
    """gde.tl.map stays callable, whatever was imported before; and naming it loads neither UMAP nor torch."""
    code = """
import sys
import gde.tl, gde.pl
for name in ("map", "distances", "associations"):
    assert callable(getattr(gde.tl, name)) and callable(getattr(gde.pl, name)), name
assert callable(gde.tl.map) and callable(gde.pl.map)
print([m for m in ("umap", "torch", "numba", "scanpy", "matplotlib.pyplot") if m in sys.modules])
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert out.stdout.strip() == "[]", out.stderr
