"""What a file is, from its first bytes; what cannot be a file at all is refused without waiting for it."""

import gzip
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

from gde.errors import LONGEST, GdeError, bad
from gde.files.sniffing import check_file, kind_of, other_file, read_text

KINDS = {
    "": "an empty file",
    "a.pkl": "a Python pickle",
    "b.pkl": "a file with the ending .pkl of Python pickles",
    "new.pt": "a PyTorch file (pickles in a ZIP archive)",
    "cut.pt": "a damaged ZIP archive",
    "objects.npy": "a NumPy array of pickled objects",
    "numbers.npy": "a NumPy array",
    "x.gz": "a gzip file",
    "page.h5ad": "an HTML page",
    "words": "text",
    "umlauts": "text",
    "noise": "bytes of no known kind",
    "zeros": "bytes of no known kind",
    "utf16": "text in UTF-16",
    "utf16_unmarked": "text in UTF-16",
    "windows": "text that is not in UTF-8",
    "weights": "a safetensors file",
}


@pytest.fixture
def files(tmp_path):
    """A file of each kind."""
    contents = {
        "a.pkl": b"\x80\x04cos\nsystem\n.", "b.pkl": b"cos\nsystem\n.", "x.gz": gzip.compress(b"x"),
        "page.h5ad": b"\n<!DOCTYPE html>", "words": b"some words", "umlauts": "ü".encode() * 400, "zeros": bytes(99),
        "noise": b"\xff\xfe\xfd" * 99, "weights": (2).to_bytes(8, "little") + b"{}" + b" " * 9,
        "utf16": "site,größe\n".encode("utf-16"), "utf16_unmarked": "site,größe\n".encode("utf-16-be"),
        "windows": "site,größe\ns,1\n".encode("cp1252"), "cut.pt": b"PK\x03\x04ab",
    }  # fmt: skip
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    with zipfile.ZipFile(tmp_path / "new.pt", "w") as archive:
        archive.writestr("new/data.pkl", b"\x80\x02.")
    np.save(tmp_path / "objects.npy", np.array([{}], object), allow_pickle=True)
    np.save(tmp_path / "numbers.npy", np.zeros(2))
    (tmp_path / "empty").touch()
    return tmp_path


@pytest.mark.parametrize("name", KINDS)
def test_kinds(files, name):
    assert kind_of(files / (name or "empty")) == KINDS[name]


def test_only_pickles_get_the_remedy_of_pickles(files):
    for name, kind in KINDS.items():
        message = str(other_file(files / (name or "empty"), "a table", "write it again"))
        assert ("gde never loads pickles" in message) == ("pickle" in kind)
        assert ("write it again" in message) != ("pickle" in kind or "UTF" in kind)
        assert ("iconv" in message) == ("UTF" in kind)


@pytest.mark.parametrize(
    ("make", "found"),
    [
        (Path.mkdir, "a directory"),
        (lambda p: os.mkfifo(p), "a named pipe"),
        (lambda p: p.symlink_to("/dev/null"), "a device"),
        (lambda p: p.symlink_to(p.name), "a symbolic link that leads to itself"),
        (lambda p: p.symlink_to("nowhere"), "no such file"),
        (lambda p: None, "no such file"),
    ],
    ids=["directory", "pipe", "device", "loop", "nowhere", "absent"],
)
def test_what_is_no_file(tmp_path, make, found):
    make(tmp_path / "x")
    for read in (check_file, read_text):
        with pytest.raises(GdeError, match=f"x: found {found}, expected a table; (look|remove the link)"):
            read(tmp_path / "x", "a table", "look")
    with pytest.raises(GdeError, match=f"^mine: found {found}"):
        check_file(tmp_path / "x", "a table", "look", name="mine")


@pytest.mark.parametrize(
    ("path", "found"),
    [("x" * 300, "a name that is too long"), ("a\0b", "no such file"), ("/dev/null/a", "no such file")],
)
def test_paths_that_no_file_can_have(path, found):
    with pytest.raises(GdeError, match=found):
        check_file(Path(path), "a table", "look")


def test_text_is_utf8_with_or_without_a_mark(tmp_path):
    (tmp_path / "a").write_bytes(b"\xef\xbb\xbf\xc3\xa9")
    assert read_text(tmp_path / "a", "text", "look") == "é"
    (tmp_path / "a").write_bytes(b"ab\xe9")
    with pytest.raises(GdeError, match=r"bytes that are not UTF-8 \(at byte 2\)"):
        read_text(tmp_path / "a", "text", "look")


def test_a_message_is_one_printable_line_of_bounded_length():
    message = str(bad("two\nlines\x1b[31m\udce9", "x" * 10**6, "a\tb", "c\u2028d"))
    assert message.isprintable()
    assert message.startswith(r"two\nlines\x1b[31m\udce9: found xxx")
    assert message.endswith(r"expected a\tb; c\u2028d")
    assert len(message) < 2 * LONGEST
    assert str(bad("é 漢.csv", "'a'", "b", "c")) == "é 漢.csv: found 'a', expected b; c"
