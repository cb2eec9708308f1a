"""Digests of content: the same for equal content, whatever other programs add to a file."""

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest

from gde.runs.canonical import canonical_digest

ADDED = {
    "none": None,
    "number": 3,
    "flag": True,
    "text": "cosine",
    "texts": np.array(["a", "long text"], dtype=object),
    "records": np.array([("B", 0.5), ("T cell", 0.25)], dtype=[("names", "O"), ("scores", "f4")]),
    "nested": {"deeper": {"nothing": None, "array": np.arange(4.0)}},
    "table": pd.DataFrame({"k": pd.Categorical(["x", "y"])}, index=["r0", "r1"]),
}


def written(path, **uns):
    data = ad.AnnData(np.eye(3, dtype=np.float32), obs=pd.DataFrame({"k": ["a", "b", "a"]}, index=list("xyz")))
    data.uns.update(uns)
    data.write_h5ad(path)
    return path


@pytest.mark.parametrize("key", ADDED)
def test_equal_content_has_equal_digests(tmp_path, key):
    one, two = (canonical_digest(written(tmp_path / name, **{key: ADDED[key]})) for name in ("a.h5ad", "b.h5ad"))
    assert one == two


def test_every_addition_is_seen(tmp_path):
    digests = [canonical_digest(written(tmp_path / f"{key}.h5ad", x=value)) for key, value in ADDED.items()]
    digests += [canonical_digest(written(tmp_path / "plain.h5ad"))]
    digests += [canonical_digest(written(tmp_path / "other.h5ad", x=other(ADDED["records"])))]
    assert len(set(digests)) == len(digests)


def other(records):
    """The same lengths, another text."""
    changed = records.copy()
    changed["names"][1] = "T coll"
    return changed


def test_names_in_records_are_compared_by_their_text(tmp_path):
    """HDF5 keeps text of any length elsewhere, so its bytes in a record are an address."""
    names = np.dtype([("name", h5py.string_dtype())])
    for file, filler in (("a.h5ad", 1), ("b.h5ad", 50)):
        with h5py.File(tmp_path / file, "w") as f:
            f["x"] = np.array([("gene",)] * 3, dtype=names)
            f["y"] = np.array([("other" * filler,)], dtype=names)[:0]
    assert canonical_digest(tmp_path / "a.h5ad") == canonical_digest(tmp_path / "b.h5ad")
