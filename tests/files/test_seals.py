"""Files that carry their own digest: any change is found, and told with both digests and what to do."""

import json
import re

import anndata as ad
import numpy as np
import pytest

from gde.errors import GdeError
from gde.export.h5ad import write_anndata
from gde.files.io import atomic_dir, sha256_file, verify_file, write_file_sum
from gde.files.seals import SEAL, SEAL_TEXT, audit, check_seal, digests, read_sealed_json, seal, write_sealed_json
from gde.readers.sealed_h5ad import read_anndata

VALUE = {"run": "tiny-1234", "metrics": {"w2": {"value": 0.1 + 0.2, "ci": None}}, "names": ["é", ""]}
BOTH = r"found sha256 [0-9a-f]{64}, expected sha256 [0-9a-f]{64}; the file is damaged or was edited: "


@pytest.fixture(params=["json", "h5ad", "svg"])
def sealed(request, tmp_path):
    """A sealed file of each kind."""
    path = tmp_path / f"file.{request.param}"
    if request.param == "json":
        write_sealed_json(path, VALUE)
    elif request.param == "h5ad":
        write_anndata(ad.AnnData(np.arange(600, dtype=np.float32).reshape(60, 10)), path)
    else:
        path.write_text(f"<svg>{'.' * 3000}</svg>\n<!-- {SEAL_TEXT} -->\n")
        seal(path)
    return path


def test_whole_files_pass(sealed):
    recorded, found = digests(sealed)
    assert recorded == found
    check_seal(sealed)
    check_seal(sealed, required=False)


def test_every_flipped_bit_is_found(sealed):
    """A sample of bytes over the whole file, each with another of its bits."""
    data = sealed.read_bytes()
    for number, place in enumerate(range(0, len(data), max(1, len(data) // 400))):
        changed = bytearray(data)
        changed[place] ^= 1 << number % 8
        sealed.write_bytes(changed)
        with pytest.raises(GdeError, match="damaged"):
            check_seal(sealed)
        if sealed.suffix == ".h5ad":
            with pytest.raises(GdeError, match="damaged"):
                read_anndata(sealed)


def test_every_bit_of_the_seal_itself_counts(tmp_path):
    write_sealed_json(tmp_path / "x.json", VALUE)
    data = (tmp_path / "x.json").read_bytes()
    start = data.index(SEAL.encode())
    for place in range(start, start + len(SEAL) + 4 + 64):
        for bit in range(8):
            changed = bytearray(data)
            changed[place] ^= 1 << bit
            (tmp_path / "x.json").write_bytes(changed)
            with pytest.raises(GdeError, match="damaged"):
                read_sealed_json(tmp_path / "x.json")


def test_every_truncation_is_found(sealed):
    data = sealed.read_bytes()
    for length in (*range(0, len(data), max(1, len(data) // 200)), len(data) - 1):
        sealed.write_bytes(data[:length])
        with pytest.raises(GdeError, match="damaged"):
            check_seal(sealed)


def test_the_message_has_both_digests_and_the_remedy(sealed):
    expected = digests(sealed)[1]
    data = sealed.read_bytes()
    sealed.write_bytes(data[:-1] + bytes([data[-1] ^ 4]))
    with pytest.raises(GdeError, match=BOTH + re.escape(f"make it again with `snakemake --force {sealed}`")) as e:
        check_seal(sealed)
    assert digests(sealed)[1] in str(e.value)
    assert expected in str(e.value)
    with pytest.raises(GdeError, match=BOTH + "delete it"):
        check_seal(sealed, remedy="delete it")


def test_missing_files_are_named(tmp_path):
    for read in (check_seal, read_sealed_json):
        with pytest.raises(GdeError, match=r"x\.json: found no such file"):
            read(tmp_path / "x.json")


def test_json_round_trip_and_any_json_reader(tmp_path):
    write_sealed_json(tmp_path / "x.json", VALUE)
    assert read_sealed_json(tmp_path / "x.json") == VALUE
    assert json.loads((tmp_path / "x.json").read_text()) == VALUE | {SEAL: digests(tmp_path / "x.json")[1]}
    write_sealed_json(tmp_path / "y.json", json.loads((tmp_path / "x.json").read_text()) | {"run": "other"})
    assert read_sealed_json(tmp_path / "y.json") == VALUE | {"run": "other"}
    assert list(tmp_path.glob(".*")) == []


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_json_cannot_hold_is_not_written(tmp_path, value):
    with pytest.raises(ValueError, match="JSON"):
        write_sealed_json(tmp_path / "x.json", {"a": value})
    assert list(tmp_path.iterdir()) == []


def test_a_seal_that_spans_two_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr("gde.files.seals._BLOCK", 50)
    for before in range(0, 60, 7):
        path = tmp_path / f"{before}.svg"
        path.write_text("x" * before + f"<!-- {SEAL_TEXT} -->" + "y" * 130)
        seal(path)
        check_seal(path)
        path.write_text(path.read_text()[:-1] + "z")
        with pytest.raises(GdeError, match=BOTH):
            check_seal(path)


def test_nothing_to_fill_in_is_an_error_of_the_writer(tmp_path):
    (tmp_path / "x.svg").write_text("<svg/>")
    with pytest.raises(ValueError, match="no blank"):
        seal(tmp_path / "x.svg")
    write_sealed_json(tmp_path / "x.json", VALUE)
    with pytest.raises(ValueError, match="no blank"):
        seal(tmp_path / "x.json")


def test_what_a_user_cut_out_of_embeddings_can_be_read(tmp_path, caplog):
    """It has no digest: that is said, and where one is needed refused."""
    write_anndata(ad.AnnData(np.ones((4, 2), np.float32)), tmp_path / "all.h5ad")
    ad.read_h5ad(tmp_path / "all.h5ad")[:2].copy().write_h5ad(tmp_path / "some.h5ad")
    assert read_anndata(tmp_path / "some.h5ad").shape == (2, 2)
    assert "not written by gde" in caplog.text
    with pytest.raises(GdeError, match="no whole content_sha256"):
        read_anndata(tmp_path / "some.h5ad", sealed=True)


def test_an_h5ad_has_what_anndata_would_write(tmp_path):
    """And nothing more: older versions must be able to read it."""
    import h5py

    data = ad.AnnData(np.ones((4, 2), np.float32), layers={"se": np.ones((4, 2))}, uns={"gde": {"run": "x"}})
    data.obs["kind"] = ["a", "b", "a", "b"]
    write_anndata(data, tmp_path / "ours.h5ad")
    data.write_h5ad(tmp_path / "theirs.h5ad", compression="gzip")
    found = []
    for name in ("ours", "theirs"):
        with h5py.File(tmp_path / f"{name}.h5ad") as f:
            nodes = {"/": set(f.attrs) - {SEAL}}
            f.visititems(lambda name, node, nodes=nodes: nodes.update({name: (str(node), set(node.attrs))}))
            found.append(nodes)
    assert found[0] == found[1]


def test_a_file_listed_beside_itself(tmp_path):
    table = tmp_path / "summary.tsv"
    table.write_text("a\tb\n1\t2\n")
    with pytest.raises(GdeError, match="no SHA256SUMS"):
        verify_file(table)
    write_file_sum(table)
    verify_file(table)
    table.write_text("a\tb\n1\t3\n")
    with pytest.raises(GdeError, match=BOTH + "do this"):
        verify_file(table, "do this")
    table.unlink()
    with pytest.raises(GdeError, match="no such file"):
        verify_file(table)
    (tmp_path / "other").write_text("")
    with pytest.raises(GdeError, match="does not list"):
        verify_file(tmp_path / "other")


def test_audit_of_a_directory(tmp_path):
    write_sealed_json(tmp_path / "metrics.json", VALUE)
    with atomic_dir(tmp_path / "model") as tmp:
        for name in ("a", "b", "c"):
            (tmp / name).write_text(name)
    (tmp_path / "figure.png").write_bytes(b"png")
    (tmp_path / ".hidden").write_text("")
    whole = {str(f.path.relative_to(tmp_path)): f for f in audit(tmp_path)}
    assert list(whole) == ["figure.png", "metrics.json", "model/a", "model/b", "model/c"]
    assert all(f.recorded == f.found for name, f in whole.items() if name != "figure.png")
    assert whole["figure.png"][1:] == (None, sha256_file(tmp_path / "figure.png"))
    (tmp_path / "model/a").unlink()
    (tmp_path / "model/b").write_text("B")
    after = {str(f.path.relative_to(tmp_path)): f for f in audit(tmp_path)}
    assert after["model/a"] == (tmp_path / "model/a", whole["model/a"].recorded, None)
    assert after["model/b"].recorded == whole["model/b"].recorded != after["model/b"].found
    assert after["model/c"] == whole["model/c"]
