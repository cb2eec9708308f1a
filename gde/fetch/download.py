"""Download: one address into FILE.part: resumed where that is safe, and given up when it stalls, lies or sends
something else."""

import email.utils
import re
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import requests
import urllib3

from gde import __version__
from gde.fetch.partial_file import Part, no_space
from gde.fetch.sources import Source

BLOCK = 1 << 20
AGAIN = (408, 425, 429, 500, 502, 503, 504)  # statuses that may be others in a minute
PASSING = (
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
    urllib3.exceptions.ProtocolError,
    urllib3.exceptions.TimeoutError,
)
PAGE = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head)\b", re.I | re.S)
COMPRESSED = (".gz", ".bgz", ".tgz")
Seen = Callable[[int, int | None], Any]  # (bytes so far, whole size)


@dataclass(frozen=True)
class Limits:
    """When to lose patience; seconds and bytes."""

    connect: float = 20.0
    stall: float = 60.0  # without a byte, or with fewer than `trickle` of them
    trickle: int = 1024
    attempts: int = 6  # in a row that come less than `progress` further
    progress: int = 1 << 20
    first_wait: float = 1.0  # between attempts, doubled each time, plus up to `jitter`
    longest_wait: float = 300.0
    jitter: float = 1.0
    per_host: int = 2  # downloads from one host at a time, by all processes together


class Trouble(Exception):
    """An attempt failed in a way that may pass; `wait` seconds are what the server asked for."""

    def __init__(self, reason: str, *, wait: float = 0.0):
        super().__init__(reason)
        self.wait = wait


class Refusal(Exception):
    """This address will not give the file."""


def new_session() -> requests.Session:
    """Connections without retries of their own: ours know how much has arrived."""
    session = requests.Session()
    session.max_redirects = 10
    session.headers["User-Agent"] = f"gde/{__version__} python-requests/{requests.__version__}"
    session.headers["Accept-Encoding"] = "identity"  # the bytes as published: a decoded .gz has another digest
    return session


def download(
    session: requests.Session,
    url: str,
    source: Source,
    part: Part,
    limits: Limits,
    seen: Seen,
) -> None:
    """Fill `part` from `url`, once. seen(bytes so far, whole size or None) is called as they come.

    Raises Trouble (try again) or Refusal (try another address); what is in `part` then may be continued later.
    """
    if urlsplit(url).scheme == "file":
        copy(Path(url2pathname(urlsplit(url).path)), source, part, seen)
        return
    same = part.state.get("url") == url
    if same and part.size == part.state["bytes"]:
        return
    _room(part.target, (source.bytes or 0) - part.size)
    headers = _range(part, source) if same else {}  # another address's part stays until this one answers
    reading = False
    try:
        with session.get(url, headers=headers, stream=True, timeout=(limits.connect, limits.stall)) as response:
            total = _admit(response, url, source, part)
            _room(part.target, (total or 0) - part.size)
            reading = True
            _read(response, source, part, total, limits, seen)
    except requests.exceptions.SSLError as e:
        raise Refusal(f"no secure connection ({_short(e)})") from e
    except PASSING as e:
        raise Trouble(_short(e) + (f" after {part.size} bytes" if reading else "")) from e
    except requests.RequestException as e:
        raise Refusal(_short(e)) from e


def copy(path: Path, source: Source, part: Part, seen: Seen) -> None:
    """Fill `part` from a local file, from its beginning. Raises Refusal when it is missing or of another size."""
    if not path.is_file():
        raise Refusal("no such file")
    total = path.stat().st_size
    _check_size(total, source)
    try:
        f = path.open("rb")
    except OSError as e:
        raise Refusal(str(e.strerror)) from e
    part.begin(url=path.absolute().as_uri(), validator=None, bytes=total)
    _room(part.target, total)
    with f:
        while block := f.read(BLOCK):
            _sniff(part, source, block)
            part.append(block)
            seen(part.size, total)


def _range(part: Part, source: Source) -> dict[str, str]:
    """The headers that continue a part: only while the server still has the same file, or a digest will tell."""
    validator = part.state.get("validator")
    if not part.size or not (validator or source.digest):
        return {}
    return {"Range": f"bytes={part.size}-"} | ({"If-Range": validator} if validator else {})


def _admit(response: requests.Response, url: str, source: Source, part: Part) -> int | None:
    """Check the answer's head and set `part` to where its body begins; returns the whole file's size if it is known."""
    status, head = response.status_code, response.headers
    if url.startswith("https:") and not response.url.startswith("https:"):
        raise Refusal(f"sends on to {urlsplit(response.url).scheme}, which is not secure")
    if status == 416:  # the file is shorter than our part: another one
        part.clear()
        raise Trouble("the file on the server has changed (status 416)")
    if status in AGAIN:
        raise Trouble(f"status {status} {response.reason}", wait=retry_after(head.get("Retry-After")))
    if status not in (200, 206):
        raise Refusal(f"status {status} {response.reason}")
    if head.get("Content-Type", "").startswith("text/html") and not source.file.endswith((".html", ".htm")):
        raise Refusal("a web page (text/html) instead of the file")
    encoding = head.get("Content-Encoding", "identity")
    if encoding != "identity" and not source.file.endswith(COMPRESSED):
        raise Refusal(f"sent re-encoded ({encoding}), not as published")
    length = int(head["Content-Length"]) if head.get("Content-Length", "").isdigit() else None
    validator = _validator(head)
    if status == 200:
        _check_size(length, source)
        part.begin(url=url, validator=validator, bytes=length)
        return length
    span = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+|\*)", head.get("Content-Range", "").strip())
    total = int(span[3]) if span and span[3] != "*" else part.state.get("bytes")
    validators = (validator, part.state.get("validator"))
    same = (None in validators or validators[0] == validators[1]) and total == part.state.get("bytes")
    if not part.size or not span or int(span[1]) != part.size or not same:
        found = head.get("Content-Range")
        size, _ = part.size, part.clear()
        raise Trouble(f"answered a request from byte {size} on with Content-Range {found}")
    return total


def _validator(head: Any) -> str | None:
    etag = head.get("ETag")
    return etag if etag and not etag.startswith("W/") else head.get("Last-Modified")


def _check_size(found: int | None, source: Source) -> None:
    if None not in (found, source.bytes) and found != source.bytes:
        raise Refusal(f"{found} bytes instead of {source.bytes}")


def _room(target: Path, missing: int) -> None:
    free = shutil.disk_usage(target.parent).free
    if missing > free:
        raise no_space(target, f"{free} bytes of free disk", f"{missing} bytes more")


def _read(
    response: requests.Response,
    source: Source,
    part: Part,
    total: int | None,
    limits: Limits,
    seen: Seen,
) -> None:
    since, before = time.monotonic(), part.size
    while block := response.raw.read1(BLOCK, decode_content=False):
        _sniff(part, source, block)
        part.append(block)
        seen(part.size, total)
        if source.bytes is not None and part.size > source.bytes:
            part.clear()
            raise Refusal(f"more than {source.bytes} bytes")
        now = time.monotonic()
        if now - since >= limits.stall:
            if part.size - before < limits.trickle:
                raise Trouble(f"{part.size - before} bytes in {now - since:.0f} s")
            since, before = now, part.size
    if total is not None and part.size != total:
        raise Trouble(f"cut off after {part.size} of {total} bytes")


def _sniff(part: Part, source: Source, block: bytes) -> None:
    if part.size == 0 and PAGE.match(block[:4096]) and not source.file.endswith((".html", ".htm")):
        part.clear()
        raise Refusal("a web page (it begins with HTML) instead of the file")


def retry_after(value: str | None) -> float:
    """Seconds that a Retry-After header asks for, as a number or a date; 0 without one."""
    if value is None:
        return 0.0
    if value.strip().isdigit():
        return float(value)
    date = email.utils.parsedate_tz(value)
    return 0.0 if date is None else max(email.utils.mktime_tz(date) - time.time(), 0.0)


def _short(e: Exception) -> str:
    """The innermost reason, without the address and object names that libraries put before it."""
    if "IncompleteRead" in str(e):
        return "cut off"
    while isinstance(e, requests.RequestException | urllib3.exceptions.HTTPError) and e.args:
        inner = getattr(e, "reason", None) or next((a for a in e.args if isinstance(a, Exception)), None)
        if not isinstance(inner, Exception):
            break
        e = inner
    text = re.sub(r"^<?\w+(?:Connection|Pool)\(.*?\)>?: ", "", str(e))
    return " ".join(text.split())[:200] or type(e).__name__
