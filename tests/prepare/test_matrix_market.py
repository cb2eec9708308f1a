"""MatrixMarket files of any order, size and ending become rows on disk; damage is told in one line."""

import gzip

import numpy as np
import pytest
import scipy.io
import scipy.sparse as sp

from gde.errors import GdeError
from gde.readers import disk, matrix_market
from gde.readers.matrix_market import read_matrix_market

HEAD = "%%MatrixMarket matrix coordinate real general\n"


@pytest.fixture
def matrix() -> sp.csr_matrix:
    return sp.random(120, 37, 0.2, random_state=0, format="csr", dtype=np.float32)


def rows_of(found) -> np.ndarray:
    """All rows, read in slices."""
    n = found.shape[0]
    return np.concatenate([found[slice(i, min(i + 50, n))].toarray() for i in range(0, n, 50)])


@pytest.mark.parametrize("ending", [".mtx", ".mtx.gz"])
@pytest.mark.parametrize("order", ["by row", "by column", "shuffled"])
def test_the_order_of_entries_makes_no_difference(matrix, tmp_path, ending, order, monkeypatch):
    monkeypatch.setattr(matrix_market, "BLOCK", 500)  # several blocks and pieces in a small file
    monkeypatch.setattr(matrix_market, "PIECE", 97)
    x = matrix.tocoo() if order == "by row" else matrix.tocsc().tocoo()
    if order == "shuffled":
        index = np.random.default_rng(0).permutation(x.nnz)
        x = sp.coo_matrix((x.data[index], (x.row[index], x.col[index])), x.shape)
    path = tmp_path / f"x{ending}"
    scipy.io.mmwrite(tmp_path / "plain.mtx", x, precision=9)
    text = (tmp_path / "plain.mtx").read_bytes()
    half = len(text) // 2
    members = gzip.compress(text[:half]) + gzip.compress(text[half:])  # as bgzip and pigz write
    path.write_bytes(members if ending.endswith(".gz") else text)
    np.testing.assert_array_equal(rows_of(read_matrix_market(path, tmp_path)), matrix.toarray())


def test_patterns_integers_tabs_comments_and_an_empty_matrix(tmp_path):
    path = tmp_path / "x.mtx"
    path.write_text("%%MatrixMarket matrix coordinate pattern general\n% a\n% b\n2 3 2\n1 3\n2 1\n")
    np.testing.assert_array_equal(rows_of(read_matrix_market(path, tmp_path)), [[0, 0, 1], [1, 0, 0]])
    path.write_text("%%MatrixMarket matrix coordinate integer general\n2 2 1\n2\t1\t7\n")
    np.testing.assert_array_equal(rows_of(read_matrix_market(path, tmp_path)), [[0, 0], [7, 0]])
    path.write_text(HEAD + "2 3 0\n")
    np.testing.assert_array_equal(rows_of(read_matrix_market(path, tmp_path)), np.zeros((2, 3)))


@pytest.mark.parametrize("kind", ["symmetric", "skew", "unsigned", "pattern", "symmetric pattern", "integer"])
def test_whatever_scipy_writes_of_a_sparse_matrix_is_read(tmp_path, kind, monkeypatch):
    monkeypatch.setattr(matrix_market, "BLOCK", 100)
    monkeypatch.setattr(matrix_market, "PIECE", 13)
    x = sp.random(30, 30, 0.1, random_state=0, format="csr", dtype=np.float32)
    x = {"symmetric": x + x.T, "skew": x - x.T, "symmetric pattern": x + x.T}.get(kind, x)
    x.data = np.float32(1 + np.arange(x.nnz) % 9) if kind in ("unsigned", "integer") else x.data
    types = {"unsigned": np.uint32, "integer": np.int64}
    options = {"field": "pattern"} if "pattern" in kind else {"precision": 9}
    scipy.io.mmwrite(tmp_path / "x.mtx", x.astype(types.get(kind, np.float32)), **options)
    banner = (tmp_path / "x.mtx").read_text().partition("\n")[0]
    assert all(word in banner for word in kind.split())  # scipy finds out by itself
    expected = x.toarray() != 0 if "pattern" in kind else x.toarray()
    np.testing.assert_array_equal(rows_of(read_matrix_market(tmp_path / "x.mtx", tmp_path)), expected)


SYMMETRIC = HEAD.replace("general", "symmetric")


@pytest.mark.parametrize(
    "text, parts",
    [
        (HEAD + "2 2 2\n1 1 x\n2 2 1\n", ["damaged", "'x'"]),
        (SYMMETRIC + "2 3 1\n1 1 1\n", ["line 2: found 2 x 3", "a square"]),
        (SYMMETRIC + "2 2 1\n1 2 1\n", ["row 1, column 2", "below the diagonal", "general"]),
        (SYMMETRIC.replace("real", "complex") + "2 2 1\n1 1 1 0\n", ["complex", "csr_matrix"]),
        (HEAD + "2 2 2\n1 1 1\n2 3 1\n", ["entry 2", "column 3", "1 to 2"]),
        (HEAD + "2 2 2\n1 1 1\n0 1 1\n", ["entry 2", "row 0"]),
        (HEAD + "2 2 3\n1 1 1\n2 2 1\n", ["2 entries", "3 as the header says"]),
        (HEAD + "2 2 2\n1 1 1\n2 2\n", ["damaged", "columns"]),
        (HEAD + "2 2\n1 1 1\n", ["line 2", "rows columns entries"]),
        ("%%MatrixMarket matrix array real general\n2 2\n1\n1\n1\n1\n", ["array", "coordinate"]),
        ("<!DOCTYPE html><html>", ["an HTML page"]),
        ("gene\tcount\n", ["no MatrixMarket banner"]),
    ],
)
def test_what_is_no_whole_matrix_is_refused(text, parts, tmp_path):
    path = tmp_path / "x.mtx"
    path.write_text(text)
    with pytest.raises(GdeError) as e:
        read_matrix_market(path, tmp_path)
    for part in [str(path), *parts]:
        assert part in str(e.value)
    assert "\n" not in str(e.value)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.999])
def test_a_file_cut_short_is_refused(matrix, tmp_path, share):
    scipy.io.mmwrite(tmp_path / "x.mtx", matrix)
    whole = gzip.compress((tmp_path / "x.mtx").read_bytes())
    path = tmp_path / "cut.mtx.gz"
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(GdeError, match="truncated or damaged"):
        read_matrix_market(path, tmp_path)


def test_sorting_keeps_the_order_within_a_row(tmp_path, monkeypatch):
    monkeypatch.setattr(disk, "NNZ_PIECE", 3)
    entries = np.array([[2, 5], [0, 1], [2, 3], [2, 4], [0, 0], [1, 1], [2, 0]])
    pieces = [entries[:3], entries[3:]]
    found = disk.sort_by_row(
        lambda: ((p[:, 0], p[:, 1], np.arange(len(p), dtype=np.float32)) for p in pieces),
        np.bincount(entries[:, 0]),
        (3, 6),
        tmp_path,
    )
    assert found.indices[:].tolist() == [1, 0, 1, 5, 3, 4, 0]
