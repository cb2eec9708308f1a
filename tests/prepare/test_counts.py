"""Cells of several files are one matrix: genes joined by name, counts of a gene that stands there twice added up."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from gde.errors import GdeError
from gde.features.pipeline import FeaturePipeline
from gde.prepare.common.counts import GeneMap, JoinedCells, listed, missing_as_text, unique_names
from gde.readers.anndata import read_cells


@pytest.mark.parametrize("form", [np.asarray, sp.csr_matrix], ids=["dense", "csr"])
def test_a_join_keeps_the_counts_of_shared_genes(form):
    names, joined = ["a", "b", "x", "a", "c", "b", "a"], ["c", "a", "b"]
    x = np.random.default_rng(0).poisson(2.0, (5, 7)).astype(np.float32)
    y = GeneMap(names, joined)(form(x))
    expected = np.stack([x[:, [i for i, n in enumerate(names) if n == g]].sum(1) for g in joined], axis=1)
    np.testing.assert_array_equal(y.toarray() if sp.issparse(y) else y, expected)
    assert sp.issparse(y) == (form is sp.csr_matrix)


def test_an_identical_list_of_genes_costs_nothing():
    x = np.ones((2, 2), np.float32)
    assert GeneMap(["a", "b"], ["a", "b"])(x) is x


def parts(tmp_path, values="counts", genes=(("a", "b", "c"), ("c", "b", "d"))):
    """Two files opened as Cells."""
    rng = np.random.default_rng(0)
    for i, names in enumerate(genes):
        obs = pd.DataFrame({"at": [f"{i}{j}" for j in range(4)]}, index=[f"c{j}" for j in range(4)])
        var = pd.DataFrame(index=[f"id{j}" for j in range(len(names))])
        ad.AnnData(rng.poisson(3.0, (4, len(names))).astype(np.float32), obs, var).write_h5ad(tmp_path / f"{i}.h5ad")
    return [read_cells(tmp_path / f"{i}.h5ad", values=values, chunk=3) for i in range(len(genes))], genes


def test_parts_follow_each_other_with_their_own_names(tmp_path):
    opened, genes = parts(tmp_path)
    with opened[0] as one, opened[1] as two:
        cells = JoinedCells({"A": one, "B": two}, {"A": list(genes[0]), "B": list(genes[1])})
        assert cells.var_names == ["b", "c"] and len(cells) == 8 and cells.duplicates == {}
        assert cells.obs_names[3:5] == ["A:c3", "B:c0"] and cells.column("at").tolist()[3:5] == ["03", "10"]
        starts, chunks = zip(*cells.chunks(), strict=True)
        assert starts == (0, 3, 4, 7)
        whole = np.concatenate(chunks)
    expected = [ad.read_h5ad(tmp_path / f"{i}.h5ad").X for i in range(2)]
    np.testing.assert_array_equal(whole, np.concatenate([expected[0][:, [1, 2]], expected[1][:, [1, 0]]]))


def test_files_without_a_common_gene_are_refused(tmp_path):
    opened, _ = parts(tmp_path)
    with opened[0] as one, opened[1] as two, pytest.raises(GdeError, match=r"no gene in common.*A: a, b, c.*dataset\."):
        JoinedCells({"A": one, "B": two}, {"A": ["a", "b", "c"], "B": ["x", "y", "z"]})


def test_duplicates_of_logarithms_are_refused(tmp_path):
    opened, _ = parts(tmp_path, values="lognorm")
    with opened[0] as one, pytest.raises(GdeError, match=r"1 genes more than once \(a\).*cannot be added"):
        JoinedCells({"A": one}, {"A": ["a", "b", "a"]})


def test_names_are_made_unique_without_meeting_others():
    assert unique_names(["a", "b", "a", "a-1", "a"]) == ["a", "b", "a-2", "a-1", "a-3"]
    assert listed(list("abcdefg"), 3) == "a, b, c, … (7 in all)" and listed(["a"]) == "a"


def test_columns_as_text():
    values = np.array([1.0, 2, None, "x", "", 2.5, np.int64(3)], dtype=object)
    assert missing_as_text(values, "?").tolist() == ["1", "2", "?", "x", "?", "2.5", "3"]


def test_normalised_values_get_the_logarithm_only():
    x = np.array([[0.0, 5.5], [300.0, 20.25]])
    pipeline = FeaturePipeline.fit(lambda: iter([x]), ["a", "b"], {"values": "normalised"})
    np.testing.assert_allclose(pipeline.transform(x, ["a", "b"]), np.log1p(x), rtol=1e-6)
    np.testing.assert_allclose(pipeline.transform(sp.csr_matrix(x), ["a", "b"]), np.log1p(x), rtol=1e-6)
