"""A yearly baseline of citations with topics of known words: XML files, an .md5 beside each, and their listing."""

import gzip
import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

import numpy as np

HEAD = """<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE PubmedArticleSet SYSTEM "http://dtd.nlm.nih.gov/ncbi/pubmed/out/pubmed_250101.dtd">
<PubmedArticleSet>
"""
RESIDUES = "aeioubdgklmnprstvz"
COMMON = ("the", "of", "in", "and", "we", "was", "with", "cells", "study", "results", "showed", "patients")


@dataclass(frozen=True)
class Citation:
    """What one record says. terms : descriptor -> `D`, `Q` (of a qualifier) or `N`, where it is a major topic."""

    pmid: int
    title: str
    abstract: tuple[tuple[str, str], ...] | None  # (label or "", text with inline markup)
    terms: dict[str, str]
    version: int = 1
    other_abstract: str = ""
    foreign: tuple[int, ...] = ()  # PMIDs of comments and corrections

    def xml(self) -> str:
        own = "".join(
            f"<AbstractText{f' Label={quoteattr(label)}' if label else ''}>{text}</AbstractText>\n"
            for label, text in self.abstract or ()
        )
        abstract = f"<Abstract>{own}<CopyrightInformation>nobody</CopyrightInformation></Abstract>" if own else ""
        foreign = "".join(
            f'<CommentsCorrections RefType="Cites"><RefSource>x</RefSource><PMID Version="1">{p}</PMID>'
            "</CommentsCorrections>"
            for p in self.foreign
        )
        mesh = "".join(
            f'<MeshHeading><DescriptorName UI="{identifier(term)}" MajorTopicYN="{"Y" if major == "D" else "N"}">'
            f"{escape(term)}</DescriptorName>"
            f'<QualifierName UI="Q000001" MajorTopicYN="{"Y" if major == "Q" else "N"}">methods</QualifierName>'
            "</MeshHeading>\n"
            for term, major in self.terms.items()
        )
        french = f"<AbstractText>{self.other_abstract}</AbstractText>"
        other = f'<OtherAbstract Type="Publisher" Language="fre">{french}</OtherAbstract>'
        return (
            f'<PubmedArticle><MedlineCitation Status="MEDLINE" Owner="NLM">\n<PMID Version="{self.version}">{self.pmid}'
            f'</PMID>\n<Article PubModel="Print"><Journal><Title>A journal</Title></Journal>\n'
            f"<ArticleTitle>{self.title}</ArticleTitle>\n{abstract}</Article>\n"
            f"{f'<CommentsCorrectionsList>{foreign}</CommentsCorrectionsList>' if foreign else ''}"
            f"{f'<MeshHeadingList>{mesh}</MeshHeadingList>' if mesh else ''}\n{other if self.other_abstract else ''}"
            f"</MedlineCitation><PubmedData><ArticleIdList>"
            f'<ArticleId IdType="pubmed">{self.pmid}</ArticleId></ArticleIdList></PubmedData></PubmedArticle>\n'
        )


def identifier(term: str) -> str:
    """A MeSH number that follows from the term."""
    return f"D{int(hashlib.sha256(term.encode()).hexdigest(), 16) % 10**6:06d}"


@dataclass
class Baseline:
    """What was simulated: citations of each file; PMIDs withdrawn at the end of each; the words of every topic."""

    files: list[list[Citation]]
    deleted: list[tuple[int, ...]]
    words: dict[str, list[str]] = field(default_factory=dict)

    def write(self, folder: Path, *, year: int = 25) -> list[Path]:
        """Write all files with their digests; returns their paths."""
        folder.mkdir(parents=True, exist_ok=True)
        out = []
        for i, (citations, deleted) in enumerate(zip(self.files, self.deleted, strict=True), 1):
            gone = "".join(f'<PMID Version="1">{p}</PMID>' for p in deleted)
            tail = f"<DeleteCitation>{gone}</DeleteCitation>\n" if gone else ""
            text = HEAD + "".join(c.xml() for c in citations) + tail + "</PubmedArticleSet>\n"
            path = folder / f"pubmed{year}n{i:04d}.xml.gz"
            path.write_bytes(gzip.compress(text.encode(), mtime=0))
            digest = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
            path.with_name(path.name + ".md5").write_text(f"MD5({path.name})= {digest}\n")
            out.append(path)
        return out


def listing(names: list[str]) -> bytes:
    """A directory as a web server shows it."""
    rows = "".join(f'<a href="{n}">{n}</a>   2025-01-01 00:00  1.0M\n' for n in ["README.txt", *names])
    return f"<html><head><title>Index of /</title></head><body><pre>{rows}</pre></body></html>\n".encode()


def simulate_baseline(
    *, topics: int = 8, documents: int = 60, files: int = 3, seed: int = 0, words: int = 30, share: float = 0.5
) -> Baseline:
    """Documents whose words are, with probability `share`, of their topic; about every sixth is of two topics."""
    rng = np.random.default_rng(seed)
    pool = sorted({"".join(rng.choice(list(RESIDUES), rng.integers(4, 9))) for _ in range(2 * topics * words)})
    drawn = rng.permutation(len(pool))
    own = {f"Topic {t}, Simulated": [pool[i] for i in drawn[t * words : (t + 1) * words]] for t in range(topics)}
    names, citations = list(own), []
    for d in range(topics * documents):
        of = [names[d % topics]]
        if rng.random() < 1 / 6:
            of.append(names[int(rng.integers(topics))])
        terms = {term: "DQ"[int(rng.integers(2))] for term in of}
        terms |= {"Humans": "N"}
        title, first, second = (" ".join(_words(own, of, rng, n, share)) for n in (6, 25, 15))
        if rng.random() < 0.3:
            abstract = (("BACKGROUND", f"{first}."), ("RESULTS", f"<i>{second}</i> &amp; p&lt;0.05<sup>2</sup>."))
        else:
            abstract = (("", f"{first}. {second}."),)
        citations.append(Citation(1000 + d, f"{title}.", abstract, terms, foreign=(7, 8) if d % 9 == 0 else ()))
    order = rng.permutation(len(citations))
    parts = [[citations[i] for i in part] for part in np.array_split(order, files)]
    return Baseline(parts, [() for _ in parts], own)


def _words(own: dict[str, list[str]], of: list[str], rng: np.random.Generator, n: int, share: float) -> list[str]:
    out = []
    for _ in range(n):
        topic = own[of[int(rng.integers(len(of)))]]
        out.append(topic[int(len(topic) * rng.random() ** 2)] if rng.random() < share else str(rng.choice(COMMON)))
    return out
