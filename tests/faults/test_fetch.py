"""Downloads from servers that stall, cut, lie and change their minds: the right file, or a clear refusal."""

import time
from email.utils import formatdate

import pytest
from downloads import BODY, CUT, GOOD, IMPATIENT, OTHER, got, left, sha256, source, then
from server import PAGE, Answer, serving

from gde.errors import GdeError
from gde.fetch.files import fetch

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
