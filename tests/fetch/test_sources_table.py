"""resources/sources.yaml: what is shipped is right, what is wrong is refused with file, line and key."""

import re
from pathlib import Path

import pytest
import yaml

from gde.config import resolve_all
from gde.config.inputs import own_files
from gde.errors import GdeError
from gde.fetch.lockfile import check_file, check_inputs, read_pins
from gde.fetch.required_files import downloads
from gde.fetch.sources import PINS, files_of, read_sources
from gde.files.io import sha256_file, write_json

ROOT = Path(__file__).resolve().parents[2]
TABLE = """\
toy:
  title: toy
  access: open
  origin: somewhere
  licence: null
  citation: none
  files:
    a.csv:
      urls: [https://example.org/a.csv]
      bytes: 5
    sub/b.csv:
      urls: [https://example.org/b.csv, file:///mnt/b.csv]
theirs:
  title: theirs
  access: user
  origin: a login
  licence: CC0-1.0
  citation: none
  files: {c.csv: {}}
"""


@pytest.fixture
def write(tmp_path):
    """write(old, new): the table above with one thing replaced, in a directory of its own."""

    def write(old: str = "", new: str = "") -> Path:
        assert old in TABLE
        (tmp_path / "resources").mkdir(exist_ok=True)
        (tmp_path / "resources/sources.yaml").write_text(TABLE.replace(old, new, 1))
        return tmp_path

    return write


def test_the_shipped_table():
    """It is valid; no two files are the same; what is configured has its files in it; `all` downloads nothing."""
    table = read_sources(ROOT)
    assert len(table) > 30 and {s.access for s in table.values()} == {"open", "user", "bundled"}
    urls = [url for s in table.values() for url in s.urls]
    assert len(urls) == len(set(urls)) and all(url.startswith("https://") for url in urls)
    experiments = resolve_all({}, ROOT)
    for name, resolved in experiments.items():
        published = [str(s.path) for s in files_of(resolved["dataset"], ROOT)]
        assert not own_files(resolved["dataset"], published), name
    for name in yaml.safe_load((ROOT / "config/config.yaml").read_text())["experiments"]:
        sources = files_of(experiments[name]["dataset"], ROOT)
        assert all(s.access == "bundled" for s in sources), f"{name} needs a download"


def test_what_is_known_of_a_file(write):
    table = read_sources(write())
    assert list(table) == ["resources/toy/a.csv", "resources/toy/sub/b.csv", "resources/theirs/c.csv"]
    b = table["resources/toy/sub/b.csv"]
    assert b.urls == ("https://example.org/b.csv", "file:///mnt/b.csv") and b.digest is None and b.bytes is None
    assert str(b.path) == "resources/toy/sub/b.csv"


WRONG = {
    "unknown key": ("bytes: 5", "byts: 5", "10: toy.files.a.csv.byts: found 'byts', expected one of"),
    "no access": ("  access: open\n", "", "toy.access: found nothing"),
    "access": (
        "access: open",
        "access: opne",
        "3: toy.access: found 'opne', expected one of open, user, bundled",
    ),
    "no licence": ("  licence: null\n", "", "toy.licence: found nothing"),
    "bytes": ("bytes: 5", "bytes: -5", "10: toy.files.a.csv.bytes: found -5, expected a number >= 1"),
    "sha256": ("bytes: 5", "sha256: abc", "10: toy.files.a.csv.sha256: found 'abc', expected 64 hexadecimal digits"),
    "md5": ("bytes: 5", f"md5: {'A' * 32}", "md5: found 'AAAAAAAA"),
    "ftp": (
        "https://example.org/a.csv",
        "ftp://x/a",
        "9: toy.files.a.csv.urls[0]: found 'ftp://x/a', expected an",
    ),
    "no host": ("https://example.org/a.csv", "https:///a", "urls[0]: found 'https:///a'"),
    "local path": ("https://example.org/a.csv", "/a", "urls[0]: found '/a'"),
    "urls of a user's": ("{c.csv: {}}", "{c.csv: {urls: [https://x/c]}}", "urls: found addresses, expected none"),
    "package": ("bytes: 5", "package: x/y", "10: toy.files.a.csv.package: found 'x/y', expected"),
    "bundled": ("access: user", "access: bundled", "package: found nothing, expected a package's file"),
    "escape": ("a.csv:", "../a.csv:", "8: toy.files.../a.csv: found '../a.csv', expected a path inside"),
    "escape within": ("a.csv:", "x/../../a.csv:", "found 'x/../../a.csv', expected a path inside"),
    "absolute": ("a.csv:", "/etc/a.csv:", "found '/etc/a.csv', expected a path inside"),
    "hidden": ("a.csv:", ".a.csv:", "found '.a.csv', expected a path inside"),
    "backslash": ("a.csv:", "a\\b:", "expected a path inside"),
    "unfinished": ("a.csv:", "a.part:", "found 'a.part', expected another ending"),
    "dataset": ("toy:", "../toy:", "1: ../toy: found '../toy', expected small letters"),
    "below a file": ("sub/b.csv", "a.csv/b.csv", "found resources/toy/a.csv/b.csv below resources/toy/a.csv"),
    "twice": ("sub/b.csv", "a.csv", "the key a second time"),
    "no mapping": ("{c.csv: {}}", "{c.csv: 5}", "theirs.files.c.csv: found 5, expected a mapping"),
}


@pytest.mark.parametrize(("old", "new", "said"), WRONG.values(), ids=WRONG)
def test_mistakes_are_named_with_their_line(write, old, new, said):
    with pytest.raises(GdeError) as e:
        read_sources(write(old, new))
    assert str(e.value).startswith("resources/sources.yaml") and said in str(e.value)
    assert "\n" not in str(e.value)


def test_a_directory_without_a_table_has_the_products(tmp_path):
    assert read_sources(tmp_path) == read_sources(ROOT)


def test_no_table(tmp_path, monkeypatch):
    monkeypatch.setattr("gde.files.product.PRODUCT", tmp_path / "none")
    with pytest.raises(GdeError, match=r"resources/sources.yaml: found no such file"):
        read_sources(tmp_path)


def test_files_of_a_data_set(write):
    """Those that its kind declares, and a path that is one of the table's, however it is written."""
    assert [s.file for s in files_of({"kind": "pbmc68k"}, ROOT)] == ["10x_pbmc68k_reduced.h5ad"]
    assert files_of({"kind": "gmm"}, ROOT) == []
    root = write()
    for path in ("resources/toy/a.csv", "./resources/toy//a.csv", "resources/x/../toy/a.csv"):
        assert [s.file for s in files_of({"kind": "table", "path": path}, root)] == ["a.csv"]
    assert files_of({"kind": "table", "path": "toy/a.csv"}, root) == []
    screen = {"kind": "perturb_seq", "files": {"A": "resources/toy/a.csv", "B": "b.h5ad", "C": None}, "vectors": None}
    assert [s.file for s in files_of(screen, root)] == ["a.csv"]
    screen["vectors"] = {"kind": "file", "path": "resources/theirs/c.csv"}
    assert [s.file for s in files_of(screen, root)] == ["a.csv", "c.csv"]
    assert len(files_of({"kind": "lineage_tracing", "folder": "resources/lineage_tracing"}, ROOT)) == 4
    assert files_of({"kind": "lineage_tracing", "folder": "mine"}, ROOT) == []
    with pytest.raises(GdeError, match="found no files of pbmc68k"):
        files_of({"kind": "pbmc68k"}, root)


def test_rows_of_what_would_be_downloaded(write):
    root = write()
    resolved = {"dataset": {"kind": "table", "path": "resources/toy/a.csv"}}
    row = {"file": "resources/toy/a.csv", "bytes": 5, "licence": None, "access": "open", "present": False}
    assert downloads(resolved, root) == [row]
    (root / "resources/toy").mkdir()
    (root / "resources/toy/a.csv").write_text("x")
    assert downloads(resolved, root) == [row | {"present": True}]
    theirs = {"dataset": {"kind": "table", "path": "resources/theirs/c.csv"}}
    write_json(root / PINS, {"resources/theirs/c.csv": {"bytes": 7, "sha256": "0" * 64, "from": "put in place"}})
    expected = {"file": "resources/theirs/c.csv", "bytes": 7, "licence": "CC0-1.0", "access": "user", "present": False}
    assert downloads(theirs, root) == [expected]
    (row,) = downloads({"dataset": {"kind": "digits"}}, ROOT)
    assert row["access"] == "bundled" and row["present"] and row["bytes"] == 57523


def test_inputs_are_checked_and_recorded(write):
    """A user's own file is no business of the table."""
    root = write()
    for name, text in {"toy/a.csv": "12345", "theirs/c.csv": "x", "own.csv": "y"}.items():
        (root / "resources" / name).parent.mkdir(exist_ok=True)
        (root / "resources" / name).write_text(text)
    paths = ["resources/toy/a.csv", "resources/theirs/c.csv", "resources/own.csv"]
    check_inputs(paths, root)
    pins = read_pins(root)
    assert list(pins) == sorted(paths[:2])
    assert all(pin["sha256"] == sha256_file(root / path) for path, pin in pins.items())
    (root / "resources/toy/a.csv").write_text("123456")
    with pytest.raises(GdeError, match=r"a.csv: found 6 bytes, expected 5 bytes \(resources/sources.yaml\); delete it"):
        check_inputs(paths, root)
    (root / "resources/theirs/c.csv").write_text("z")
    with pytest.raises(GdeError, match=rf"c.csv: found sha256 \w+, expected sha256 \w+ \({PINS}\)"):
        check_inputs(paths[1:], root)
    (root / "resources/theirs/c.csv").unlink()
    with pytest.raises(GdeError, match="no such file"):
        check_file(read_sources(root)["resources/theirs/c.csv"], root)
    assert read_pins(root) == pins


@pytest.mark.parametrize("text", ["{", "[]", '{"a": 5}', '{"a": {}}', ""])
def test_a_damaged_record_is_not_taken_for_an_empty_one(write, text):
    root = write()
    (root / PINS).write_text(text)
    with pytest.raises(GdeError, match=re.escape(str(PINS))):
        read_pins(root)
