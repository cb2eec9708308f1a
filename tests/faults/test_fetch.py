"""Downloads from servers that stall, cut, lie and change their minds: the right file, or a clear refusal."""

import gzip
import hashlib
import json
import logging
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import asdict
from email.utils import formatdate
from pathlib import Path

import pytest
import yaml
from server import PAGE, Answer, serving

from gde.download import Limits
from gde.errors import GdeError
from gde.fetch import Progress, fetch
from gde.pins import check_file, read_pins
from gde.sources import PINS, Source, read_sources

ROOT = Path(__file__).resolve().parents[2]
BODY = random.Random(0).randbytes(200_000)
OTHER = random.Random(1).randbytes(200_000)
CUT = 50_000  # bytes until a bad server hangs up
IMPATIENT = Limits(
    connect=2, stall=0.4, trickle=4096, attempts=3, progress=10_000, first_wait=0.01, longest_wait=3, jitter=0.01
)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def source(*urls: str, body: bytes | None = BODY, **changes) -> Source:
    """A file of the table whose published size and digest are those of `body`; None: nothing is published."""
    facts = {
        "dataset": "toy",
        "file": "data.bin",
        "access": "open",
        "origin": "the test",
        "licence": None,
        "citation": "none",
        "urls": urls,
        "bytes": None if body is None else len(body),
        "sha256": None if body is None else sha256(body),
        "md5": None,
        "package": None,
    }
    return Source(**facts | changes)


def then(*answers: Answer):
    """One answer after the other; the last one again and again."""
    return lambda asked: answers[min(asked, len(answers) - 1)]


def left(root: Path) -> set[str]:
    """Every file below the directory."""
    return {str(p.relative_to(root)) for p in root.rglob("*") if p.is_file()}


def got(root: Path, path: str = "resources/toy/data.bin") -> bytes:
    """The file; that nothing is left beside it but its record, which tells the truth."""
    data = (root / path).read_bytes()
    assert left(root) == {path, str(PINS)}
    pin = json.loads((root / PINS).read_text())[path]
    assert pin["bytes"] == len(data) and pin["sha256"] == sha256(data)
    return data


@pytest.fixture(scope="module")
def started():
    with serving() as server:
        yield server


@pytest.fixture
def server(started):
    """The server without memory of other tests."""
    started.answers.clear()
    started.requests = []
    started.most_at_once = 0
    return started


@pytest.fixture
def url(server) -> str:
    return server.url("/data.bin")


GOOD = Answer(BODY)
ENDS_WELL = {
    "a good server": [GOOD],
    "no length": [Answer(BODY, length=False)],
    "no etag": [Answer(BODY, etag=False)],
    "stalls once": [Answer(BODY, stop=CUT, stall=1.0), GOOD],
    "trickles once": [Answer(BODY, pace=0.05), GOOD],
    "cuts once": [Answer(BODY, stop=CUT), GOOD],
    "cuts often, but further each time": [*(Answer(BODY, stop=i * 30_000) for i in range(1, 7)), GOOD],
    "cuts, and ignores ranges": [Answer(BODY, stop=CUT), Answer(BODY, ranges=False)],
    "cuts, and answers with another range": [Answer(BODY, stop=CUT), Answer(BODY, shift=7), GOOD],
    "cuts without an etag": [Answer(BODY, stop=CUT, etag=False), Answer(BODY, etag=False)],
    "cuts, then has another file": [Answer(OTHER, stop=CUT), GOOD],
    "cuts, then has another file and no etag": [Answer(OTHER, stop=CUT, etag=False), Answer(BODY, etag=False)],
    "cuts, then has a shorter file": [Answer(BODY, stop=CUT, etag=False), Answer(status=416), GOOD],
    "503 twice": [Answer(status=503), Answer(status=503), GOOD],
    "429 until a date": [Answer(status=429, headers={"Retry-After": formatdate(time.time() - 5)}), GOOD],
}


@pytest.mark.parametrize("answers", ENDS_WELL.values(), ids=ENDS_WELL)
def test_the_right_file_in_the_end(tmp_path, server, url, answers):
    server.answers["/data.bin"] = then(*answers)
    fetch(source(url), tmp_path, limits=IMPATIENT)
    assert got(tmp_path) == BODY


@pytest.mark.parametrize("answers", [[Answer(BODY, stop=CUT), GOOD], [Answer(BODY, stop=CUT, stall=1.0), GOOD]])
def test_no_byte_is_sent_twice(tmp_path, server, url, answers):
    server.answers["/data.bin"] = then(*answers)
    fetch(source(url), tmp_path, limits=IMPATIENT)
    assert [r.range for r in server.requests] == [None, f"bytes={CUT}-"]
    assert server.sent("/data.bin") == len(BODY)


def test_nothing_is_loaded_that_is_there(tmp_path, server, url):
    server.answers["/data.bin"] = GOOD
    fetch(source(url), tmp_path, limits=IMPATIENT)
    fetch(source(url), tmp_path, limits=IMPATIENT)
    assert len(server.requests) == 1


def test_a_pause_that_is_asked_for(tmp_path, server, url):
    server.answers["/data.bin"] = then(Answer(status=503, headers={"Retry-After": "1"}), GOOD)
    begun = time.monotonic()
    fetch(source(url), tmp_path, limits=IMPATIENT)
    assert time.monotonic() - begun >= 1 and got(tmp_path) == BODY


def test_redirects_are_followed_with_their_ranges(tmp_path, server, url):
    server.answers["/old"] = Answer(status=302, headers={"Location": url})
    server.answers["/data.bin"] = then(Answer(BODY, stop=CUT), GOOD)
    fetch(source(server.url("/old")), tmp_path, limits=IMPATIENT)
    assert got(tmp_path) == BODY and server.requests[-1].range == f"bytes={CUT}-"


ENDS_BADLY = {
    "wrong bytes": (Answer(OTHER), f"sha256 {sha256(OTHER)} instead of sha256 {sha256(BODY)} (resources/sources.yaml)"),
    "truncated, and says so": (Answer(BODY[:-1]), "199999 bytes instead of 200000"),
    "truncated without a length": (Answer(BODY[:-1], length=False), "199999 bytes instead of 200000"),
    "too long": (Answer(BODY + b"x"), "200001 bytes instead of 200000"),
    "too long without a length": (Answer(BODY + BODY, length=False), "more than 200000 bytes"),
    "a web page": (Answer(PAGE, headers={"Content-Type": "text/html; charset=utf-8"}, length=False), "a web page"),
    "a web page that does not say so": (Answer(PAGE, length=False), "a web page (it begins with HTML)"),
    "another coding": (Answer(BODY, headers={"Content-Encoding": "gzip"}), "sent re-encoded (gzip)"),
    "nothing": (Answer(status=404), "status 404 Not Found"),
    "forbidden": (Answer(status=403), "status 403 Forbidden"),
    "always 503": (Answer(status=503), "status 503 Service Unavailable (attempt 3)"),
    "a pause that is too long": (
        Answer(status=503, headers={"Retry-After": "9999"}),
        "status 503 Service Unavailable; it asks to wait for 9999 s (attempt 1)",
    ),
    "a redirect to itself": (Answer(status=302, headers={"Location": "/data.bin"}), "Exceeded 10 redirects"),
    "a redirect to a file": (
        Answer(status=302, headers={"Location": "file:///etc/hostname"}),
        "No connection adapters",
    ),
}


@pytest.mark.parametrize(("answer", "said"), ENDS_BADLY.values(), ids=ENDS_BADLY)
def test_refused_with_both_values_and_nothing_left(tmp_path, server, url, answer, said):
    server.answers["/data.bin"] = answer
    with pytest.raises(GdeError) as e:
        fetch(source(url), tmp_path, limits=IMPATIENT)
    assert said in str(e.value)
    assert f"expected 200000 bytes, sha256 {sha256(BODY)}; " in str(e.value) and "\n" not in str(e.value)
    assert left(tmp_path) == set()


@pytest.mark.parametrize("answer", [Answer(BODY, stop=CUT), Answer(BODY, stop=CUT, stall=1.0)], ids=["cuts", "stalls"])
def test_what_was_loaded_is_kept_for_the_next_time(tmp_path, server, url, answer):
    server.answers["/data.bin"] = answer
    with pytest.raises(GdeError, match=f"after {CUT} bytes"):
        fetch(source(url), tmp_path, limits=IMPATIENT)
    assert left(tmp_path) == {"resources/toy/data.bin.part", "resources/toy/data.bin.part.json"}
    server.answers["/data.bin"] = GOOD
    fetch(source(url), tmp_path, limits=IMPATIENT)
    assert got(tmp_path) == BODY and server.requests[-1].sent == len(BODY) - CUT


@pytest.mark.parametrize("answer", [{"ranges": False}, {"shift": 7}], ids=["begins anew", "answers another range"])
def test_a_server_that_never_comes_further_is_given_up(tmp_path, server, url, answer):
    """Though each attempt brings much."""
    server.answers["/data.bin"] = Answer(BODY, stop=CUT, **answer)
    with pytest.raises(GdeError, match=r"\(attempt \d\)"):
        fetch(source(url), tmp_path, limits=IMPATIENT)
    assert not (tmp_path / "resources/toy/data.bin").exists() and len(server.requests) < 8


@pytest.mark.parametrize("damage", ["note", "part", "cut note"])
def test_a_damaged_part_costs_time_and_nothing_else(tmp_path, server, url, damage):
    server.answers["/data.bin"] = Answer(BODY, stop=CUT)
    with pytest.raises(GdeError):
        fetch(source(url), tmp_path, limits=IMPATIENT)
    part = tmp_path / "resources/toy/data.bin.part"
    note = part.with_name("data.bin.part.json")
    if damage == "note":
        note.unlink()
    elif damage == "cut note":
        note.write_text(note.read_text()[:30])
    else:
        part.write_bytes(bytes(CUT))
    server.answers["/data.bin"] = GOOD
    fetch(source(url), tmp_path, limits=IMPATIENT)
    assert got(tmp_path) == BODY


def test_no_connection(tmp_path):
    with serving() as gone:
        url = gone.url("/data.bin")
    with pytest.raises(GdeError, match=r"Connection refused.*--config mirror=DIR"):
        fetch(source(url), tmp_path, limits=IMPATIENT)
    assert left(tmp_path) == set()


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


def test_a_disk_that_is_too_small_is_told_before_the_download(tiny_disk, server, url):
    server.answers["/data.bin"] = GOOD
    with pytest.raises(GdeError, match=r"data.bin: found \d+ bytes of free disk, expected 200000 bytes more"):
        fetch(source(url), tiny_disk, limits=IMPATIENT)
    assert server.requests == [] and left(tiny_disk) == set()


def test_a_disk_that_fills_up_keeps_what_it_took(tiny_disk, server, url):
    server.answers["/data.bin"] = Answer(BODY, length=False)
    with pytest.raises(GdeError, match=r"data.bin: found a full disk, .*the download goes on where it stopped"):
        fetch(source(url, body=None), tiny_disk, limits=IMPATIENT)
    assert left(tiny_disk) == {"resources/toy/data.bin.part", "resources/toy/data.bin.part.json"}


def test_progress_is_a_line_a_minute(caplog):
    """With speed and the time that is left, from where this run began."""
    caplog.set_level(logging.INFO)
    with Progress(source()) as progress:
        for i in range(60):
            progress.at(4_000_000_000 + i * 100_000_000, 10_000_000_000, now=5 * i)
    assert len(caplog.messages) == 4 and caplog.messages[0] == (
        "resources/toy/data.bin: 5.2 GB of 10.0 GB (52 %), 20.0 MB/s, 4 min left"
    )
    progress.at(0, None, now=300)  # begun anew, of a server that tells no size
    progress.at(600, None, now=360)
    assert caplog.messages[-1] == "resources/toy/data.bin: 600 B, 10 B/s"


FETCH = (
    "import json, sys; from pathlib import Path; from gde.fetch import fetch; from gde.sources import Source\n"
    "fetch(Source(**json.loads(sys.argv[1])), Path(sys.argv[2]))"
)


def fetching(root: Path, wanted: Source) -> subprocess.Popen:
    """A process of its own that fetches."""
    command = [sys.executable, "-c", FETCH, json.dumps(asdict(wanted)), str(root)]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)


def test_processes_share_a_record_and_spare_the_server(tmp_path, server):
    wanted = [source(server.url(f"/{i}"), file=f"{i}.bin") for i in range(5)]
    server.answers |= {f"/{i}": Answer(BODY, delay=0.5) for i in range(5)}
    running = [fetching(tmp_path, w) for w in wanted]
    for process in running:
        assert process.wait(60) == 0, process.stderr.read()
        process.stderr.close()
    files = {str(w.path) for w in wanted}
    assert left(tmp_path) == files | {str(PINS)} and read_pins(tmp_path).keys() == files
    assert len(server.requests) == 5 and server.most_at_once <= 2


def test_one_writer_of_a_file(tmp_path, server, url):
    server.answers["/data.bin"] = Answer(BODY, delay=0.3)
    threads = [threading.Thread(target=fetch, args=(source(url), tmp_path)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got(tmp_path) == BODY and len(server.requests) == 1


def test_killed_and_continued(tmp_path, server, url):
    """SIGKILL at three moments of a download: what was loaded is not loaded again."""
    for n in range(1, 4):
        server.answers["/data.bin"] = Answer(BODY, pace=0.002)
        process = fetching(tmp_path, source(url))
        part = tmp_path / "resources/toy/data.bin.part"
        until = time.monotonic() + 30
        while not (part.exists() and part.stat().st_size > n * 10_000):
            assert process.poll() is None and time.monotonic() < until
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stderr.close()
    loaded = part.stat().st_size
    server.answers["/data.bin"] = GOOD
    fetch(source(url), tmp_path, limits=IMPATIENT)
    assert got(tmp_path) == BODY
    assert server.requests[-1].range == f"bytes={loaded}-" and server.requests[-1].sent == len(BODY) - loaded


CELLS = "site,species,a,b\n" + "".join(f"s{i % 4},x{i % 3},{i % 7},{i * i % 11}\n" for i in range(240))
SPLIT = "split: {by: sample}"


@pytest.fixture
def project(tmp_path, server) -> Path:
    """A copy of the project whose table points to the server, with experiments on its files."""
    for part in ("gde", "workflow", "config", "profiles", "envs"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
    facts = {"bytes": len(CELLS), "sha256": sha256(CELLS.encode())}
    files = {"cells.csv": {"urls": [server.url("/cells")], **facts}, "sub/bad.bin": {"urls": [server.url("/bad")]}}
    common = {"title": "toy", "origin": "the shop", "licence": "CC0-1.0", "citation": "nobody"}
    table = {
        "toy": {"access": "open", "files": files, **common},
        "mine": {"access": "user", "files": {"cells.csv": {}}, **common},
    }
    kept = yaml.safe_load((ROOT / "resources/sources.yaml").read_text())
    (tmp_path / "resources").mkdir()
    bundled = {name: kept[name] for name in ("pbmc68k", "digits")}
    (tmp_path / "resources/sources.yaml").write_text(yaml.safe_dump(table | bundled))
    for name in ("toy", "mine"):
        text = f"dataset: {{kind: table, path: resources/{name}/cells.csv, groupby: [site, species], {SPLIT}}}\n"
        (tmp_path / f"config/experiments/{name}_cells.yaml").write_text(text)
    return tmp_path


def snakemake(project: Path, *arguments: str) -> subprocess.CompletedProcess:
    (project / "stubs").mkdir(exist_ok=True)
    (project / "stubs/scontrol").write_text("#!/bin/sh\nexit 1\n")  # else Slurm without controller costs ten seconds
    (project / "stubs/scontrol").chmod(0o755)
    keep = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "SNAKEMAKE_PROFILE")}
    path = os.pathsep.join([str(project / "stubs"), str(Path(sys.executable).parent), os.environ["PATH"]])
    new = {"PATH": path, "SNAKEMAKE_PROFILE": "profiles/local", "XDG_CACHE_HOME": str(project / "cache")}
    command = [sys.executable, "-m", "snakemake", *arguments]
    return subprocess.run(command, cwd=project, env=keep | new, capture_output=True, text=True, timeout=300)


def test_through_snakemake(project, server):
    """A data set is fetched because an experiment reads it; a refusal is one line; the user's file is asked for before
    any job starts, and a file that was tampered with is not prepared."""
    server.answers |= {"/cells": then(Answer(CELLS.encode(), stop=1000), Answer(CELLS.encode())), "/bad": Answer(PAGE)}
    done = snakemake(project, "results/sets/mine_cells", "-n")
    assert done.returncode == 2
    assert "gde: resources/mine/cells.csv: found no such file, expected one that you put there" in done.stderr

    done = snakemake(project, "--keep-going", "results/sets/toy_cells", "resources/toy/sub/bad.bin")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert (project / "resources/toy/cells.csv").read_text() == CELLS
    assert (project / "results/sets/toy_cells/SHA256SUMS").is_file()
    line = (project / "results/logs/fetch/toy/sub/bad.bin.log").read_text().splitlines()[-1]
    assert line.startswith("gde: resources/toy/sub/bad.bin: found no right file at http") and "web page" in line
    assert line in done.stderr.splitlines()
    assert left(project / "resources") == {"sources.yaml", "sources.lock.json", "toy/cells.csv"}
    assert set(read_pins(project)) == {"resources/toy/cells.csv"}

    (project / "resources/mine").mkdir()
    shutil.copy(project / "resources/toy/cells.csv", project / "resources/mine/cells.csv")
    with (project / "resources/toy/cells.csv").open("a") as f:
        f.write("s0,x0,1,1\n")
    done = snakemake(project, "--keep-going", "results/sets/toy_cells", "results/sets/mine_cells")
    assert done.returncode == 1
    assert f"expected {len(CELLS)} bytes (resources/sources.yaml); delete it and run again" in done.stderr
    assert set(read_pins(project)) == {"resources/toy/cells.csv", "resources/mine/cells.csv"}
    assert len(read_sources(project)) == 5
