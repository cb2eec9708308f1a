"""A user's sequences become a token store: every format gives the same, and what is wrong in a file is named."""

import gzip
import re

import numpy as np
import pandas as pd
import pytest
from simulators.sequences import simulate_library

from gde.config.datasets.sequences import Sequences
from gde.errors import GdeError
from gde.prepare.sequences import prepare
from gde.readers.sequence_files import SequenceFile, text_blocks
from gde.sets.store.set_store import SetStore
from gde.sets.types.alphabet import ALPHABETS

PATTERN = "{name} {donor}|{tissue}|{copies}"
LIBRARY = simulate_library(donors=6, sequences=12)


def settings(path, **options):
    given = {"kind": "sequences", "path": str(path), "groupby": ["donor"], "labels": ["tissue"], "weight": "copies"}
    given["split"] = {"by": "group"}
    return Sequences.model_validate(given | options).model_dump()


def made(path, out, **options):
    prepare(settings(path, **options), out, name="mine", seed=0)
    return SetStore.open(out)


def content(store, g):
    """The sequences of a group with their weights, whatever their order."""
    weight = store.read_weights(g)
    texts = store.alphabet.decode(store.read(g))
    return sorted(zip(texts, weight.tolist() if weight is not None else [1] * len(texts), strict=True))


def expected(name):
    own = LIBRARY.table[LIBRARY.table["donor"] == name]
    return sorted(zip(own["sequence"].str.upper(), own["copies"].astype(float), strict=True))


@pytest.mark.parametrize(
    ("file", "fields", "end"),
    [
        ("a.fasta", "key=value", "\n"),
        ("a.fa.gz", PATTERN, "\n"),
        ("a.fna", PATTERN, "\r\n"),
        ("a.fastq", "key=value", "\n"),
        ("a.fastq.gz", PATTERN, "\r\n"),
        ("a.csv", None, "\n"),
        ("a.tsv.gz", None, "\r\n"),
    ],
)
def test_every_format_gives_all_sequences_with_weights_and_labels(tmp_path, file, fields, end):
    path = LIBRARY.write(tmp_path / file, fields=fields or "key=value", end=end)
    store = made(path, tmp_path / "sets", fields=fields)
    assert store.meta["dim"] == LIBRARY.table["sequence"].str.len().max()
    assert sorted(store.groups["group"]) == sorted(set(LIBRARY.table["donor"]))
    for g, (name, tissue) in enumerate(zip(store.groups["group"], store.groups["tissue"], strict=True)):
        assert content(store, g) == expected(name)
        assert tissue == LIBRARY.table.set_index("donor")["tissue"][name].iloc[0]
    assert store.meta["counted"]["records"] == len(LIBRARY.table)


def test_the_same_file_gives_the_same_store(tmp_path):
    path = LIBRARY.write(tmp_path / "a.fasta")
    stores = [made(path, tmp_path / name, fields="key=value") for name in ("one", "two")]
    assert stores[0].digest == stores[1].digest


def test_long_sequences_are_refused_cut_or_dropped(tmp_path):
    path, residues = LIBRARY.write(tmp_path / "a.csv"), LIBRARY.table["sequence"].str.len()
    first = int((residues > 40).to_numpy().argmax())
    with pytest.raises(GdeError, match=rf"row {first + 1}: found {residues[first]} residues, expected at most .*40"):
        made(path, tmp_path / "sets", length=40)
    cut = made(path, tmp_path / "cut", length=40, too_long="cut")
    assert cut.n_rows == len(residues) and cut.meta["counted"]["cut"] == (residues > 40).sum()
    stored = [text for g in range(len(cut)) for text, _ in content(cut, g)]
    assert sorted(stored) == sorted(LIBRARY.table["sequence"].str.upper().str[:40])
    short = made(path, tmp_path / "short", length=40, too_long="drop")
    assert short.n_rows == (residues <= 40).sum() and short.meta["counted"]["too_long"] == (residues > 40).sum()


def test_equal_sequences_stay_together(tmp_path):
    rng = np.random.default_rng(0)
    texts = rng.choice([f"ACGT{'ACGT'[i % 4]}{'ACGT'[i // 4 % 4]}{'ACGT'[i // 16]}" for i in range(64)], 600)
    table = pd.DataFrame({"sequence": texts, "donor": np.arange(600) % 3})
    table.to_csv(tmp_path / "a.csv", index=False)
    split = {"by": "sequence", "fractions": [0.6, 0.2, 0.2]}
    store = made(tmp_path / "a.csv", tmp_path / "sets", labels=[], weight=None, split=split)
    found = {part: set() for part in ("train", "validation", "test")}
    for g, part in enumerate(store.groups["split"]):
        found[part] |= {text for text, _ in content(store, g)}
    assert all(found.values()) and sum(map(len, found.values())) == len(set(texts))


def test_letters_that_stand_for_several_become_n_if_wanted(tmp_path):
    table = LIBRARY.table.copy()
    table.loc[3, "sequence"] = "ACRYN" + table.loc[3, "sequence"][5:]
    table.to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(GdeError, match=r"row 4: found 'R' at position 3, .*other_residues: N"):
        made(tmp_path / "a.csv", tmp_path / "sets")
    store = made(tmp_path / "a.csv", tmp_path / "sets", other_residues="N")
    assert store.meta["counted"]["with_other_residues"] == 1
    g = list(store.groups["group"]).index("D00")
    assert any(text.startswith("ACNNN") for text, _ in content(store, g))


PROTEINS = ">p1 sp=a\nMKV*\n>p2 sp=a\nmkl\n>p3 sp=b\nMXW\n>p4 sp=b\nACDEFGHIKLMNPQRSTVWY\n>p5 sp=c\nM\n>p6 sp=c\nMA*\n"
PROTEINS += ">p7 sp=d\nMKK\n>p8 sp=d\nMAA\n"


def proteins(path, out, text=PROTEINS, **options):
    path.write_text(text)
    given = {"alphabet": "protein", "fields": "key=value", "groupby": ["sp"], "labels": [], "weight": None}
    return made(path, out, min_size=2, **given | options)


def test_proteins_lose_the_stop_at_their_end(tmp_path):
    store = proteins(tmp_path / "a.faa", tmp_path / "sets")
    stored = {name: {t for t, _ in content(store, g)} for g, name in enumerate(store.groups["group"])}
    assert stored == {"a": {"MKV", "MKL"}, "b": {"MXW", "ACDEFGHIKLMNPQRSTVWY"}, "c": {"M", "MA"}, "d": {"MKK", "MAA"}}
    assert store.meta["counted"]["end_stops"] == 2 and store.meta["alphabet"] == "protein"


def test_other_letters_of_proteins_become_x_if_wanted(tmp_path):
    rare = PROTEINS.replace("mkl", "BZjuOk")
    with pytest.raises(GdeError, match=r"record 2 \(p2\): found 'B' at position 1, .*other_residues: X"):
        proteins(tmp_path / "a.faa", tmp_path / "sets", rare)
    store = proteins(tmp_path / "a.faa", tmp_path / "sets", rare, other_residues="X")
    assert store.meta["counted"]["with_other_residues"] == 1
    assert "XXXXXK" in {t for t, _ in content(store, list(store.groups["group"]).index("a"))}


@pytest.mark.parametrize(
    ("wrong", "message"), [("MK*L", r"'\*' at position 3"), ("*", "a stop alone"), ("MK-L", "'-' at position 3")]
)
def test_what_is_no_protein_is_named(tmp_path, wrong, message):
    with pytest.raises(GdeError, match=rf"record 2 \(p2\): found {message}"):
        proteins(tmp_path / "a.faa", tmp_path / "sets", PROTEINS.replace("mkl", wrong))


@pytest.mark.parametrize(("alphabet", "residue"), [("dna", "X"), ("protein", "N")])
def test_the_unknown_letter_is_that_of_the_alphabet(alphabet, residue):
    with pytest.raises(ValueError, match="other_residues"):
        settings("a.fasta", alphabet=alphabet, other_residues=residue)


FASTA = "".join(LIBRARY._record(row, "a.fasta", "key=value", 20) for row in LIBRARY.table.itertuples())
FASTQ = "".join(LIBRARY._record(row, "a.fastq", "key=value", 0) for row in LIBRARY.table.itertuples())
CSV = LIBRARY.table.to_csv(index=False)
HTML = "<!DOCTYPE html><html><body>moved</body></html>\n"


def third(text, mark, change):
    """The text with its third record changed."""
    parts = text.split(mark)
    return mark.join([*parts[:3], change(parts[3]), *parts[4:]])


def stray(text):
    """With quotes at the begin and end of fields that run over four lines."""
    lines = text.split("\n")
    lines[3], lines[6] = re.sub(",D", ',"D', lines[3]), re.sub("(,D[0-9]+),", r'\1",', lines[6])
    return "\n".join(lines)


BROKEN = [
    ("a.fasta", "", "an empty file"),
    ("a.fasta", HTML, "an HTML page"),
    ("a.fasta", FASTQ, "line 1: found '@s00.0"),
    ("a.fastq", FASTA, "line 1: found '>s00.0"),
    ("a.fasta", FASTA[:-5], "a.fasta: found a last line without an end"),  # within the last record
    ("a.fasta", FASTA.replace("\n", "\r"), "carriage returns alone"),
    ("a.fasta", third(FASTA, ">", lambda r: r.replace("\n", "\nMKLE\n", 1)), "'M' at .*set dataset.alphabet: protein"),
    ("a.fasta", FASTA + ">s99 donor=D00;tissue=blood;copies=1\n", r"record 73 \(s99\): found no residues"),
    ("a.fasta", third(FASTA, ">", lambda r: r.splitlines()[0] + "\n"), r"record 3 \(s00.2\): found no residues"),
    ("a.fasta", third(FASTA, ">", lambda r: "\n" + r.split("\n", 1)[1]), "record 3: found a header without a name"),
    (
        "a.fasta",
        third(FASTA, ">", lambda r: r.replace("tissue=", "organ=")),
        r"record 3 \(s00.2\): found no 'tissue'.*, or set dataset.fields",
    ),
    ("a.fasta", third(FASTA, ">", lambda r: r.replace("D00", "")), r"record 3 \(s00.2\): found no value of 'donor'"),
    ("a.fasta", third(FASTA, ">", lambda r: r.replace("\n", "\n\n", 1)), "line [0-9]+: found a blank line"),
    ("a.fasta", third(FASTA, ">", lambda r: r.replace("\n", "\nAC-GT\n", 1)), r"s00.2\): found '-' at position 3"),
    ("a.fasta", third(FASTA, ">", lambda r: r.replace("\n", "\nACUGT\n", 1)), "'U' at position 3.*write T for U"),
    ("a.fasta", third(FASTA, ">", lambda r: r.replace("\n", "\nACäGT\n", 1)), "'ä' at position 3"),
    ("a.fasta", third(FASTA, ">", lambda r: r.replace("copies=", "copies=-")), r"s00.2\), copies: found '-"),
    ("a.fasta", third(FASTA, ">", lambda r: r.replace("s00.2", "s00.1")), "the name 's00.1' 2 times"),
    ("a.fasta", FASTA[:1000] + "\0" + FASTA[1000:], "line [0-9]+: found a NUL byte"),
    ("a.fasta", FASTA[:100] + "\0" + FASTA[100:], "bytes of no known kind"),
    ("a.fastq", FASTQ[:-9], "cut"),
    ("a.fastq", FASTQ.rsplit("\n", 3)[0] + "\n", "record 72, before line 286: found no whole FASTQ record"),
    ("a.fastq", third(FASTQ, "@", lambda r: r.replace("I\n", "\n")), "record 3.*found no whole FASTQ record"),
    ("a.fastq", third(FASTQ, "@", lambda r: r.replace("+", "+other")), "record 3.*captions differ"),
    ("a.csv", "name,donor\n", "sequence"),
    ("a.csv", CSV.split("\n")[0] + "\n", "no row below the header"),
    ("a.csv", CSV[: CSV.index("\n", 200) - 3], "cut"),
    ("a.csv", third(CSV, "\n", lambda r: r.rsplit(",", 1)[0]), "row 3: found 4 fields, expected 5"),
    ("a.csv", third(CSV, "\n", lambda r: r.rsplit(",", 1)[0] + ","), "row 3: found no residues"),
    ("a.csv", third(CSV, "\n", lambda r: r.replace("D00", "")), "row 3: found no value of 'donor'"),
    ("a.csv", CSV.replace(",", "\t"), r"found columns with tabs \('\\t'\) .*name it .tsv"),
    ("a.csv", CSV.replace(",", ";"), "found columns with semicolons"),
    ("a.csv", stray(CSV), "row 3: found quotes around 4 lines, each of which is a row"),
    ("a.tsv", stray(CSV).replace(",", "\t"), "row 3: found quotes around 4 lines, each of which is a row"),
    (
        "a.csv",
        third(CSV, "\n", lambda r: r.replace("blood", "NA")),
        "row 3, tissue: found 'NA', a missing value that was spelled out",
    ),
    (
        "a.fasta",
        third(FASTA, ">", lambda r: r.replace("D00", "nan")),
        r"record 3 \(s00.2\), donor: found 'nan', a missing",
    ),
    ("a.csv", third(CSV, "\n", lambda r: r.replace(",blood", ',"blood')), "an ill-formed row"),
    ("a.txt", CSV, "the ending"),
]


@pytest.mark.parametrize(("file", "text", "message"), BROKEN, ids=range(len(BROKEN)))
def test_what_is_wrong_is_named(tmp_path, file, text, message):
    (tmp_path / file).write_text(text)
    fields = None if file.endswith((".csv", ".tsv")) else "key=value"
    with pytest.raises(GdeError, match=message) as error:
        made(tmp_path / file, tmp_path / "sets", fields=fields)
    assert "\n" not in str(error.value) and file in str(error.value)
    assert sorted(p.name for p in tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("damage", [lambda b: b[:-20], lambda b: b[:60] + bytes(20) + b[80:], lambda b: FASTA.encode()])
def test_damaged_gzip_is_an_error(tmp_path, damage):
    path = tmp_path / "a.fasta.gz"
    path.write_bytes(damage(gzip.compress(FASTA.encode(), mtime=0)))
    with pytest.raises(GdeError, match=r"gzip|text"):
        made(path, tmp_path / "sets", fields="key=value")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ("donor", "names in braces"),
        ("{donor}{tissue}", "nothing between"),
        ("{donor}|{donor}", "twice"),
        ("{name} {donor}|{tissue}", "what its headers tell by dataset.fields: found no 'copies'"),
        ("{name}/{donor}/{tissue}/{copies}", "the header"),
    ],
)
def test_patterns_that_do_not_fit_are_named(tmp_path, fields, message):
    path = LIBRARY.write(tmp_path / "a.fasta")
    with pytest.raises(GdeError, match=message):
        made(path, tmp_path / "sets", fields=fields)


def test_all_letters_are_known():
    """The reader's illegal residues are those of the alphabet: a file of every printable character names each."""
    legal = set("ACGTNacgtn")
    for code in range(33, 127):
        if chr(code) not in legal:
            with pytest.raises(ValueError, match="position 1"):
                ALPHABETS["dna"].encode(chr(code))


@pytest.mark.parametrize("size", [1, 7, 64, 1 << 20])
def test_blank_lines_are_the_same_in_blocks_of_any_size(tmp_path, size):
    path = tmp_path / "a.fasta"
    path.write_text(FASTA.replace("\n", "\r\n") + "\n \n\n")
    assert b"".join(text_blocks(path, ">", size)) == FASTA.encode()
    lines = FASTA.count("\n")
    path.write_text(FASTA + "\n\t\nACGT\n")
    with pytest.raises(GdeError, match=f"line {lines + 1}: found a blank line"):
        list(text_blocks(path, ">", size))


@pytest.mark.parametrize("size", [1, 7, 64, 1 << 20])
@pytest.mark.parametrize("between", ["\n", "\n\n \n"])
def test_blank_lines_before_headers_are_read(tmp_path, size, between):
    """As NCBI's efetch writes them; several of its answers in one file have more."""
    path = tmp_path / "a.fasta"
    path.write_text(between + FASTA.replace("\n>", f"\n{between}>") + between)
    assert b"".join(text_blocks(path, ">", size)) == FASTA.encode()
    path.write_text(CSV.replace("\n", "\n\n", 2))
    with pytest.raises(GdeError, match="line 2: found a blank line"):
        list(text_blocks(path, None, size))


def test_blanks_at_the_end_of_lines_and_within_letters_do_not_count(tmp_path):
    path = tmp_path / "a.fasta"
    path.write_text(">s1 \t\nAC GT \nAC\t\n>s2\nA\tC\n")
    (records,) = SequenceFile(path, fields="{name}").chunks()
    assert records.names == ["s1", "s2"] and records.texts == ["ACGTAC", "A\tC"]
