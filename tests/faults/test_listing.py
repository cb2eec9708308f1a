"""Files that are found in a listing: the newest year, evenly chosen, each with its digest, or a clear refusal."""

import gzip
import json
import logging
import os
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from downloads import IMPATIENT
from server import PAGE, Answer, serving
from simulators.pubmed import Baseline, listing, simulate_baseline

from gde.errors import GdeError
from gde.fetch.listing import fetch_listed, spread
from gde.fetch.lockfile import read_pins
from gde.fetch.sources import Listed, read_listing
from gde.prepare.common.listed import read_listed

ROOT = Path(__file__).resolve().parents[2]
OUT = Path("resources/pubmed/baseline_3.json")


@pytest.fixture
def site(tmp_path):
    """A good server of five files of one year, the two of last year still there; its listed data set."""
    folder = tmp_path / "there"
    base = simulate_baseline(topics=3, documents=20, files=5)
    base.write(folder, year=26)
    Baseline(base.files[:2], base.deleted[:2]).write(folder, year=25)
    with serving() as server:
        names = sorted(p.name for p in folder.iterdir())
        server.answers = {f"/b/{name}": Answer((folder / name).read_bytes()) for name in names}
        server.answers["/b/"] = Answer(listing(names), headers={"Content-Type": "text/html"})
        yield server, folder


def listed(server) -> Listed:
    known = read_listing("pubmed", ROOT)
    return Listed("pubmed", server.url("/b/"), known.name, "the test", None, "none")


def load(site, root: Path, count: int | None = 3, **changes) -> dict:
    fetch_listed(listed(site[0]), OUT, count, root, limits=IMPATIENT, **changes)
    return read_listed(root / OUT)


def refused(site, root: Path, *parts: str) -> None:
    with pytest.raises(GdeError) as e:
        load(site, root)
    message = str(e.value)
    assert "\n" not in message and all(part in message for part in parts), message
    assert not (root / OUT).exists()


def test_files_of_the_newest_year_spread_evenly(site, tmp_path, caplog):
    with caplog.at_level(logging.INFO):
        found = load(site, tmp_path)
    names = [f"resources/pubmed/pubmed26n000{i}.xml.gz" for i in (1, 3, 5)]
    assert list(found["files"]) == names and found["there"] == 5 and found["published"] is True
    for name in names:
        assert (tmp_path / name).read_bytes() == (site[1] / Path(name).name).read_bytes()
        assert read_pins(tmp_path)[name]["sha256"] == found["files"][name]["sha256"]
    assert "those of 2025 are left out" in caplog.text


def test_what_is_there_is_kept_and_the_year_stays(site, tmp_path):
    server, _ = site
    load(site, tmp_path)
    sent = server.sent("/b/pubmed26n0001.xml.gz")
    (tmp_path / OUT).unlink()
    (tmp_path / "resources/pubmed/pubmed26n0003.xml.gz").unlink()
    load(site, tmp_path)
    assert server.sent("/b/pubmed26n0001.xml.gz") == sent  # checked, not loaded again
    assert (tmp_path / "resources/pubmed/pubmed26n0003.xml.gz").is_file()
    assert len(load(site, tmp_path, None)["files"]) == 5


@pytest.mark.parametrize("form", ["directory", "file://", "http://"])
def test_a_mirror_is_listed_instead(site, tmp_path, form):
    server, folder = site
    copy = tmp_path / "copy" / "pubmed"
    copy.parent.mkdir()
    os.symlink(folder, copy)
    mirror = {"directory": str(copy.parent), "file://": copy.parent.as_uri(), "http://": server.url("/m")}[form]
    server.answers |= {f"/m/pubmed{path.removeprefix('/b')}": answer for path, answer in server.answers.items()}
    asked = len(server.requests)
    found = load(site, tmp_path, mirror=mirror)
    assert len(found["files"]) == 3 and found["published"] is False
    assert all(r.path.startswith("/m/") for r in server.requests[asked:])


def change(site, path: str, answer) -> None:
    site[0].answers[f"/b/{path}"] = answer


def test_a_listing_that_is_cut_is_no_shorter_baseline(site, tmp_path):
    whole = site[0].answers["/b/"].body
    change(site, "", Answer(whole[:-300]))
    refused(site, tmp_path, "the listing of a directory, whole")
    change(site, "", Answer(whole, stop=len(whole) // 2))
    refused(site, tmp_path, "found ", "bytes")


def test_gaps_and_strange_listings_are_refused(site, tmp_path):
    names = [f"pubmed26n000{i}.xml.gz" for i in (1, 2, 4)]
    change(site, "", Answer(listing(names)))
    refused(site, tmp_path, "3 files without number 3", "all from 1 to 4")
    change(site, "", Answer(PAGE))
    refused(site, tmp_path, "0 files, none of them")
    change(site, "", Answer(status=404))
    refused(site, tmp_path, "status 404")


@pytest.mark.parametrize("of", ["the year before", "what is known"])
def test_a_year_that_is_still_being_put_there_is_refused(site, tmp_path, of):
    """No gap in the numbers yet, an .md5 beside each: only that there are fewer files than there were."""
    server, _ = site
    new = [f"pubmed27n000{i}.xml.gz{end}" for i in (1, 2) for end in ("", ".md5")]
    if of == "the year before":
        old = [name for name in server.answers["/b/"].body.decode().split('"') if name.startswith("pubmed26")]
        change(site, "", Answer(listing([*old, *new])))
        refused(site, tmp_path, "2 files of 2027", "5 or more, as many as of 2026", "run again later")
        change(site, "", Answer(listing([*old[-2:], *new])))  # some of the old ones are gone already
        refused(site, tmp_path, "5 or more, as many as of 2026")
        return
    change(site, "", Answer(listing(new)))
    with pytest.raises(GdeError, match="found 2 files of 2027, expected 3 or more, as many as of a year before"):
        fetch_listed(replace(listed(server), fewest=3), OUT, 2, tmp_path, limits=IMPATIENT)
    assert not (tmp_path / OUT).exists()


def test_a_mirror_may_hold_fewer_files_than_are_published(site, tmp_path):
    server, folder = site
    os.symlink(folder, tmp_path / "pubmed")
    fetch_listed(replace(listed(server), fewest=9), OUT, 2, tmp_path, mirror=str(tmp_path), limits=IMPATIENT)
    assert len(read_listed(tmp_path / OUT)["files"]) == 2


def test_files_without_their_digests_are_not_there_yet(site, tmp_path):
    names = [p.name for p in site[1].iterdir() if p.name != "pubmed26n0004.xml.gz.md5"]
    change(site, "", Answer(listing(sorted(names))))
    refused(site, tmp_path, "pubmed26n0004.xml.gz without pubmed26n0004.xml.gz.md5", "an .md5 beside each file")


def test_what_is_known_of_the_last_baseline():
    assert read_listing("pubmed", ROOT).fewest >= 1219


def test_a_busy_server_is_asked_again(site, tmp_path):
    good = site[0].answers["/b/"]
    change(site, "", lambda asked: good if asked else Answer(status=503))
    digest = site[0].answers["/b/pubmed26n0001.xml.gz.md5"]
    change(site, "pubmed26n0001.xml.gz.md5", lambda asked: digest if asked else Answer(digest.body, stop=5))
    assert len(load(site, tmp_path)["files"]) == 3
    change(site, "", Answer(status=503))
    (tmp_path / OUT).unlink()
    refused(site, tmp_path, "status 503", "run again later")


def test_digests_bind(site, tmp_path):
    name = "pubmed26n0003.xml.gz"
    good = site[0].answers[f"/b/{name}.md5"]
    change(site, f"{name}.md5", Answer(f"MD5({name})= {'0' * 32}\n".encode()))
    refused(site, tmp_path, name, f"md5 {'0' * 32}")
    assert not (tmp_path / "resources/pubmed" / name).exists()
    for answer, part in ((Answer(PAGE), "one MD5"), (Answer(status=404), "status 404")):
        change(site, f"{name}.md5", answer)
        refused(site, tmp_path, name, part)
    change(site, f"{name}.md5", good)
    change(site, name, Answer(PAGE, headers={"Content-Type": "text/html"}))
    refused(site, tmp_path, name, "a web page")
    change(site, name, Answer(gzip.compress(b"another"), headers={}))
    refused(site, tmp_path, name, "md5 ")


def test_the_record_of_what_was_chosen_is_checked(tmp_path):
    path = tmp_path / "baseline_3.json"
    for text in ("[]", "{}", json.dumps({"files": {}}), json.dumps({"files": {"a": {"bytes": 3}}})):
        path.write_text(text)
        with pytest.raises(GdeError, match="found something else"):
            read_listed(path)


@pytest.mark.parametrize("there, count", [(1, 1), (5, 1), (5, 2), (5, 4), (5, 5), (5, 9), (1274, 8)])
def test_chosen_files_are_distinct_and_evenly_spread(there, count):
    names = [str(i) for i in range(there)]
    chosen = [int(n) for n in spread(names, count)]
    assert len(set(chosen)) == len(chosen) == min(there, count) and chosen == sorted(chosen)
    assert spread(names, None) == names
    if 1 < count <= there:
        steps = [b - a for a, b in pairwise(chosen)]
        assert chosen[0] == 0 and chosen[-1] == there - 1 and max(steps) - min(steps) <= 1
