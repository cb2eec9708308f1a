"""PubMed's XML: what is read of a citation, which citations stand, and every way in which a file can be broken."""

import gzip
import hashlib
import resource
from collections import Counter

import numpy as np
import pytest
from prepare_data import refused
from simulators.pubmed import HEAD, Baseline, Citation, identifier, simulate_baseline

from gde.config.datasets.texts import Pubmed
from gde.errors import GdeError
from gde.prepare.pubmed import prepare
from gde.readers.pubmed_xml import Article, Deleted, read_citations
from gde.sets.store.layout import SPLITS
from gde.sets.store.set_store import SetStore

ONE = Citation(11, "A <i>title</i>", (("", "Some  text\nof <b>one</b> &amp; two."),), {"Heart": "D"})


def cfg(files, **changes) -> dict:
    own = {"kind": "pubmed", "files": [str(f) for f in files], "min_docs": 2, "length": 256}
    return Pubmed.model_validate(own | changes).model_dump()


def written(folder, *citations, deleted=()):
    return Baseline([list(citations)], [tuple(deleted)]).write(folder)[0]


def stored(tmp_path, files, **changes) -> SetStore:
    prepare(cfg(files, **changes), tmp_path / "sets" / "mine", name="pubmed", seed=0)
    return SetStore.open(tmp_path / "sets" / "mine")


def texts_of(store, g) -> list[str]:
    return store.alphabet.decode(store.read(g))


def test_a_citation_is_its_title_abstract_and_major_terms(tmp_path):
    whole = Citation(
        12,
        "Of <sub>2</sub> mice &#x3b1;",
        (("AIM", "To see."), ("", "No label."), ("RESULTS", "p&lt;0.05, <i>in <sup>vivo</sup></i>.")),
        {"Mice": "D", "Heart": "Q", "Humans": "N"},
        version=3,
        other_abstract="En autre langue.",
        foreign=(5, 6),
    )
    path = written(tmp_path, ONE, whole, Citation(13, "Bare.", None, {}), deleted=(99,))
    first, second, third, gone = read_citations(path)
    assert first == Article(11, 1, "A title\nSome text of one & two.", (("Heart", identifier("Heart")),))
    assert second.pmid == 12 and second.version == 3  # and not 5 or 6, which it cites
    assert second.text == "Of 2 mice α\nAIM: To see.\nNo label.\nRESULTS: p<0.05, in vivo."
    assert [name for name, _ in second.terms] == ["Mice", "Heart"]
    assert third.text is None and third.terms == () and gone == Deleted((99,))


def test_the_excerpt_has_what_its_readme_counts(excerpt):
    path = next(excerpt("pubmed").glob("*.xml.gz"))
    found = list(read_citations(path))
    assert len(found) == 126 and len({a.pmid for a in found}) == 126
    assert sum(a.text is not None for a in found) == 75  # 77 with abstracts in other languages
    labelled = [a for a in found if a.text and any(line.split(":")[0].isupper() for line in a.text.split("\n")[1:])]
    assert len(labelled) >= 10
    assert not any("<" in a.text and "/" in a.text.split("<")[1][:2] for a in found if a.text)


def test_the_excerpt_becomes_a_store(tmp_path, excerpt):
    store = stored(tmp_path, [excerpt("pubmed") / "*.xml.gz"], min_docs=2)
    counted = store.meta["counted"]
    assert counted["citations"] == 126 and counted["without_abstract"] == 51
    assert store.groups.groupby("term")["documents"].first().max() == 3
    assert counted["rows"] == store.n_rows == store.sizes.sum() and store.meta["data"] == "excerpt"
    split = {}
    for g in range(len(store)):  # a document is in one split, whatever its terms
        for pmid in store.field("pmid")[store.starts[g] : store.starts[g] + store.sizes[g]]:
            assert split.setdefault(int(pmid), store.groups["split"][g]) == store.groups["split"][g]
    assert len(split) == counted["documents"]


def test_a_document_is_in_the_group_of_each_of_its_terms(tmp_path):
    base = simulate_baseline(topics=5, documents=40, files=2)
    files = base.write(tmp_path / "in")
    store = stored(tmp_path, files)
    expected = Counter(t for part in base.files for c in part for t, major in c.terms.items() if major != "N")
    assert dict(expected) == store.groups.groupby("group")["documents"].first().to_dict()
    assert (store.groups.groupby("group")["documents"].nunique() == 1).all()
    sizes = {t: int(store.sizes[store.select(term=t)].sum()) for t in expected}
    assert sizes == dict(expected) and store.alphabet.name == "text"
    shares = np.array([store.sizes[store.select(split=s)].sum() for s in SPLITS]) / store.n_rows
    assert np.allclose(shares, [0.7, 0.1, 0.2], atol=0.08)
    own = {c.pmid: c for part in base.files for c in part}
    g = int(store.select(split="train")[0])
    for text, pmid in zip(texts_of(store, g), store.field("pmid")[store.starts[g] :], strict=False):
        assert text.startswith(own[int(pmid)].title[:200])
        assert store.groups["group"][g] in own[int(pmid)].terms


def test_order_and_division_of_files_do_not_change_the_documents(tmp_path):
    base = simulate_baseline(topics=4, documents=30, files=1)
    one = stored(tmp_path / "a", base.write(tmp_path / "one"))
    mixed = Baseline([base.files[0][70:], base.files[0][:70]], [(), ()])
    two = stored(tmp_path / "b", mixed.write(tmp_path / "two"))
    for g, name in enumerate(one.groups["group"]):
        other = int(two.select(split=one.groups["split"][g], group=name)[0])
        assert sorted(texts_of(one, g)) == sorted(texts_of(two, other))


def many(n: int, first: int = 100) -> list[Citation]:
    return [
        Citation(first + i, f"Title {first + i}", (("", f"Words {i * 7919 % 1000} and {i}."),), {f"Term {i % 3}": "D"})
        for i in range(n)
    ]


def test_later_versions_replace_and_withdrawn_ones_are_gone(tmp_path):
    newer = Citation(101, "New title", (("", "New words."),), {"Term 1": "D"}, version=2)
    bare = Citation(102, "No abstract any more", None, {"Term 2": "D"}, version=1)  # the last of equal versions stands
    older = Citation(103, "Old", (("", "Old words."),), {"Term 0": "D"}, version=1)
    first = [c for c in many(60) if c.pmid != 103] + [
        Citation(103, "Kept", (("", "Kept words."),), {"Term 0": "D"}, version=2)
    ]
    again = Citation(105, "Came back", (("", "After it was withdrawn."),), {"Term 2": "D"})
    files = Baseline([first, [newer, bare, older], [again]], [(), (104, 105, 4711), ()]).write(tmp_path / "in")
    store = stored(tmp_path, files)
    said = {t for g in range(len(store)) for t in texts_of(store, g)}
    assert "New title\nNew words." in said and not any(t.startswith("Title 101\n") for t in said)
    assert "Kept\nKept words." in said and "Old\nOld words." not in said
    assert not any(t.startswith(("Title 102\n", "Title 104\n", "Title 105\n")) for t in said)
    assert "Came back\nAfter it was withdrawn." in said
    counted = store.meta["counted"]
    assert counted["replaced"] == 3 and counted["withdrawn"] == 2 and counted["documents"] == 58


def test_long_documents_are_cut_between_letters_or_left_out(tmp_path):
    odd = Citation(50, "ä" * 100, (("", "ö" * 100),), {"Term 0": "D"})
    path = written(tmp_path / "in", odd, *many(60))
    cut = stored(tmp_path / "a", [path], length=40)
    said = next(t for g in range(len(cut)) for t in texts_of(cut, g) if "ä" in t)
    assert said == "ä" * 20 and cut.meta["counted"]["cut"] == 1
    assert "�" not in said
    shorter = stored(tmp_path / "b", [path], length=41)
    assert "ä" * 20 in {t for g in range(len(shorter)) for t in texts_of(shorter, g)}
    left = stored(tmp_path / "c", [path], length=40, too_long="drop")
    assert left.meta["counted"]["too_long"] == 1 and left.meta["counted"]["documents"] == 60


def test_terms_and_documents_are_limited_by_seed_and_not_by_order(tmp_path):
    base = simulate_baseline(topics=9, documents=40, files=1)
    path = base.write(tmp_path / "in")
    a = stored(tmp_path / "a", path, terms=4, max_docs=20)
    assert a.groups["term"].nunique() == 4 and (a.groups["documents"] == 20).all()
    back = Baseline([base.files[0][::-1]], [()]).write(tmp_path / "back")
    b = stored(tmp_path / "b", back, terms=4, max_docs=20)
    assert set(a.field("pmid")) == set(b.field("pmid"))
    with refused(tmp_path / "c" / "sets" / "mine", "terms of 5000 documents or more", "lower dataset.min_docs"):
        stored(tmp_path / "c", path, min_docs=5000)


XML = HEAD.encode() + b"".join(c.xml().encode() for c in many(30)) + b"</PubmedArticleSet>\n"
PAGE = b"<!DOCTYPE html>\n<html><body>Please log in</body></html>\n"


def laughs() -> bytes:
    grown = "".join(f'<!ENTITY a{i} "{f"&a{i - 1};" * 10}">' for i in range(1, 9))
    return XML.replace(b'"http://dtd', f'"x" [<!ENTITY a0 "ha">{grown}]><!-- "'.encode()).replace(b"Words 0", b"&a8;")


@pytest.mark.parametrize(
    "name, content, parts",
    [
        ("cut in a citation", gzip.compress(XML[:-900]), ["an end of the file behind PMID 12", "it is cut"]),
        ("cut in the first one", gzip.compress(XML[:500]), ["before the first whole citation", "it is cut"]),
        ("cut between two", gzip.compress(XML[: XML.rindex(b"<PubmedArticle>")]), ["behind PMID 128", "it is cut"]),
        ("cut gzip", gzip.compress(XML)[:-20], ["a damaged or cut gzip file"]),
        ("flipped gzip", gzip.compress(XML)[:-6] + b"x" + gzip.compress(XML)[-5:], ["a damaged or cut gzip file"]),
        ("no gzip", XML, ["XML that is not packed"]),
        ("a page", PAGE, ["an HTML page"]),
        ("a packed page", gzip.compress(PAGE), ["an HTML page"]),
        ("empty", b"", ["an empty file"]),
        ("packed emptiness", gzip.compress(b""), ["an empty file"]),
        ("latin-1", gzip.compress(XML.replace(b"Words 0", b"Caf\xe9 0")), ["line 8", "bytes that are not UTF-8"]),
        ("ill-formed", gzip.compress(XML.replace(b"Words 0", b"a < b")), ["broken XML", "before the first"]),
        ("undefined entity", gzip.compress(XML.replace(b"Words 0", b"&eacute;")), ["broken XML", "entity"]),
        ("answers joined", gzip.compress(XML * 2), ["more behind the end of the document behind PMID 129", "efetch"]),
        ("laughs", gzip.compress(laughs()), ["a document type with declarations of its own"]),
        ("another root", gzip.compress(b"<?xml version='1.0'?><eSearchResult/>"), ["<eSearchResult>"]),
        ("no PMID", gzip.compress(XML.replace(b'<PMID Version="1">100</PMID>', b"")), ["no PMID"]),
        ("odd PMID", gzip.compress(XML.replace(b">100</PMID>", b">1e2</PMID>")), ["PMID '1e2'"]),
        ("no title", gzip.compress(XML.replace(b"<ArticleTitle>Title 100</ArticleTitle>", b"")), ["no ArticleTitle"]),
        ("a pickle", b"\x80\x04K\x01.", ["a Python pickle", "never loads pickles"]),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_a_broken_file_is_refused_in_one_line(tmp_path, name, content, parts):
    path = tmp_path / "in" / "pubmed25n0001.xml.gz"
    path.parent.mkdir()
    path.write_bytes(content)
    with refused(tmp_path / "sets" / "mine", "pubmed25n0001.xml.gz", *parts):
        prepare(cfg([path]), tmp_path / "sets" / "mine", name="pubmed", seed=0)


def test_the_digest_beside_a_file_binds(tmp_path):
    path = written(tmp_path / "in", *many(60))
    stored(tmp_path / "a", [path])
    beside = path.with_name(path.name + ".md5")
    beside.write_text(f"MD5({path.name})= {hashlib.md5(b'another').hexdigest()}\n")
    with refused(tmp_path / "sets" / "mine", path.name, "md5 ", "the file is damaged"):
        prepare(cfg([path]), tmp_path / "sets" / "mine", name="pubmed", seed=0)
    beside.write_text("no digest\n")
    with refused(tmp_path / "sets" / "mine", ".md5", "one MD5, 32 hexadecimal digits"):
        prepare(cfg([path]), tmp_path / "sets" / "mine", name="pubmed", seed=0)
    beside.unlink()
    stored(tmp_path / "b", [path])


def test_missing_files_and_splits_are_named(tmp_path):
    with pytest.raises(GdeError, match=r"nothing\.xml\.gz: found no such file"):
        prepare(cfg([tmp_path / "nothing.xml.gz"]), tmp_path / "store", name="pubmed", seed=0)
    path = written(tmp_path / "in", *many(12))
    with refused(tmp_path / "sets" / "mine", "no document in split"):
        prepare(cfg([path], split={"fractions": [0.998, 0.001, 0.001]}), tmp_path / "sets" / "mine", name="p", seed=0)


def test_memory_does_not_grow_with_the_file(tmp_path):
    """A file ten times as large adds less than a tenth of what its text takes."""
    text = ("word " * 400).encode()
    one = HEAD.encode() + b"".join(
        Citation(i, "T", (("", text.decode() + str(i)),), {f"Term {i % 3}": "D"}).xml().encode() for i in range(1, 2001)
    )
    small, large = tmp_path / "small.xml.gz", tmp_path / "large.xml.gz"
    tail = b"</PubmedArticleSet>\n"
    small.write_bytes(gzip.compress(one + tail, 1))
    large.write_bytes(gzip.compress(one + one[len(HEAD) :] * 9 + tail, 1))
    sum(1 for _ in read_citations(small))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert sum(1 for _ in read_citations(large)) == 20_000
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < 0.1 * 10 * len(one)
