"""Downloads beside each other, killed ones, and full disks: nothing is loaded twice; and what is said meanwhile."""

import json
import logging
import signal
import subprocess
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path

import pytest
from downloads import BODY, GOOD, IMPATIENT, ROOT, got, left, source
from server import Answer

from gde.errors import GdeError
from gde.fetch.files import Progress, fetch
from gde.fetch.lockfile import read_pins
from gde.fetch.sources import PINS, Source


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
    "import json, sys; from pathlib import Path; from gde.fetch.files import fetch\n"
    "from gde.fetch.sources import Source\n"
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
