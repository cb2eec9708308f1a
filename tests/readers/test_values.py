"""What a file is said to hold is what it holds: counts, normalised values, logarithms, each checked in one pass."""

import anndata as ad
import numpy as np
import pytest
import scipy.sparse as sp

from gde.errors import GdeError
from gde.features.pipeline import FeaturePipeline
from gde.readers.anndata import read_cells

RNG = np.random.default_rng(0)
DEPTH = RNG.integers(500, 5000, (80, 1))
COUNTS = RNG.poisson(RNG.dirichlet(np.full(40, 2.0), 80) * DEPTH).astype(np.float32)
TOTALS = COUNTS.sum(1, keepdims=True)
PER_10K = COUNTS / TOTALS * np.float32(1e4)
FRACTIONS = np.where(COUNTS > 3, COUNTS - RNG.uniform(0, 1, COUNTS.shape).round(3), COUNTS).astype(np.float32)
BACK = np.expm1(np.log1p(PER_10K)) * TOTALS / np.float32(1e4)  # whole but for rounding


def read(x, values):
    with read_cells(ad.AnnData(x), values=values, chunk=17) as cells:
        return [np.concatenate([c.toarray() if sp.issparse(c) else c for _, c in cells.chunks()]) for _ in range(2)]


@pytest.mark.parametrize("form", [np.asarray, sp.csr_matrix], ids=["dense", "sparse"])
@pytest.mark.parametrize(
    ("x", "values"),
    [
        (COUNTS, "counts"),
        (FRACTIONS, "fractional_counts"),
        (COUNTS, "fractional_counts"),
        (PER_10K, "normalised"),
        (PER_10K[:, :30], "normalised"),
        (np.log1p(PER_10K), "lognorm"),
        (np.log1p(PER_10K)[:, :10], "lognorm"),
        (np.log2(1 + PER_10K), "lognorm"),
        (COUNTS - COUNTS.mean(0), "scaled"),
    ],
)
def test_what_is_so_passes_as_it_is(x, values, form):
    for passed in read(form(x), values):
        np.testing.assert_array_equal(passed, x)


@pytest.mark.parametrize("form", [np.asarray, sp.csr_matrix], ids=["dense", "sparse"])
@pytest.mark.parametrize(
    ("x", "values", "parts"),
    [
        (FRACTIONS, "counts", ["whole numbers", "values: fractional_counts"]),
        (FRACTIONS, "normalised", ["totals that differ", "values: fractional_counts"]),
        (COUNTS * np.float32(1.5), "normalised", ["totals that differ"]),
        (np.log1p(COUNTS), "lognorm", ["log1p of whole numbers", "values: counts"]),
        (COUNTS - 1, "fractional_counts", ["no negative number with values: fractional_counts"]),
        (COUNTS + np.float32(0.0625), "counts", [".0625"]),
    ],
)
def test_what_is_not_so_is_refused_with_the_way_out(x, values, parts, form):
    with pytest.raises(GdeError) as e:
        read(form(x), values)
    assert all(part in str(e.value) for part in parts), e.value


def test_a_number_near_a_whole_one_is_shown_as_it_is():
    x = COUNTS.copy()
    x[3, 2] = 72.99
    with pytest.raises(GdeError, match=r"row 3 .*found 72\.99, expected whole numbers"):
        read(x, "counts")
    x[3, 2] = 1234567.4
    with pytest.raises(GdeError, match=r"found 1234567\.4"):
        read(x, "counts")


@pytest.mark.parametrize("form", [np.asarray, sp.csr_matrix], ids=["dense", "sparse"])
def test_counts_that_rounding_moved_are_made_whole_and_that_is_said(form, caplog):
    assert 0 < np.abs(BACK - np.rint(BACK)).max() < 0.1
    with caplog.at_level("INFO"):
        first, second = read(form(BACK), "counts")
    np.testing.assert_array_equal(first, np.rint(BACK))
    np.testing.assert_array_equal(second, np.rint(BACK))
    assert [r for r in caplog.records if "are made whole" in r.getMessage()]


def test_fractional_counts_are_made_per_10k_as_counts_are():
    names = [f"g{i}" for i in range(40)]
    steps = {"n_hvg": None, "scale": False, "n_pcs": None}
    both = {
        v: FeaturePipeline.fit(lambda: iter([FRACTIONS]), names, {"values": v, **steps})
        for v in ("counts", "fractional_counts", "lognorm")
    }
    x = {v: pipeline.transform(FRACTIONS, names) for v, pipeline in both.items()}
    np.testing.assert_array_equal(x["fractional_counts"], x["counts"])
    np.testing.assert_allclose(np.expm1(x["fractional_counts"]).sum(1), 1e4, rtol=1e-4)
