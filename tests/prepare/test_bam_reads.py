"""Calls of alignments: which are used, how mates agree, insertions and clips, and BAM files that are refused."""

from pathlib import Path

import numpy as np
import pysam
import pytest
from simulators.methylation import simulate_genome, simulate_sample

from gde.config.datasets.methylation import BamReads
from gde.errors import GdeError
from gde.readers.bam import read_bam
from gde.readers.cpg import CpGs
from gde.readers.genome import open_genome

NAME = "chr1"


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bam")
    truth = simulate_genome(folder, seed=4)
    return folder, truth, open_genome(truth.fasta, folder)


def written(
    path: Path, truth, *alignments: dict, order: str = "coordinate", lengths: dict | None = None, programs=()
) -> Path:
    """A BAM file of alignments: name, start, residues (C or T at its CpGs, the genome's elsewhere) and what differs."""
    sizes = {n: len(s) for n, s in truth.sequence.items()} | (lengths or {})
    header = {"HD": {"VN": "1.6", "SO": order}, "SQ": [{"SN": n, "LN": size} for n, size in sizes.items()]}
    header["PG"] = list(programs)
    with pysam.AlignmentFile(str(path), "wb", header=header) as f:
        for given in alignments:
            a = {"name": "r", "start": 0, "length": 60, "call": "C", "flag": 0, "quality": 60, "cigar": None,
                 "tags": {"YD": "f"}, "base": 30, "contig": NAME, "mate": None, **given}  # fmt: skip
            residues = bytearray(
                (truth.sequence[NAME][a["start"] : a["start"] + a["length"]] & ~np.uint8(32)).tobytes()
            )
            for place in truth.places[NAME]:
                if 0 <= place - a["start"] < a["length"]:
                    residues[place - a["start"]] = ord(a["call"])
            text = residues.decode()
            if a["cigar"]:
                text = a["cut"](text)
            segment = pysam.AlignedSegment()
            segment.query_name, segment.flag, segment.mapping_quality = a["name"], a["flag"], a["quality"]
            segment.reference_id, segment.reference_start = list(sizes).index(a["contig"]), a["start"]
            segment.cigartuples = a["cigar"] or [(0, a["length"])]
            segment.query_sequence = text
            segment.query_qualities = [a["base"]] * len(text)
            if a["mate"] is not None:
                segment.next_reference_id, segment.next_reference_start = segment.reference_id, a["mate"]
            for tag, value in a["tags"].items():
                segment.set_tag(tag, value)
            f.write(segment)
    return path


def reads_of(path, genome, **options) -> dict[tuple[int, str], int]:
    settings = BamReads(**options).model_dump()
    out = {}
    for reads in read_bam(path, CpGs(genome, "file"), settings):
        for n, a, k, count in zip(reads.number, reads.start, reads.length, reads.count, strict=True):
            out[int(n), reads.text[a : a + k].tobytes().decode()] = int(count)
    return out


def inside(truth, start: int, stop: int) -> list[int]:
    """Numbers of the CpGs of the first contig whose C is there."""
    places = truth.places[NAME]
    return [int(i) + 1 for i in np.flatnonzero((places >= start) & (places < stop))]


def region(truth, length: int = 60) -> int:
    """A start from which that many residues hold four CpGs or more, none at the edges."""
    for start in range(1000, 6000):
        found = truth.places[NAME][(truth.places[NAME] >= start - 2) & (truth.places[NAME] < start + length + 2)]
        if len(found) >= 4 and found[0] > start + 2 and found[-1] < start + length - 3:
            return start
    raise AssertionError


def test_equal_reads_are_counted(here, tmp_path):
    _, truth, genome = here
    start = region(truth)
    numbers = inside(truth, start, start + 60)
    alignments = [{"name": f"r{i}", "start": start, "call": "CCT"[i]} for i in range(3)]
    found = reads_of(written(tmp_path / "a.bam", truth, *alignments), genome)
    assert found == {(numbers[0], "C" * len(numbers)): 2, (numbers[0], "T" * len(numbers)): 1}


UNUSED = {
    "mapping quality": ({"quality": 5}, {"min_mapping_quality": 5}),
    "duplicate": ({"flag": 1024}, {"duplicates": True}),
    "secondary": ({"flag": 256}, {"secondary": True}),
    "supplementary": ({"flag": 2048}, {"secondary": True}),
    "base quality": ({"base": 3}, {"min_base_quality": 3}),
    "quality check failed": ({"flag": 512}, None),
}


@pytest.mark.parametrize("case", UNUSED)
def test_what_is_left_out_is_an_option(here, tmp_path, case):
    _, truth, genome = here
    given, options = UNUSED[case]
    start = region(truth)
    path = written(tmp_path / "a.bam", truth, {"start": start}, {"start": start, "name": "x", **given})
    assert list(reads_of(path, genome).values()) == [1]
    if options is not None:
        assert list(reads_of(path, genome, **options).values()) == [2]


def mates(start: int, second: int, calls: str = "CC") -> list[dict]:
    return [
        {"start": start, "flag": 99, "mate": second, "call": calls[0]},
        {"start": second, "flag": 147, "mate": start, "call": calls[1]},
    ]


def test_mates_are_one_read(here, tmp_path):
    """An overlap counts once; where mates differ it is unknown; what lies between them is unknown."""
    _, truth, genome = here
    start = region(truth)
    shift = int(truth.places[NAME][inside(truth, start, start + 60)[1]] - start + 1)  # behind the second CpG's C
    first, second = inside(truth, start, start + 60), inside(truth, start + shift, start + shift + 60)
    both = sorted(set(first) | set(second))
    agreed = reads_of(written(tmp_path / "a.bam", truth, *mates(start, start + shift)), genome)
    assert agreed == {(both[0], "C" * len(both)): 1}
    differ = reads_of(written(tmp_path / "b.bam", truth, *mates(start, start + shift, "CT")), genome)
    residues = dict.fromkeys(first, "C") | dict.fromkeys(second, "T") | dict.fromkeys(set(first) & set(second), ".")
    assert set(first) & set(second)
    assert differ == {(both[0], "".join(residues[n] for n in both).rstrip(".")): 1}
    far = written(tmp_path / "c.bam", truth, *mates(start, start + 300))
    between = inside(truth, start + 60, start + 300)
    last = inside(truth, start + 300, start + 360)
    assert between and last
    assert reads_of(far, genome) == {(first[0], "C" * len(first) + "." * len(between) + "C" * len(last)): 1}
    assert len(reads_of(far, genome, max_fragment=200)) == 2


def test_a_mate_that_was_left_out_is_not_waited_for(here, tmp_path):
    _, truth, genome = here
    start = region(truth)
    alignments = mates(start, start + 40)
    alignments[1]["quality"] = 0
    numbers = inside(truth, start, start + 60)
    assert reads_of(written(tmp_path / "a.bam", truth, *alignments), genome) == {(numbers[0], "C" * len(numbers)): 1}


@pytest.mark.parametrize(
    ("cigar", "cut"),
    [
        ([(4, 5), (0, 55), (4, 5)], lambda t: "AAAAA" + t[:55] + "AAAAA"),
        ([(0, 30), (1, 4), (0, 30)], lambda t: t[:30] + "GGGG" + t[30:]),
        ([(0, 28), (2, 4), (0, 28)], lambda t: t[:28] + t[32:]),
        ([(5, 3), (7, 60), (5, 2)], lambda t: t),
    ],
    ids=["soft clip", "insertion", "deletion", "hard clip"],
)
@pytest.mark.parametrize("tag", ["YD", "XM"])
def test_alignments_with_gaps(here, tmp_path, cigar, cut, tag):
    _, truth, genome = here
    start = region(truth)
    covered = np.arange(start, start + 60)
    if cigar[0][0] == 4:
        covered = covered[:55]
    if cigar[1][0] == 2:
        covered = np.r_[covered[:28], covered[32:]]
    numbers = inside(truth, start, start + 60)
    seen = {n for n in numbers if truth.places[NAME][n - 1] in covered}
    expected = "".join("C" if n in seen else "." for n in range(min(seen), max(seen) + 1))
    tags = {"YD": "f"}
    if tag == "XM":
        told = bytearray(b"." * 60)
        for n in numbers:
            told[int(truth.places[NAME][n - 1]) - start] = ord("Z")
        tags = {"XM": cut(told.decode().replace(".", "h")).replace("A", ".").replace("G", ".")}
    path = written(tmp_path / "a.bam", truth, {"start": start, "cigar": cigar, "cut": cut, "tags": tags})
    assert reads_of(path, genome) == {(min(seen), expected): 1}


def test_calls_come_in_order_and_are_handed_on_as_it_goes(here, tmp_path, monkeypatch):
    """With few alignments at a time, counts are the same, numbers do not fall, and little waits."""
    _, truth, genome = here
    expected = simulate_sample(truth, tmp_path / "s.pat.gz", 0.4, fragments=1500, seed=5, bam=True)
    monkeypatch.setattr("gde.readers.bam.FLUSH", 40)
    parts = list(read_bam(tmp_path / "s.XM.bam", CpGs(genome, "file"), BamReads().model_dump()))
    assert max(len(p) for p in parts) < 200 and len(parts) > 20
    numbers = np.concatenate([p.number for p in parts])
    assert (np.diff(numbers) >= 0).all() and len(numbers) == len(expected)
    assert np.concatenate([p.rows for p in parts]).tolist() == list(range(len(numbers)))
    assert reads_of(tmp_path / "s.XM.bam", genome) == expected


def without_tags(path, truth, start):
    return written(path, truth, {"start": start, "tags": {}})


def backwards(path, truth, start):
    return written(path, truth, {"start": start + 10}, {"start": start, "name": "x"})


def unsorted(path, truth, start):
    return written(path, truth, {"start": start}, order="unsorted")


def other_length(path, truth, start):
    return written(path, truth, {"start": start}, lengths={NAME: 12345})


def other_contig(path, truth, start):
    return written(path, truth, {"start": start, "contig": "phage"}, lengths={"phage": 50_000})


def calls_elsewhere(path, truth, start):
    off = next(p for p in range(start, start + 50) if not {p, p - 1} & set(truth.places[NAME].tolist()))
    return written(path, truth, {"start": off, "length": 3, "tags": {"XM": "Z.."}})


def calls_of_bs_seeker(path, truth, start):
    """CpGs alone: X at their C, - at their G."""
    return written(path, truth, {"start": start, "tags": {"XM": "X-" * 30}})


def header_of_bs_seeker(path, truth, start):
    program = {"ID": "1", "PN": "BS Seeker 2", "CL": "bs_seeker2-align.py -i r.fq -g hg38.fa"}
    return written(path, truth, {"start": start, "tags": {"XM": "X" * 60}}, programs=[program])


def short_calls(path, truth, start):
    return written(path, truth, {"start": start, "tags": {"XM": "..Z"}})


def of_bs_seeker(path, truth, start):
    return written(path, truth, {"start": start, "tags": {"XM": "X" + "-" * 59}})


def of_bowtie(path, truth, start):
    return written(path, truth, {"start": start, "tags": {"XM": 2}})


def no_end(path, truth, start):
    data = written(path, truth, {"start": start}).read_bytes()
    path.write_bytes(data[:-28])
    return path


def cut_inside(path, truth, start):
    rows = [{"start": start, "name": f"r{i}", "length": 60 + i % 7} for i in range(3000)]
    data = written(path, truth, *rows).read_bytes()
    path.write_bytes(data[: len(data) // 2] + data[-28:])
    return path


def text(path, truth, start):
    path.write_text("@HD\tVN:1.6\n")
    return path


FAULTS = {
    without_tags: ["read r", "neither the tag XM nor YD or XG", "Bismark, bwa-meth"],
    backwards: ["read x", "sorted by coordinate", "samtools sort"],
    unsorted: ["sort order 'unsorted'", "samtools sort"],
    other_length: ["contig chr1 of 12345 residues", "genome.fa"],
    other_contig: ["contig 'phage'", "genome.fa"],
    calls_elsewhere: ["a call (XM) at chr1:", "a CpG of genome.fa"],
    calls_of_bs_seeker: ["read r", "'-' in the tag XM", "BS-Seeker2", "Bismark, bwa-meth"],
    header_of_bs_seeker: ["header", "BS-Seeker2", "Bismark, bwa-meth"],
    short_calls: ["3 residues in the tag XM", "60"],
    of_bs_seeker: ["'-' in the tag XM, as BS-Seeker2 writes it", "Bismark"],
    of_bowtie: ["neither the tag XM nor YD or XG"],
    no_end: ["no block that marks the end", "cut"],
    cut_inside: ["a damaged file"],
    text: ["text", "a BAM file"],
}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f.__name__)
def test_faults_are_told_in_one_line(here, tmp_path, fault, capfd):
    _, truth, genome = here
    path = fault(tmp_path / "a.bam", truth, region(truth))
    with pytest.raises(GdeError) as e:
        reads_of(path, genome)
    for part in ["a.bam", *FAULTS[fault]]:
        assert part in str(e.value), str(e.value)
    assert "\n" not in str(e.value) and capfd.readouterr().err == ""
