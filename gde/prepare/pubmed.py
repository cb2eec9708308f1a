"""Titles and abstracts of PubMed: a group is a major MeSH term, a sample a document as UTF-8.

A document of several terms is in the group of each, and in the same split in all of them: that follows from its text.
Each file is read once; what is kept of the documents waits on disk until it is known which of them were withdrawn or
replaced, and which terms have enough.
"""

import logging
from array import array
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

import numpy as np
import pandas as pd

from gde.errors import bad
from gde.files.checksums import Digests
from gde.files.input_files import baseline_listing, pattern_files
from gde.files.io import storage_errors
from gde.files.sniffing import check_file
from gde.prepare.common.hashing import sequence_hash, shuffled, uniform
from gde.prepare.common.listed import read_listed
from gde.prepare.common.write import origin, source_of
from gde.readers.pubmed_xml import EXPECTED, Article, read_citations
from gde.sets.random import seed_of
from gde.sets.store.layout import SPLITS
from gde.sets.store.token_writer import TokenStoreWriter
from gde.sets.types.alphabet import ALPHABETS

log = logging.getLogger(__name__)
TEXT = ALPHABETS["text"]
ROWS = 1024  # documents that are handed on together
AT_ONCE = 1 << 20  # citations whose numbers are looked at together


def prepare(cfg: dict, out: Path, *, name: str, seed: int, provenance: dict | None = None) -> None:
    """Write the store of dataset `name` at `out` from PubMed's XML (kind pubmed).

    groups : group = term, the descriptor; identifier, its MeSH number; documents, of the term in all splits.   samples
    keep their pmid. Memory: about 35 bytes for each citation while files are read and 95 when documents are
    chosen (measured: documents of three terms for two of three citations), more with `max_docs`, none for texts; these
    lie on disk meanwhile.
    GdeError for what `read_citations` refuses, and for terms too few.
    """
    out = Path(out)
    with storage_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        files, about = input_of(cfg)
        with TemporaryFile(dir=out.parent) as spool:
            read = Citations(spool, cfg)
            for file in files:
                read.add(file)
            kept = Kept(read, cfg, files[0].parent)
            with TokenStoreWriter(
                out, alphabet="text", length=cfg["length"], seed=seed, fields={"pmid": "int32"}
            ) as writer:
                for tokens, documents in read.texts():
                    row, code = kept.rows(documents)
                    writer.write(tokens[row], code, pmid=kept.pmid[documents[row]])
                meta = {
                    "name": name,
                    "kind": cfg["kind"],
                    "data": about["data"],
                    "sources": about["sources"],
                    "units": "bytes",
                    "groupby": ["term"],
                    "labels": ["term"],
                    "split": {**cfg["split"], "by": "document"},
                    "counted": {**read.counted, **kept.counted},
                    "dropped_groups": kept.small,
                    "dropped_samples": kept.small_documents,
                }
                writer.finish(kept.groups, meta, provenance=provenance)


def examine(cfg: dict) -> None:
    """GdeError for what the files tell; they are read whole, on a disk for temporary files."""
    files, _ = input_of(cfg)
    with TemporaryFile() as spool:
        read = Citations(spool, cfg)
        for file in files:
            read.add(file)
        Kept(read, cfg, files[0].parent)


def input_of(cfg: dict) -> tuple[list[Path], dict]:
    """The files, in the order in which later ones replace earlier ones; what they are, and their digests.

    GdeError for a fetched file that is not the one that was chosen from the listing.
    """
    listing = baseline_listing(cfg)
    if listing is None:
        given = {key: Path(file) for key, file in pattern_files(cfg).items()}
        for file in given.values():
            check_file(file, EXPECTED, "correct dataset.files")
        own = [{"key": key, **source_of(file)} for key, file in given.items()]
        return list(given.values()), {"data": origin(own), "sources": own}
    chosen, files = read_listed(listing), []
    sources = [{"key": "baseline", **source_of(listing)}]
    for file, facts in chosen["files"].items():
        if not Path(file).is_file() or Digests.of(Path(file)).md5 != facts["md5"]:
            found = "another file" if Path(file).is_file() else "no such file"
            remedy = f"delete it and {listing}, and run `snakemake {listing}`"
            raise bad(file, found, f"md5 {facts['md5']} ({listing})", remedy)
        files.append(Path(file))
        sources.append({"key": f"baseline ({Path(file).name})", "file": Path(file).name, "bytes": facts["bytes"],
                        "sha256": facts["sha256"]})  # fmt: skip
    return files, {"data": "release" if chosen["published"] else "user", "sources": sources}


class Citations:
    """All citations of the files: of each its PMID, version and place in the order, of each document also its terms,
    the hash of its text, and the text on disk.

    counted : citations, those without abstract, without a major term, and documents that were cut or too long.
    """

    def __init__(self, spool: IO[bytes], cfg: dict):
        self._spool, self.length, self.too_long, self.seed = spool, cfg["length"], cfg["too_long"], cfg["split"]["seed"]
        self.pmid, self.version, self.document = array("i"), array("i"), array("i")  # document: its number, or -1
        self.deleted: dict[int, int] = {}  # PMID -> citations that were read before it was withdrawn
        self.terms: dict[tuple[str, str], int] = {}
        self.n_terms, self.term, self.characters, self.hash = array("H"), array("i"), array("i"), array("Q")
        self._waiting: list[bytes] = []
        self.counted = dict.fromkeys(("citations", "without_abstract", "without_term", "cut", "too_long"), 0)

    def add(self, path: Path) -> None:
        """Read one file."""
        before = self.counted["citations"]
        for record in read_citations(path):
            if isinstance(record, Article):
                self._add(record, path)
            else:
                self.deleted |= dict.fromkeys(record.pmids, len(self.pmid))
        self._flush()
        log.info("%s: %d citations", path, self.counted["citations"] - before)

    def _add(self, article: Article, path: Path) -> None:
        self.counted["citations"] += 1
        self.pmid.append(article.pmid)
        self.version.append(article.version)
        text = self._accepted(article)
        self.document.append(-1 if text is None else len(self.characters))
        if text is None:
            return
        for term in article.terms:
            if "|" in term[0] or not term[0].isprintable():
                raise bad(f"{path}: PMID {article.pmid}", f"the term {term[0]!r}", "a term without '|'", "correct it")
            self.term.append(self.terms.setdefault(term, len(self.terms)))
        self.n_terms.append(len(article.terms))
        self.characters.append(len(text))
        self._waiting.append(text)
        if len(self._waiting) == ROWS:
            self._flush()

    def _accepted(self, article: Article) -> bytes | None:
        """The text of a document as it is kept; None where there is none."""
        if article.text is None:
            self.counted["without_abstract"] += 1
            return None
        if not article.terms:
            self.counted["without_term"] += 1
            return None
        text = article.text.encode()
        if len(text) <= self.length:
            return text
        if self.too_long == "drop":
            self.counted["too_long"] += 1
            return None
        self.counted["cut"] += 1
        return text[: self.length].decode(errors="ignore").encode()  # never inside a character

    def _flush(self) -> None:
        if self._waiting:
            found = sequence_hash(TEXT.pad(self._waiting, self.length), seed_of(self.seed, "document"))
            self.hash.frombytes(found.astype(np.uint64, copy=False).tobytes())
            self._spool.write(b"".join(self._waiting))
            self._waiting = []

    def texts(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Tokens (m, length) of the documents, in order, and their numbers (m,)."""
        self._spool.seek(0)
        characters = np.frombuffer(self.characters, np.int32)
        for start in range(0, len(characters), ROWS):
            own = characters[start : start + ROWS]
            tokens = np.zeros((len(own), self.length), np.uint8)
            flat = np.frombuffer(self._spool.read(int(own.sum())), np.uint8)
            tokens[np.arange(self.length) < own[:, None]] = flat
            yield tokens, np.arange(start, start + len(own))


class Kept:
    """Which documents are kept, in which groups.

    groups : as the store's, without sizes.   pmid (documents,).   counted : of citations, those withdrawn and those
    that a later version replaces; of documents, those that are kept, and the rows that they make.
    """

    def __init__(self, read: Citations, cfg: dict, where: Path):
        split = cfg["split"]
        there, self.counted = self._standing(read)
        if not there.any():
            remedy = "give other files: the first ones of the baseline have few abstracts"
            raise bad(where, "no document with an abstract and a major term", "some", remedy)
        n_terms, term = np.frombuffer(read.n_terms, np.uint16), np.frombuffer(read.term, np.int32)
        document = np.repeat(np.arange(len(n_terms), dtype=np.int32), n_terms)  # ascending, and stays so
        term, document = term[there[document]], document[there[document]]
        count = np.bincount(term, minlength=len(read.terms))
        names = [name for name, _ in read.terms]
        chosen = self._chosen(count, names, cfg, where)
        self.small = int((count[count > 0] < cfg["min_docs"]).sum())
        own = chosen[term]
        document, term = document[own], term[own]
        if cfg["max_docs"] is not None:
            document, term = self._drawn(document, term, cfg["max_docs"], split["seed"])
        part = self._parts(np.frombuffer(read.hash, np.uint64), split["fractions"])
        code = term * np.int32(len(SPLITS)) + part[document]
        in_cell = np.bincount(code, minlength=len(SPLITS) * len(names))
        cell = np.flatnonzero(in_cell)
        for s, name in enumerate(SPLITS):
            if s not in cell % len(SPLITS):
                remedy = "lower min_docs, give more files, or change dataset.split.fractions"
                raise bad(where, f"no document in split '{name}'", "one in every split", remedy)
        self._code = (np.cumsum(in_cell > 0, dtype=np.int32) - 1)[code]
        self._first = np.append(0, np.cumsum(np.bincount(document, minlength=len(n_terms))))
        documents = int((np.diff(self._first) > 0).sum())
        self.small_documents = int(there.sum()) - documents
        self.counted |= {"documents": documents, "rows": len(document)}
        in_term = in_cell.reshape(-1, len(SPLITS)).sum(1)
        identifier = [i for _, i in read.terms]
        self.groups = pd.DataFrame(
            {
                "group": names[c // len(SPLITS)],
                "split": SPLITS[c % len(SPLITS)],
                "term": names[c // len(SPLITS)],
                "identifier": identifier[c // len(SPLITS)],
                "documents": int(in_term[c // len(SPLITS)]),
            }
            for c in cell.tolist()
        )

    def _standing(self, read: Citations) -> tuple[np.ndarray, dict[str, int]]:
        """Which documents are neither withdrawn nor replaced (documents,) bool; the last citation of the highest
        version of a PMID stands for it. Sets `pmid`."""
        pmid, version, document = (np.frombuffer(a, np.int32) for a in (read.pmid, read.version, read.document))
        order = np.lexsort((version, pmid))  # of equal ones the order of reading stays
        ordered = pmid[order]
        stands = np.zeros(len(pmid), bool)
        stands[order[np.append(ordered[1:] != ordered[:-1], True)] if len(pmid) else order] = True
        del order, ordered
        gone = np.zeros(len(pmid), bool)
        withdrawn = np.array(sorted(read.deleted), np.int32)
        for start in range(0, len(pmid), AT_ONCE):
            own = pmid[start : start + AT_ONCE]
            for i in np.flatnonzero(np.isin(own, withdrawn)):
                gone[start + i] = start + i < read.deleted[int(own[i])]
        self.pmid = np.zeros(int(document.max(initial=-1)) + 1, np.int32)
        self.pmid[document[document >= 0]] = pmid[document >= 0]
        there = np.zeros(len(self.pmid), bool)
        there[document[stands & ~gone & (document >= 0)]] = True
        return there, {"replaced": int((~stands & ~gone).sum()), "withdrawn": int(gone.sum())}

    def _parts(self, hashes: np.ndarray, fractions: tuple[float, float, float]) -> np.ndarray:
        """Which split each document is in (documents,) int32, by its hash."""
        out = np.zeros(len(hashes), np.int32)
        for start in range(0, len(hashes), AT_ONCE):
            share = uniform(hashes[start : start + AT_ONCE])
            for limit in (fractions[0], fractions[0] + fractions[1]):
                out[start : start + AT_ONCE] += share >= limit
        return out

    def _chosen(self, count: np.ndarray, names: list[str], cfg: dict, where: Path) -> np.ndarray:
        """Which terms (t,) are kept."""
        if len(set(names)) < len(names):
            twice = next(n for n in names if names.count(n) > 1)
            raise bad(where, f"the term {twice!r} with two identifiers", "files of one year", "give files of one year")
        large = np.flatnonzero(count >= cfg["min_docs"])
        if len(large) < 3:
            found = f"{len(large)} terms of {cfg['min_docs']} documents or more (the commonest has {count.max()})"
            raise bad(where, found, "three or more", "lower dataset.min_docs, or give more files")
        if cfg["terms"] is not None and cfg["terms"] < len(large):
            rng = np.random.default_rng(seed_of(cfg["split"]["seed"], "terms"))
            by_name = large[np.argsort([names[t] for t in large])]
            large = by_name[np.sort(rng.permutation(len(large))[: cfg["terms"]])]
        chosen = np.zeros(len(count), bool)
        chosen[large] = True
        return chosen

    def _drawn(self, document: np.ndarray, term: np.ndarray, most: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """At most `most` documents of each term: those whose PMIDs have the smallest hashes."""
        key = shuffled(self.pmid[document].astype(np.uint64), seed_of(seed, "drawn"))
        order = np.lexsort((key, term))
        rank = np.arange(len(term)) - np.searchsorted(term[order], term[order], side="left")
        kept = np.sort(order[rank < most])
        return document[kept], term[kept]

    def rows(self, documents: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of some documents (m,) in a row, numbered in order: which of them each row of the store is (r,), and its
        group (r,)."""
        low, high = self._first[documents], self._first[documents + 1]
        row = np.repeat(np.arange(len(documents)), high - low)
        return row, self._code[low[0] : high[-1]]
