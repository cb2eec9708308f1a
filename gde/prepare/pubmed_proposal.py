"""The experiment that `gde init` writes for PubMed's XML."""

import os
from collections import Counter
from pathlib import Path

from gde.errors import bad
from gde.prepare.common.proposal import Given, Proposal, Setting
from gde.prepare.common.query_kind import columns_among, no_options
from gde.readers.pubmed_xml import Article, read_citations

ENDINGS = (".xml.gz", ".xml")
LENGTH = 2048  # bytes, the default
USUAL, TERMS, LEAST = 50, 20, 2  # documents of a term; terms that are enough; documents that a term must have


def propose(given: Given) -> Proposal | None:
    """Settings for files of citations; None for others. GdeError for XML that is not PubMed's, and too few documents of
    every term: the first file is read, and the others taken for alike."""
    if not all(file.name.endswith(ENDINGS) for file in given.files):
        return None
    no_options(given.options(), "citations of PubMed", but=("groupby",))
    columns_among(given.groupby, ["term"], "PubMed's XML, grouped by major MeSH term")
    first, sizes = given.files[0], [file.stat().st_size if os.path.isfile(file) else 0 for file in given.files]
    documents = documents_of(first)
    times = sum(sizes) / sizes[0]
    least = fewest(Counter({term: int(n * times) for term, n in documents.items()}), first)
    enough = sum(n * times >= least for n in documents.values())
    return Proposal(
        f"Abstracts of PubMed in {len(given.files)} file{'s'[: len(given.files) > 1]}; a set is a major MeSH term",
        [
            Setting("files", given.patterns(ENDINGS), "or patterns, such as pubmed/*.xml.gz"),
            Setting("length", LENGTH, "bytes of title and abstract; longer ones are cut"),
            Setting("min_docs", least, f"documents of a term; by {first.name} {enough} terms have as many"),
            Setting("max_docs", 500, "of commoner terms a random part", asleep=True),
        ],
    )


def documents_of(path: Path) -> Counter:
    """Documents of each major term in a file."""
    found = Counter()
    for record in read_citations(path):
        if isinstance(record, Article) and record.text is not None:
            found.update(record.terms)
    return found


def fewest(documents: Counter, path: Path) -> int:
    """Documents that a term must have: as usual, or as many as leave some terms of a small file."""
    counts = sorted(documents.values(), reverse=True)
    if len(counts) < 3 or counts[2] < LEAST:
        found = f"{len(counts)} major MeSH terms, of which fewer than three have {LEAST} documents with an abstract"
        raise bad(path, found, "documents by term", "give a larger file, such as one of the yearly baseline")
    return max(LEAST, min(USUAL, counts[min(TERMS, len(counts)) - 1]))
