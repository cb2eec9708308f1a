"""Files whose names are only known from the listing of a directory: PubMed's yearly baseline.

Which year it is the names say; a digest lies beside each file. What was chosen is written into a small file, and stays
as it is when next year's baseline takes the place of this one.
"""

import logging
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit
from urllib.request import url2pathname

import requests
import tenacity

from gde.errors import GdeError, bad
from gde.fetch.download import AGAIN, PASSING, Limits, Refusal, Trouble, new_session
from gde.fetch.files import PATIENT, fetch
from gde.fetch.lockfile import read_pins
from gde.fetch.sources import Listed, Source
from gde.files.io import write_json

log = logging.getLogger(__name__)
LARGEST = 1 << 24  # bytes of a listing; thousands of files take a hundredth


def fetch_listed(
    listed: Listed, out: Path, count: int | None, root: Path = Path(), *, mirror: str | None = None,
    limits: Limits = PATIENT,
) -> None:  # fmt: skip
    """Download `count` files of a listing, spread evenly over it (None: all), and write their names to `out`, JSON.

    mirror : as of `gde.fetch.files.fetch`; <data set>/ in it is then listed, which may hold fewer files than are
    published. Files that are there are checked and kept, so a call that was stopped goes on. GdeError for a listing
    that is cut or of a year that is not whole yet (`newest`), and for a file without its digest or another one.
    """
    base = f"{address_of(listed, mirror).rstrip('/')}/"
    with new_session() as session:
        names = newest(names_in(base, session, limits), listed, base, fewest=listed.fewest if mirror is None else None)
        chosen = spread(names, count)
        log.info("%s: %d of %d files, %s to %s", base, len(chosen), len(names), chosen[0], chosen[-1])
        files = {}
        for name in chosen:
            digest = read_digest(get(urljoin(base, f"{name}.md5"), session, limits), urljoin(base, f"{name}.md5"))
            source = Source(
                dataset=listed.dataset, file=name, access="open", origin=listed.origin, licence=listed.licence,
                citation=listed.citation, urls=(urljoin(base, name),), bytes=None, sha256=None, md5=digest,
                package=None,
            )  # fmt: skip
            fetch(source, root, limits=limits)
            pin = read_pins(root)[str(source.path)]
            files[str(source.path)] = {"bytes": pin["bytes"], "md5": digest, "sha256": pin["sha256"]}
    write_json(root / out, {"listing": base, "published": mirror is None, "there": len(names), "files": files})


def address_of(listed: Listed, mirror: str | None) -> str:
    """The address of the directory."""
    if mirror is None:
        return listed.url
    if urlsplit(mirror).scheme in ("http", "https", "file"):
        return f"{mirror.rstrip('/')}/{listed.dataset}"
    return (Path(mirror).expanduser().absolute() / listed.dataset).as_uri()


def names_in(base: str, session: requests.Session, limits: Limits) -> list[str]:
    """Names of the files in a directory. GdeError for a directory that is not there, and a listing that is cut."""
    if urlsplit(base).scheme == "file":
        folder = Path(url2pathname(urlsplit(base).path))
        if not folder.is_dir():
            raise bad(folder, "no such directory", "the files of the listing", "copy them there, or correct mirror")
        return [p.name for p in folder.iterdir() if p.is_file()]
    page = get(base, session, limits).decode("utf-8", "replace")
    if "</html>" not in page[-200:].lower():
        remedy = "run again; the server sent a part of it, or something else"
        raise bad(base, f"a page that ends with {page[-40:]!r}", "the listing of a directory, whole", remedy)
    parser = Links()
    parser.feed(page)
    return [unquote(link) for link in parser.links if "/" not in link.rstrip("/")]


class Links(HTMLParser):
    """The targets of all links of a page."""

    def __init__(self):
        super().__init__()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value for key, value in attrs if tag == "a" and key == "href" and value]


def newest(names: list[str], listed: Listed, base: str, *, fewest: int | None = None) -> list[str]:
    """Of the names that fit, those of the newest year, in order. GdeError where there is none, and where that year's
    are just being put there.

    Nothing says that a year is whole. What says that it is not: a gap in its numbers, a file without an .md5, fewer
    files than of an earlier year that is still there, or than the `fewest` of years that are known: each has more
    citations than the one before.
    """
    found: dict[str, dict[int, str]] = {}
    for name in names:
        if fits := re.fullmatch(listed.name, name):
            found.setdefault(fits["year"], {})[int(fits["number"])] = name
    if not found:
        expected = f"files called like {listed.name}"
        raise bad(
            base, f"{len(names)} files, none of them", expected, "correct the address, or look at it in a browser"
        )
    year = max(found, key=int)
    if others := sorted(set(found) - {year}):
        log.info("%s: the files of 20%s; those of 20%s are left out", base, year, ", 20".join(others))
    own = found[year]
    remedy = "run again later: the listing is not whole, or the year's files are just being put there"
    if missing := sorted(set(range(1, max(own) + 1)) - set(own)):
        raise bad(base, f"{len(own)} files without number {missing[0]}", f"all from 1 to {max(own)}", remedy)
    there = set(names)
    if bare := next((own[n] for n in sorted(own) if f"{own[n]}.md5" not in there), None):
        raise bad(base, f"{bare} without {bare}.md5", "an .md5 beside each file", remedy)
    before = {f"20{y}": max(found[y]) for y in others}  # the highest number: files of it may be gone
    before |= {"a year before": fewest} if fewest is not None else {}
    for when, most in before.items():
        if len(own) < most:
            raise bad(base, f"{len(own)} files of 20{year}", f"{most} or more, as many as of {when}", remedy)
    return [own[number] for number in sorted(own)]


def spread(names: list[str], count: int | None) -> list[str]:
    """`count` of the names at equal distances, first and last among them; all where there are no more."""
    if count is None or count >= len(names):
        return names
    if count == 1:
        return [names[-1]]
    return [names[round(i * (len(names) - 1) / (count - 1))] for i in range(count)]


def read_digest(text: bytes, where: str) -> str:
    """The MD5 that an .md5 file says."""
    from gde.readers.pubmed_xml import read_md5

    return read_md5(text, where)


def get(url: str, session: requests.Session, limits: Limits) -> bytes:
    """A small file. GdeError when it cannot be had, after the attempts that `limits` allow."""
    if urlsplit(url).scheme == "file":
        path = Path(url2pathname(urlsplit(url).path))
        if not path.is_file():
            raise bad(path, "no such file", "the digest of the file beside it", "copy it there too")
        return path.read_bytes()
    try:
        return _patiently(lambda: _get(url, session, limits), limits)
    except (Trouble, Refusal) as e:
        raise GdeError(f"{url}: found {e}, expected a small file; run again later") from e


def _patiently(attempt: Callable[[], bytes], limits: Limits) -> bytes:
    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(Trouble),
        stop=tenacity.stop_after_attempt(limits.attempts),
        wait=tenacity.wait_exponential(limits.first_wait, limits.longest_wait) + tenacity.wait_random(0, limits.jitter),
        reraise=True,
    )
    return retrying(attempt)


def _get(url: str, session: requests.Session, limits: Limits) -> bytes:
    try:
        with session.get(url, timeout=(limits.connect, limits.stall), stream=True) as response:
            if response.status_code in AGAIN:
                raise Trouble(f"status {response.status_code}")
            if response.status_code != requests.codes.ok:
                raise Refusal(f"status {response.status_code}")
            body = response.raw.read(LARGEST + 1)
            expected = response.headers.get("Content-Length")
            if expected is not None and len(body) < int(expected):
                raise Trouble(f"{len(body)} of {expected} bytes")
            if len(body) > LARGEST:
                raise Refusal(f"more than {LARGEST} bytes")
            return body
    except PASSING as e:
        raise Trouble(type(e).__name__) from e
    except requests.RequestException as e:
        raise Refusal(type(e).__name__) from e
