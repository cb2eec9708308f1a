"""Citations of PubMed's XML files, one after the other, in memory that does not grow with the file.

The document type that the files name is never fetched, and one with declarations of its own is refused: there are no
entities that could grow.
"""

import gzip
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from xml.etree import ElementTree

from gde.errors import GdeError, bad
from gde.files.checksums import Digests
from gde.files.sniffing import check_file, kind_of, other_file

EXPECTED = "PubMed citations: XML, plain or gzip"
REMEDY = "get the file again"
ROOT = "PubmedArticleSet"
PROLOG = 1 << 16  # bytes in which the root element has begun
START = re.compile(
    rb"\s*(<\?xml[^>]*\?>)?\s*(<!--(?:(?!-->).)*-->\s*)*(<!DOCTYPE\s+[^>\[]*>)?\s*(<!--(?:(?!-->).)*-->\s*)*<([\w:.-]+)",
    re.S,
)
MD5 = re.compile(r"\b([0-9a-fA-F]{32})\b")


@dataclass(frozen=True)
class Article:
    """A citation. text : title, a line feed, abstract, its labelled parts a line each; None without an abstract.
    terms : the major MeSH terms as (descriptor, identifier), each once."""

    pmid: int
    version: int
    text: str | None
    terms: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Deleted:
    """PMIDs of citations that are withdrawn."""

    pmids: tuple[int, ...]


def read_citations(path: Path) -> Iterator[Article | Deleted]:
    """All citations of a file, in order; chapters of books are left out.

    GdeError for a file that is absent, of another kind, damaged, cut (named is the last whole citation), not UTF-8, of
    another root element, or whose document type declares anything; for a citation without a PMID or title; and where
    an .md5 lies beside the file, for other contents.
    """
    check_file(path, EXPECTED, REMEDY)
    check_md5(path)
    last = None
    try:
        with opened(path) as file:
            _check_start(file, path)
            file.seek(0)
            for event in _elements(file):
                record = _record(event, path, last)
                if isinstance(record, Article):
                    last = record.pmid
                if record is not None:
                    yield record
    except (EOFError, zlib.error, gzip.BadGzipFile) as e:
        found = f"a damaged or cut gzip file ({e}){_behind(last)}"
        raise bad(path, found, "a whole one", REMEDY) from e
    except ElementTree.ParseError as e:
        raise _broken(path, e, last) from e


def opened(path: Path) -> IO[bytes]:
    """The XML of a file, unpacked. GdeError for a file of another kind."""
    kind = kind_of(path)
    if kind == "a gzip file":
        return gzip.open(path)
    with path.open("rb") as f:
        head = f.read(5)
    if head != b"<?xml":
        raise other_file(path, EXPECTED, "give the .xml.gz file itself")
    if path.suffix == ".gz":
        raise bad(path, "XML that is not packed", "a gzip file, as its name says", f"{REMEDY}, or name it .xml")
    return path.open("rb")


def check_md5(path: Path) -> None:
    """GdeError unless a file has the digest that the .md5 beside it, if there is one, says."""
    beside = path.with_name(path.name + ".md5")
    if not beside.is_file():
        return
    expected, found = read_md5(beside.read_bytes(), str(beside)), Digests.of(path).md5
    if found != expected:
        raise bad(path, f"md5 {found}", f"md5 {expected} ({beside.name})", f"the file is damaged: {REMEDY}")


def read_md5(text: bytes, where: str) -> str:
    """The digest in an .md5 file, as `MD5 (name) = digest` or alone. GdeError where there is not exactly one."""
    found = MD5.findall(text.decode("ascii", "replace"))
    if len(found) != 1:
        raise bad(where, f"{text[:60].decode(errors='replace')!r}", "one MD5, 32 hexadecimal digits", REMEDY)
    return found[0].lower()


def _check_start(file: IO[bytes], path: Path) -> None:
    """GdeError unless the root element is PubMed's, and nothing is declared before it."""
    head = file.read(PROLOG).removeprefix(b"\xef\xbb\xbf")
    if not head.strip():
        raise bad(path, "an empty file", EXPECTED, REMEDY)
    found = START.match(head)
    if found is None:
        if re.search(rb"<!DOCTYPE[^>]*\[|<!ENTITY", head):
            remedy = "files of PubMed have none: get it from there"
            raise bad(path, "a document type with declarations of its own", "one that is only named", remedy)
        raise bad(path, f"{head[:40].decode(errors='replace')!r}", EXPECTED, REMEDY)
    root = found[5].decode(errors="replace")
    if root.lower() in ("html", "head", "body"):
        raise bad(path, "an HTML page", EXPECTED, REMEDY)
    if root != ROOT:
        raise bad(path, f"the root element <{root}>", f"<{ROOT}>", "give a file of PubMed's baseline or updates")


def _elements(file: IO[bytes]) -> Iterator[ElementTree.Element]:
    """The children of the root, whole, each forgotten when the next is asked for."""
    root, depth = None, 0
    for event, element in ElementTree.iterparse(file, events=("start", "end")):
        if event == "start":
            root = element if root is None else root
            depth += 1
            continue
        depth -= 1
        if depth == 1:
            yield element
            root.clear()


def _record(element: ElementTree.Element, path: Path, last: int | None) -> Article | Deleted | None:
    if element.tag == "DeleteCitation":
        return Deleted(tuple(_pmid(e, path, last) for e in element.findall("PMID")))
    if element.tag != "PubmedArticle":
        return None
    own = element.find("MedlineCitation/PMID")  # others stand deeper: of comments, corrections and references
    if own is None:
        raise bad(f"{path}: a citation{_behind(last)}", "no PMID", "one", REMEDY)
    pmid = _pmid(own, path, last)
    article = element.find("MedlineCitation/Article")
    title = None if article is None else article.find("ArticleTitle")
    if title is None:
        raise bad(f"{path}: PMID {pmid}", "no ArticleTitle", "one", REMEDY)
    return Article(pmid, int(own.get("Version", "1")), _document(title, article), _terms(element))


def _pmid(element: ElementTree.Element, path: Path, last: int | None) -> int:
    text, version = (element.text or "").strip(), element.get("Version", "1")
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 1 << 31 and version.isdigit()):
        found = f"PMID {text!r}, version {version!r}{_behind(last)}"
        raise bad(path, found, "whole numbers", REMEDY)
    return int(text)


def _document(title: ElementTree.Element, article: ElementTree.Element) -> str | None:
    """Title and abstract; abstracts in other languages (OtherAbstract) stand beside the article, not in it."""
    lines = []
    for part in article.findall("Abstract/AbstractText"):
        label, text = (part.get("Label") or "").strip(), _text(part)
        if text:
            lines.append(f"{label}: {text}" if label else text)
    return "\n".join([*filter(None, [_text(title)]), *lines]) if lines else None


def _text(element: ElementTree.Element) -> str:
    """All text of an element, that of inline markup included, spaces and line ends as one space each."""
    return " ".join("".join(element.itertext()).split())


def _terms(element: ElementTree.Element) -> tuple[tuple[str, str], ...]:
    """Descriptors of which they or one of their qualifiers is a major topic."""
    out = {}
    for heading in element.findall("MedlineCitation/MeshHeadingList/MeshHeading"):
        name = heading.find("DescriptorName")
        if name is not None and any(e.get("MajorTopicYN") == "Y" for e in heading):
            out.setdefault(_text(name), name.get("UI", ""))
    return tuple(out.items())


def _behind(last: int | None) -> str:
    return " before the first whole citation" if last is None else f" behind PMID {last}"


def _broken(path: Path, e: ElementTree.ParseError, last: int | None) -> GdeError:
    """The error for XML that cannot be parsed: cut, not UTF-8, or ill-formed."""
    from xml.parsers.expat import errors

    cut = {errors.codes[m] for m in (errors.XML_ERROR_NO_ELEMENTS, errors.XML_ERROR_UNCLOSED_TOKEN)}
    line, column = e.position
    if e.code in cut:
        return bad(
            path, f"an end of the file{_behind(last)}, in the next one", "whole citations", f"it is cut: {REMEDY}"
        )
    if (place := _not_utf8(path)) is not None:
        return bad(f"{path}: line {place}", f"bytes that are not UTF-8{_behind(last)}", "UTF-8", REMEDY)
    joined = {errors.codes[m] for m in (errors.XML_ERROR_JUNK_AFTER_DOC_ELEMENT, errors.XML_ERROR_MISPLACED_XML_PI)}
    if e.code in joined:
        found = f"more behind the end of the document{_behind(last)}, as where answers of efetch are joined"
        where = f"{path}: line {line}, column {column}"
        return bad(where, found, "one document in a file", "give each answer as a file of its own")
    reason = errors.messages.get(e.code, str(e))
    return bad(f"{path}: line {line}, column {column}", f"broken XML ({reason}){_behind(last)}", EXPECTED, REMEDY)


def _not_utf8(path: Path) -> int | None:
    """The line of the first bytes that are no UTF-8; None where all are."""
    with opened(path) as file:
        for number, line in enumerate(file, 1):
            try:
                line.decode()
            except UnicodeDecodeError:
                return number
    return None
