"""Methylation files become one set per sample: every read with its context, pattern, count and split; faults named."""

import gzip
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pysam
import pytest
from simulators.methylation import Truth, contig_of, pat_text, simulate_genome, simulate_methylation, table, write_pat

from gde.config.datasets.methylation import Methylation
from gde.errors import GdeError
from gde.prepare.methylation import prepare
from gde.readers import pat, text_lines
from gde.sets.store.set_store import SetStore

CONTEXT, CPGS = 100, 28


def methylation_cfg(files, genome, **changes) -> dict:
    given = {"kind": "methylation", "files": [str(f) for f in files], "genome": str(genome), **changes}
    return Methylation.model_validate(given).model_dump()


@pytest.fixture(scope="module")
def simulated(tmp_path_factory) -> Truth:
    return simulate_methylation(tmp_path_factory.mktemp("reads"), fragments=150, seed=1, bam=True)


def store_of(truth: Truth, out: Path, files=None, **changes) -> SetStore:
    files = truth.files.values() if files is None else files
    prepare(methylation_cfg(files, truth.fasta, **changes), out, name="m", seed=0)
    return SetStore.open(out)


def sequences(truth: Truth, reads: dict[tuple[int, str], int]) -> Counter:
    """What reads are as sequences, one by one: residues, number of the first CpG -> count."""
    out = Counter()
    for (number, pattern), count in reads.items():
        name = contig_of(truth, number)
        for start in range(0, len(pattern), CPGS):
            piece = pattern[start : start + CPGS].replace(".", "N").replace("H", "N")
            place = truth.places[name][number + start - truth.first(name) - 1]
            upstream = truth.sequence[name][max(0, place - CONTEXT) : place].tobytes().decode().upper()
            if set(piece) & {"C", "T"}:
                out[upstream.rjust(CONTEXT, "N") + piece, number + start] += count
    return out


def stored(store: SetStore, groups) -> Counter:
    out = Counter()
    for g in groups:
        numbers = store.field("cpg")[store.starts[g] : store.starts[g] + store.sizes[g]]
        for text, number, weight in zip(
            store.alphabet.decode(store.read(g)), numbers.tolist(), store.read_weights(g).tolist(), strict=True
        ):
            out[text, number] += int(weight)
    return out


def test_a_sequence_is_context_and_pattern_weighted_by_its_count(simulated, tmp_path):
    store = store_of(simulated, tmp_path / "store")
    assert store.meta["context"] == CONTEXT and store.meta["dim"] == CONTEXT + CPGS
    for name, reads in simulated.reads.items():
        groups = store.select(group=name.removesuffix(".hg38.pat.gz"))
        assert stored(store, groups) == sequences(simulated, reads)
    assert store.meta["counted"]["weight"] == sum(sum(r.values()) for r in simulated.reads.values())


def test_groups_are_samples_with_their_tissues(simulated, tmp_path):
    store = store_of(simulated, tmp_path / "store", coarse={"Liver-Hepatocytes": "Gut"})
    groups, known = store.groups, table(simulated).set_index("sample")
    assert sorted(groups["group"]) == sorted(known.index) and store.meta["labels"] == ["tissue", "tissue_coarse"]
    assert (groups.set_index("group")["tissue"] == known["tissue"]).all()
    assert set(zip(groups["tissue"], groups["tissue_coarse"], strict=True)) == {
        ("Blood-T-CD4", "Blood"), ("Blood-NK", "Blood"), ("Liver-Hepatocytes", "Gut"), ("Cortex-Neuron", "Cortex")
    }  # fmt: skip
    parts = groups.groupby("tissue")["split"].value_counts().unstack(fill_value=0)
    assert (parts["test"] == 1).all() and parts["train"].min() >= 1 and parts["validation"].sum() == 2


@pytest.mark.parametrize("tag", ["XM", "YD", "XG"])
def test_bam_files_give_the_reads_of_the_pat_files(simulated, tmp_path, tag):
    """Mates joined, overlaps counted once, both strands; from calls, and from residues against the genome."""
    names = sorted(simulated.files)[:6]
    bams = [simulated.files[n].with_name(f"{n.removesuffix('.pat.gz')}.{tag}.bam") for n in names]
    for bam, name in zip(bams, names, strict=True):
        shutil.copy(bam, tmp_path / f"{name.removesuffix('.pat.gz')}.bam")
    files = [tmp_path / f"{n.removesuffix('.pat.gz')}.bam" for n in names]
    store = store_of(simulated, tmp_path / "bam", files, split={"by": "sample"}, contigs="file")
    for name in names:
        groups = store.select(group=name.removesuffix(".hg38.pat.gz"))
        assert stored(store, groups) == sequences(simulated, simulated.reads[name])
    reference = store_of(simulated, tmp_path / "pat", [simulated.files[n] for n in names], split={"by": "sample"})
    assert stored(store, store.select("train")) == stored(reference, reference.select("train"))


def test_blocks_do_not_matter(simulated, tmp_path, monkeypatch):
    digests = []
    for size in (1 << 22, 500, 61):
        smaller = {**text_lines.line_blocks.__kwdefaults__, "size": size}
        monkeypatch.setattr(text_lines.line_blocks, "__kwdefaults__", smaller)
        digests.append(store_of(simulated, tmp_path / str(size), split={"by": "sample"}))
    reads = [[stored(s, [g]) for g in np.argsort(s.groups["group"] + s.groups["split"])] for s in digests]
    assert reads[0] == reads[1] == reads[2]


def test_patterns_that_are_long_unknown_or_at_an_edge(tmp_path):
    """Long ones are cut, pieces without a call are left out, '.' and H are N, the first CpG's context is N."""
    truth = simulate_genome(tmp_path, seed=2)
    reads = {(1, "C.H" + "T" * 60 + "." * 30 + "C"): 3, (40, "."): 2, (41, "H" * 3 + "T"): 1, (42, "CT"): 7}
    reads |= {(50 + i, "CT"): 1 for i in range(60)}
    file = tmp_path / "mine.pat.gz"
    write_pat(file, truth, reads)
    store = store_of(truth, tmp_path / "store", [file], split={"by": "sample"})
    assert stored(store, range(len(store))) == sequences(truth, reads)
    assert store.meta["counted"] == {"reads": 64, "weight": 73, "sequences": 66, "without_calls": 1}


def test_splits_by_reads_keep_the_shares_and_the_pieces_together(tmp_path):
    truth = simulate_methylation(tmp_path, {"A": 0.2, "B": 0.8}, samples=2, fragments=1500)
    by_sample = store_of(truth, tmp_path / "a", split={"by": "sample", "fractions": [0.5, 0.2, 0.3]})
    share = by_sample.groups.assign(n=by_sample.sizes).pivot(index="group", columns="split", values="n")
    share = share.div(share.sum(axis=1), axis=0)
    error = 4 * np.sqrt(0.25 / by_sample.sizes.min())
    assert (share - [0.3, 0.5, 0.2]).abs().to_numpy().max() < error
    reads = store_of(truth, tmp_path / "b", split={"validation": "reads"})
    assert reads.groups.groupby("group")["split"].unique().map(sorted).map(tuple).value_counts().to_dict() == {
        ("test",): 2, ("train", "validation"): 2
    }  # fmt: skip


def test_a_table_says_what_files_are(simulated, tmp_path):
    names = list(simulated.files)
    lines = [f"{name},{'AB'[i % 2]},{'x'}" for i, name in enumerate(names)]
    (tmp_path / "samples.csv").write_text("file,tissue,coarse\n" + "\n".join(lines) + "\n")
    store = store_of(simulated, tmp_path / "store", samples=str(tmp_path / "samples.csv"))
    assert set(store.groups["tissue"]) == {"A", "B"} and set(store.groups["tissue_coarse"]) == {"x"}
    (tmp_path / "samples.csv").write_text("file,tissue\n" + "\n".join(f"{n},A" for n in names[1:]) + "\n")
    with pytest.raises(GdeError, match=f"no line for {names[0]}"):
        store_of(simulated, tmp_path / "other", samples=str(tmp_path / "samples.csv"))


@pytest.mark.parametrize(
    ("tissue", "message"),
    [
        ("NA", "row 2, column tissue: found 'NA', a missing value"),
        ("", "row 2, column tissue: found a missing value"),
        ('"A', "row 1: found quotes around 3 lines, each of which is a row"),
        ("A,B", "row 2: found 3 fields, expected 2"),
    ],
)
def test_a_table_of_samples_is_read_strictly(simulated, tmp_path, tissue, message):
    tissues = [tissue, "A", 'A"'] if tissue.startswith('"') else ["A", tissue, "A"]
    tissues += ["A"] * (len(simulated.files) - 3)
    lines = [f"{name},{t}" for name, t in zip(simulated.files, tissues, strict=True)]
    (tmp_path / "samples.csv").write_text("file,tissue\n" + "\n".join(lines) + "\n")
    with pytest.raises(GdeError, match=message):
        store_of(simulated, tmp_path / "other", samples=str(tmp_path / "samples.csv"))


def test_small_samples_are_left_out_and_named(simulated, tmp_path):
    name = "tiny.pat.gz"
    write_pat(tmp_path / name, simulated, dict(list(next(iter(simulated.reads.values())).items())[:5]))
    store = store_of(simulated, tmp_path / "store", [*simulated.files.values(), tmp_path / name], min_size=10)
    assert store.meta["dropped"] == {"tiny": 5} and "tiny" not in set(store.groups["group"])


def test_contigs_can_be_ignored(simulated, tmp_path):
    file = next(iter(simulated.files.values()))
    text = gzip.decompress(file.read_bytes()).decode()
    with pysam.BGZFile(str(tmp_path / file.name), "wb") as f:
        f.write((text + "lambda\t99999\tCCC\t4\n").encode())
    with pytest.raises(GdeError, match="contig 'lambda'"):
        store_of(simulated, tmp_path / "a", [tmp_path / file.name], split={"by": "sample"})
    found = store_of(
        simulated, tmp_path / "a", [tmp_path / file.name], split={"by": "sample"}, ignore_contigs=["lambda"]
    )
    assert stored(found, range(len(found))) == sequences(simulated, simulated.reads[file.name])


def test_a_tissue_of_one_sample_trains_and_too_few_are_refused(simulated, tmp_path):
    names = sorted(simulated.files)
    one_each = [simulated.files[names[i]] for i in (0, 4, 8)]
    with pytest.raises(GdeError, match=r"3 samples of 3 tissues.*by: sample"):
        store_of(simulated, tmp_path / "a", one_each)
    pairs = [simulated.files[names[i]] for i in (0, 1, 4, 5)]
    with pytest.raises(GdeError, match="validation: reads"):
        store_of(simulated, tmp_path / "a", pairs)
    store = store_of(simulated, tmp_path / "a", [simulated.files[names[i]] for i in (0, 1, 2, 4)])
    assert store.groups.set_index("tissue").loc["Blood-NK", "split"] == "train"
    assert sorted(store.groups["split"]) == ["test", "train", "train", "validation"]


def donors(simulated, path: Path, *, empty: int | None = None) -> str:
    """A table in which two neighbouring samples of a tissue are of one donor: halves of one tube."""
    names = sorted(simulated.files)
    lines = [f"{name},T{i // 4},{'' if i == empty else f'd{i // 2}'},r{i}" for i, name in enumerate(names)]
    path.write_text("file,tissue,donor,run\n" + "\n".join(lines) + "\n")
    return str(path)


@pytest.mark.parametrize("validation", ["samples", "reads"])
def test_a_column_of_the_table_keeps_a_donor_together(simulated, tmp_path, caplog, validation):
    caplog.set_level("INFO")
    told = donors(simulated, tmp_path / "samples.csv")
    split = {"by": "donor", "validation": validation}
    store = store_of(simulated, tmp_path / "a", samples=told, split=split)
    donor = {name.removesuffix(".hg38.pat.gz"): i // 2 for i, name in enumerate(sorted(simulated.files))}
    tested = store.groups["split"] == "test"
    sides = [{donor[name] for name in store.groups["group"][own]} for own in (tested, ~tested)]
    assert all(sides) and not sides[0] & sides[1] and store.meta["split_crossed_by"] == {}
    assert set(store.groups["split"]) == {"train", "validation", "test"}
    by_group = store_of(simulated, tmp_path / "b", samples=told)
    found = by_group.meta["split_crossed_by"]
    assert set(found) == {"donor"} and found["donor"]["values"] == len(set(donor.values()))
    assert f"{found['donor']['on_both_sides']} of {found['donor']['values']} values of donor stand" in caplog.text
    assert "split: {by: donor}" in caplog.text


def test_a_column_that_cannot_split_is_refused(simulated, tmp_path):
    told = donors(simulated, tmp_path / "samples.csv", empty=3)
    with pytest.raises(GdeError, match=r"column donor: found an empty cell"):
        store_of(simulated, tmp_path / "a", samples=told, split={"by": "donor"})
    with pytest.raises(GdeError, match=r"split.by: found 'donr', expected group, sample or a column .*donor, run"):
        store_of(simulated, tmp_path / "a", samples=told, split={"by": "donr"})
    with pytest.raises(ValueError, match="without a table of samples"):
        methylation_cfg(["a.bam"], "g.fa", split={"by": "donor"})


def replaced(line: int, old: str, new: str):
    def change(text: str) -> str:
        lines = text.splitlines(keepends=True)
        assert old in lines[line - 1]
        lines[line - 1] = lines[line - 1].replace(old, new, 1)
        return "".join(lines)

    return change


def unsorted(text: str) -> str:
    lines = text.splitlines(keepends=True)
    return "".join([*lines[:4], lines[9], *lines[4:9], *lines[10:]])


def beyond(text: str) -> str:
    return text + "chrUn_1\t999999\tC\t1\n"


def over_the_edge(text: str) -> str:
    """A pattern that goes on on the next contig."""
    lines = [x for x in text.splitlines(keepends=True) if x.startswith("chr1\t")]
    contig, number, _, count = lines[-1].split("\t")
    return "".join([*lines[:-1], f"{contig}\t{number}\t{'C' * 4000}\t{count}"])


FAULTS = {
    "unsorted": (unsorted, ["line 6", "after CpG", "do not fall", "sort it"]),
    "a number beyond the genome": (beyond, ["999999", "1 to ", "genome.fa", "give the genome"]),
    "over the contig's end": (over_the_edge, ["and 3999 more on chr1", "give the genome"]),
    "another contig": (lambda t: t.replace("chr10\t", "chr7\t"), ["contig 'chr7'", "genome.fa"]),
    "a contig's name exchanged": (lambda t: t.replace("chr10\t", "chr2\t"), ["on chr2, expected", "give the genome"]),
    "an illegal residue": (replaced(3, "\t", "\t"), []),
    "an empty line": (lambda t: t.replace("\n", "\n\n", 1), ["line 2", "an empty line"]),
    "carriage returns": (lambda t: t.replace("\n", "\r\n"), ["line 1", "carriage return", "dos2unix"]),
    "three columns": (lambda t: t.replace("\t1\n", "\n", 1), ["3 columns", "4: contig"]),
    "five columns": (lambda t: t.replace("\t1\n", "\t1\t0\n", 1), ["5 columns"]),
    "a count of 0": (lambda t: t.replace("\t1\n", "\t0\n", 1), ["the count 0", "1 or more"]),
    "a count that is no number": (lambda t: t.replace("\t1\n", "\tone\n", 1), ["'one' for a count"]),
    "a negative count": (lambda t: t.replace("\t1\n", "\t-1\n", 1), ["'-1' for a count"]),
    "a number that is none": (lambda t: t.replace("chr1\t", "chr1\tx", 1), ["line 1", "for a CpG number"]),
    "no contig": (lambda t: t.replace("chr1\t", "\t", 1), ["line 1", "no contig"]),
    "a cut line": (lambda t: t[:-3], ["last line without an end", "cut"]),
    "an empty file": (lambda t: "", ["an empty file"]),
}
FAULTS["an illegal residue"] = (
    lambda t: t.replace("\tC", "\tG", 1) if "\tC" in t else t.replace("\tT", "\tG", 1),
    ["'G' in a pattern", "C, T, H or ."],
)


def packed(path: Path, text: str) -> None:
    with pysam.BGZFile(str(path), "wb") as f:
        f.write(text.encode())


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_told_in_one_line_and_leave_nothing(simulated, tmp_path, fault):
    change, parts = FAULTS[fault]
    name = next(iter(simulated.files))
    packed(tmp_path / name, change(pat_text(simulated, simulated.reads[name])))
    out = tmp_path / "sets" / "m"
    with pytest.raises(GdeError) as e:
        store_of(simulated, out, [tmp_path / name], split={"by": "sample"}, min_size=1)
    for part in [name, *parts]:
        assert part in str(e.value), str(e.value)
    assert "\n" not in str(e.value)
    assert [p.name[:8] for p in out.parent.iterdir()] == [".genome-"]  # which is whole, and for the next time


def test_cut_and_foreign_files_are_refused(simulated, tmp_path):
    name, file = next(iter(simulated.files.items()))
    data, text = file.read_bytes(), gzip.decompress(file.read_bytes())
    cases = {
        "no block that marks the end": data[:-28],
        "damaged or cut gzip": gzip.compress(text)[:-40],
        "an HTML page": b"<!DOCTYPE html><html>not found</html>\n",
        "text": text,
        "an HDF5 file": b"\x89HDF\r\n\x1a\n" + bytes(100),
    }
    for found, content in cases.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(GdeError, match=found):
            store_of(simulated, tmp_path / "store", [tmp_path / name], split={"by": "sample"})


def test_another_genome_is_refused(simulated, tmp_path):
    other = simulate_genome(tmp_path, cpg=0.01, seed=9)
    with pytest.raises(GdeError, match=r"CpG number \d+.*genome\.fa; give the genome that the file was made with"):
        store_of(other, tmp_path / "store", simulated.files.values())


def test_reading_is_a_function_of_rows(simulated):
    """Columns of a block, parsed together, are those of its lines."""
    text = gzip.decompress(next(iter(simulated.files.values())).read_bytes()).decode()
    rows = [line.split("\t") for line in text.splitlines()]
    reads = pat.parse(text.encode(), Path("x"), 0)
    assert [reads.names[c] for c in reads.contig] == [r[0] for r in rows]
    assert reads.number.tolist() == [int(r[1]) for r in rows] and reads.count.tolist() == [int(r[3]) for r in rows]
    spans = zip(reads.start, reads.start + reads.length, strict=True)
    assert [reads.text[a:b].tobytes().decode() for a, b in spans] == [r[2] for r in rows]


def test_the_excerpt(excerpt, tmp_path):
    """Real reads under the release's names: counts as its README tells, mean methylation of each mixture."""
    folder = excerpt("methylation")
    files = sorted((folder / "pat").glob("*.pat.gz"))
    cfg = methylation_cfg([folder / "pat/*.pat.gz"], folder / "ref/hg38mini.fa", split={"validation": "reads"})
    prepare(cfg, tmp_path / "store", name="m", seed=0)
    store = SetStore.open(tmp_path / "store")
    assert store.meta["data"] == "excerpt" and store.groups["group"].nunique() == len(files) == 8
    c, t = store.alphabet.encode("CT")
    for tissue, expected in {
        "Amplicon-meth000": 0.02, "Amplicon-meth010": 0.095, "Amplicon-meth100": 0.93, "Capture-WBC": 0.29
    }.items():  # fmt: skip
        groups = store.select(tissue=tissue)
        cpgs, weight = (
            np.concatenate([store.read(g)[:, CONTEXT:] for g in groups]),
            np.concatenate([store.read_weights(g) for g in groups])[:, None],
        )
        rate = (weight * (cpgs == c)).sum() / (weight * ((cpgs == c) | (cpgs == t))).sum()
        assert rate == pytest.approx(expected, abs=0.02)
