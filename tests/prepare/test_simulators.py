"""The simulators plant what their truth tables say."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from simulators.donors import simulate_donors
from simulators.lineage import FATES, SCATTER, probabilities, simulate_lineage
from simulators.perturb import simulate_perturb


def test_clones_are_as_correlated_as_stated(tmp_path):
    truth = simulate_lineage(tmp_path / "a", clones=1500, cells=(0.1, 0.1, 6.0), genes=12, rho=0.8, seed=0)
    for i in range(truth.dims):
        found = np.corrcoef(truth.clones[f"early_{i}"], truth.clones[f"late_{i}"])[0, 1]
        assert found == pytest.approx(0.8, abs=4 * (1 - 0.8**2) / np.sqrt(1500))
    assert truth.bits == pytest.approx(-np.log2(1 - 0.8**2))
    late = truth.cells[(truth.cells["day"] == 6)]
    chance = truth.clones[[f"probability_{f}" for f in FATES]].to_numpy()[late["clone"]]
    error = [(late["fate"] == f).mean() - chance[:, i].mean() for i, f in enumerate(FATES)]
    assert np.abs(error).max() < 4 * 0.5 / np.sqrt(len(late))


def test_observed_information_grows_to_what_is_planted(tmp_path):
    truth = simulate_lineage(tmp_path / "a", clones=4, genes=12, rho=0.9)
    few, many = truth.observed_bits(2, 3), truth.observed_bits(50, 200)
    assert 0 < few < many < truth.bits
    assert many > 0.8 * truth.bits
    none = simulate_lineage(tmp_path / "b", clones=4, genes=12, rho=0.0)
    assert none.observed_bits(50, 20) == pytest.approx(0, abs=0.02) and none.bits == 0


def test_observed_information_of_one_fate_agrees_with_summation(tmp_path):
    """One late cell: the information is the mean over early states of the divergence of the fates' probabilities."""
    truth = simulate_lineage(tmp_path / "a", clones=4, genes=12, rho=0.9)
    rng = np.random.default_rng(5)
    shrink = 1 / (1 + SCATTER**2 / 4)
    seen = rng.standard_normal((1000, 2)) / np.sqrt(shrink)
    noise = rng.standard_normal((1, 400, 2)) * np.sqrt(1 - truth.rho**2 * shrink)
    late = truth.rho * shrink * seen[:, None] + noise
    given = probabilities(late.reshape(-1, 2)).reshape(1000, 400, 3).mean(1)
    exact = (given * np.log2(given / given.mean(0))).sum(1).mean()
    assert truth.observed_bits(4, 1, draws=2000, inner=400) == pytest.approx(exact, abs=0.05)


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::anndata.OldFormatWarning")
def test_perturbations_move_expression_as_planted(tmp_path):
    truth = simulate_perturb(tmp_path, perturbed=8, cells=400, controls=800, genes=60, absent=0.0, duplicated=0,
                             lines=("K562",), batch_effect=0.0, seed=2)  # fmt: skip
    a = ad.read_h5ad(truth.files["K562"])
    share = pd.DataFrame(a.X / a.X.sum(1, keepdims=True)).groupby(a.obs["gene"].astype(str).to_numpy()).mean()
    control = share.loc["non-targeting"].to_numpy()
    well = control > 2e-3
    for gene, null, shift in zip(truth.table["gene"], truth.table["null"], truth.shift, strict=True):
        found = np.log(share.loc[gene].to_numpy()[well] / control[well])
        expected = (shift - np.log((control * np.exp(shift)).sum()))[well]
        np.testing.assert_allclose(found, expected, atol=0.35)
        assert null == (not shift.any())
    assert truth.table["null"].sum() == 3
    # The first entries of the embedding tell the shift; it vanishes with them.
    e = truth.embeddings.iloc[:, 1:5].to_numpy()
    others = np.delete(truth.shift, [truth.measured.index(g) for g in truth.table["gene"]], axis=1)  # not their targets
    residual = others - e @ np.linalg.lstsq(e, others, rcond=None)[0]
    assert np.square(residual).sum() < 0.05 * np.square(others).sum()


def test_illness_is_in_the_monocytes_and_crossed_with_batches(tmp_path):
    truth = simulate_donors(tmp_path / "x.h5ad", donors=24, cells=100, effect=1.5, batch_effect=0.0, seed=0)
    assert truth.table.groupby(["batch", "disease"]).size().tolist() == [4] * 6
    a = ad.read_h5ad(tmp_path / "x.h5ad")
    y = np.log1p(a.X.toarray() / a.X.toarray().sum(1, keepdims=True) * 1e4)

    def difference(kind):
        cells = (a.obs["cell_type"] == kind).to_numpy()
        means = pd.DataFrame(y[cells]).groupby(a.obs["disease"].astype(str).to_numpy()[cells]).mean()
        return np.square(means.loc["ill"] - means.loc["well"]).sum()

    assert difference("Monocyte") > 10 * difference("T cell")


def test_seeds_decide(tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        simulate_donors(tmp_path / f"{name}.h5ad", donors=4, cells=10, genes=20, seed=seed)
    a, b, c = (ad.read_h5ad(tmp_path / f"{name}.h5ad").X.toarray() for name in "abc")
    assert np.array_equal(a, b) and (a.shape != c.shape or not np.array_equal(a, c))
