"""Mirrors, and files with another digest, another format or none that is published: the right one, or a refusal."""

import gzip
import hashlib
import logging

import pytest
from downloads import BODY, CUT, GOOD, IMPATIENT, OTHER, got, left, sha256, source
from server import PAGE, Answer

from gde.errors import GdeError
from gde.fetch.files import fetch
from gde.fetch.lockfile import check_file, read_pins
from gde.fetch.sources import PINS

FIRST = {
    "missing": Answer(status=404),
    "another file": Answer(OTHER),
    "a page": Answer(PAGE, length=False),
    "hangs up": Answer(BODY, stop=CUT),
}


@pytest.mark.parametrize("answer", FIRST.values(), ids=FIRST)
def test_the_next_mirror_has_it(tmp_path, server, url, answer):
    server.answers |= {"/first": answer, "/data.bin": GOOD}
    fetch(source(server.url("/first"), url), tmp_path, limits=IMPATIENT)
    assert got(tmp_path) == BODY
    assert read_pins(tmp_path)["resources/toy/data.bin"]["from"] == url


def test_a_part_outlives_a_mirror_that_has_nothing(tmp_path, server, url):
    server.answers["/data.bin"] = Answer(BODY, stop=CUT)
    both = source(url, server.url("/missing"))
    with pytest.raises(GdeError, match=rf"{url}: cut off .*; {server.url('/missing')}: status 404"):
        fetch(both, tmp_path, limits=IMPATIENT)
    server.answers["/data.bin"] = GOOD
    fetch(both, tmp_path, limits=IMPATIENT)
    assert server.requests[-1].sent == len(BODY) - CUT


def test_without_a_published_digest_the_first_file_binds(tmp_path, server, url, caplog):
    caplog.set_level(logging.INFO)
    server.answers["/data.bin"] = GOOD
    unknown = source(url, body=None)
    fetch(unknown, tmp_path, limits=IMPATIENT)
    assert "no digest is published; that of this file is recorded" in caplog.text and got(tmp_path) == BODY
    (tmp_path / unknown.path).unlink()
    server.answers["/data.bin"] = Answer(OTHER)
    with pytest.raises(GdeError) as e:
        fetch(unknown, tmp_path, limits=IMPATIENT)
    assert f"sha256 {sha256(OTHER)} instead of sha256 {sha256(BODY)} (resources/sources.lock.json)" in str(e.value)
    assert "delete its entry" in str(e.value) and not (tmp_path / unknown.path).exists()
    (tmp_path / unknown.path).write_bytes(OTHER)
    with pytest.raises(GdeError, match=r"expected sha256 .* \(resources/sources.lock.json\); delete it and run again"):
        check_file(unknown, tmp_path)


ZIPPED = gzip.compress(BODY, mtime=0)
IMPLAUSIBLE = {
    "cut": (Answer(ZIPPED[:-9]), "a truncated gzip file"),
    "flipped": (Answer(ZIPPED[:1000] + bytes([ZIPPED[1000] ^ 1]) + ZIPPED[1001:]), "a damaged gzip file"),
    "no gzip": (Answer(BODY), "and not, as .gz does"),
    "empty": (Answer(b""), "an empty file"),
}


@pytest.mark.parametrize(("answer", "said"), IMPLAUSIBLE.values(), ids=IMPLAUSIBLE)
def test_without_a_published_digest_the_format_must_be_right(tmp_path, server, url, answer, said):
    server.answers["/data.bin"] = answer
    with pytest.raises(GdeError, match=said):
        fetch(source(url, body=None, file="data.gz"), tmp_path, limits=IMPATIENT)
    assert left(tmp_path) == set()


def test_a_gzip_file_stays_one_though_the_server_calls_it_a_coding(tmp_path, server, url):
    server.answers["/data.bin"] = Answer(ZIPPED, headers={"Content-Encoding": "gzip"})
    fetch(source(url, body=ZIPPED, file="data.gz"), tmp_path, limits=IMPATIENT)
    assert got(tmp_path, "resources/toy/data.gz") == ZIPPED


def test_md5_alone_is_a_published_digest(tmp_path, server, url):
    by_md5 = source(url, sha256=None, md5=hashlib.md5(BODY).hexdigest())
    server.answers["/data.bin"] = Answer(OTHER)
    with pytest.raises(GdeError, match=f"md5 {hashlib.md5(OTHER).hexdigest()} instead of md5 {by_md5.md5}"):
        fetch(by_md5, tmp_path, limits=IMPATIENT)
    server.answers["/data.bin"] = GOOD
    fetch(by_md5, tmp_path, limits=IMPATIENT)
    assert got(tmp_path) == BODY


def test_what_the_user_must_get(tmp_path):
    theirs = source(access="user", body=None)
    with pytest.raises(GdeError) as e:
        fetch(theirs, tmp_path)
    assert "get it from the test and put it at resources/toy/data.bin" in str(e.value) and left(tmp_path) == set()
    (tmp_path / theirs.path).parent.mkdir(parents=True)
    (tmp_path / theirs.path).write_bytes(BODY)
    fetch(theirs, tmp_path)
    assert got(tmp_path) == BODY
    (tmp_path / theirs.path).write_bytes(OTHER)
    with pytest.raises(GdeError, match=f"found sha256 {sha256(OTHER)}, expected sha256 {sha256(BODY)}"):
        fetch(theirs, tmp_path)


@pytest.mark.parametrize("kind", ["directory", "file address", "server"])
def test_a_mirror_takes_the_place_of_the_network(tmp_path, server, url, kind):
    """Also for files that only the user can get."""
    copy = tmp_path / "a copy/toy/data.bin"
    copy.parent.mkdir(parents=True)
    copy.write_bytes(BODY)
    server.answers["/copy/toy/data.bin"] = GOOD
    top = copy.parents[1]
    mirror = {"directory": str(top), "file address": top.as_uri(), "server": server.url("/copy/")}[kind]
    root = tmp_path / "project"
    root.mkdir()
    for wanted in (source(url), source(access="user", body=None)):
        fetch(wanted, root, mirror=mirror, limits=IMPATIENT)
        assert got(root) == BODY
        (root / wanted.path).unlink()
    assert all(r.path == "/copy/toy/data.bin" for r in server.requests)
    with pytest.raises(GdeError, match=r"absent.bin: (no such file|status 404).*copy it to"):
        fetch(source(url, file="absent.bin"), root, mirror=mirror, limits=IMPATIENT)
    copy.write_bytes(OTHER)
    server.answers["/copy/toy/data.bin"] = Answer(OTHER)
    with pytest.raises(GdeError, match=f"sha256 {sha256(OTHER)} instead of sha256 {sha256(BODY)}"):
        fetch(source(url), root, mirror=mirror, limits=IMPATIENT)
    assert left(root) == {str(PINS)}
