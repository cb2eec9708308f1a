"""Residues and CpGs of a genome: where they are, that they are made once, and FASTA files that are refused."""

import gzip
import os

import numpy as np
import pytest
from simulators.methylation import simulate_genome, write_fasta

from gde.errors import GdeError
from gde.readers import genome as module
from gde.readers.cpg import CpGs
from gde.readers.genome import AMBIGUOUS, MARGIN, Scanner, open_genome, token_table
from gde.sets.types.alphabet import ALPHABETS

DNA = ALPHABETS["dna"]


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    return simulate_genome(tmp_path_factory.mktemp("genome"), seed=3)


def test_the_numbers_of_bases_are_the_tokens_of_dna():
    expected = DNA.table.copy()
    expected[np.frombuffer(AMBIGUOUS, np.uint8)] = DNA.encode("N")
    np.testing.assert_array_equal(token_table(), expected)


def test_letters_and_cpgs_are_those_of_the_file(simulated, tmp_path):
    genome = open_genome(simulated.fasta, tmp_path)
    assert genome.names == list(simulated.sequence)
    for i, (name, residues) in enumerate(simulated.sequence.items()):
        own = genome.bases[genome.first[i] : genome.first[i] + genome.lengths[i]]
        assert DNA.decode(own[None])[0] == residues.tobytes().decode().upper()
        np.testing.assert_array_equal(genome.cpgs_of(i), simulated.places[name])


@pytest.mark.parametrize("width", [1, 7, 60, 61, 100_000])
def test_lines_and_blocks_do_not_matter(simulated, tmp_path, monkeypatch, width):
    """A CpG may stand across the end of a line, of a block, or of both."""
    write_fasta(tmp_path / "g.fa", simulated.sequence, width)
    monkeypatch.setattr(module, "line_blocks", lambda path, *_, **__: blocks(path, 997))
    genome, reference = open_genome(tmp_path / "g.fa", tmp_path), np.concatenate(list(simulated.places.values()))
    np.testing.assert_array_equal(genome.cpgs, reference)


def blocks(path, size):
    rest = b""
    for line in path.read_bytes().splitlines(keepends=True):
        rest += line
        if len(rest) >= size:
            yield rest
            rest = b""
    if rest:
        yield rest


@pytest.mark.parametrize("pack", [gzip.compress, lambda data: gzip.compress(data[:5000]) + gzip.compress(data[5000:])])
def test_gzip_is_read(simulated, tmp_path, pack):
    file = tmp_path / "g.fa.gz"
    file.write_bytes(pack(simulated.fasta.read_bytes()))
    genome = open_genome(file, tmp_path)
    np.testing.assert_array_equal(genome.cpgs, np.concatenate(list(simulated.places.values())))


def test_a_genome_is_scanned_once(simulated, tmp_path, monkeypatch):
    open_genome(simulated.fasta, tmp_path)
    monkeypatch.setattr(module, "scan", lambda *_: pytest.fail("scanned again"))
    open_genome(simulated.fasta, tmp_path)


def test_damage_of_what_was_kept_is_seen(simulated, tmp_path):
    open_genome(simulated.fasta, tmp_path)
    (kept,) = tmp_path.glob(".genome-*")
    data = bytearray((kept / "bases.bin").read_bytes())
    data[1000] ^= 1
    (kept / "bases.bin").write_bytes(data)
    with pytest.raises(GdeError, match=r"bases\.bin.*delete"):
        open_genome(simulated.fasta, tmp_path)


def test_numbers_run_through_contigs(simulated, tmp_path):
    genome = open_genome(simulated.fasta, tmp_path)
    file = CpGs(genome, "file").numbers
    assert [int(s) for s in file.start_of] == [simulated.first(name) for name in genome.names]
    chromosomes = CpGs(genome, "chromosomes").numbers
    assert [genome.names[i] for i in chromosomes.contigs] == ["chr1", "chr2", "chr10", "chrX"]
    assert chromosomes.start_of[genome.names.index("chrUn_1")] == -1


def test_upstream_of_a_contigs_edge_is_n(simulated, tmp_path):
    cpgs = CpGs(open_genome(simulated.fasta, tmp_path))
    for contig, name in enumerate(simulated.sequence):
        text = "N" * MARGIN + simulated.sequence[name].tobytes().decode().upper()
        places = simulated.places[name][[0, 1, -1]]
        found = DNA.decode(cpgs.upstream(np.full(3, contig), places, 100))
        assert found == [text[MARGIN + p - 100 : MARGIN + p] for p in places]
    assert places[0] == 5 and found[0].startswith("N" * 95)


def test_the_numbering_that_fits_is_taken(tmp_path):
    """Contigs as in the file and as wgbstools sorts them differ; what was numbered before stays where it was."""
    truth = simulate_genome(tmp_path, {"chr1": 3000, "chr10": 3000, "chr2": 3000}, seed=1)
    genome = open_genome(truth.fasta, tmp_path)
    n = {name: len(places) for name, places in truth.places.items()}
    cpgs, one = CpGs(genome), np.ones(1, np.int64)
    assert cpgs.position(one, np.array([0]), one, str)[0] == truth.places["chr1"][0]
    place = cpgs.position(one + n["chr1"], np.array([2]), one, str)  # the first one of chr2
    assert cpgs.numbers.order == "chromosomes" and place[0] == truth.places["chr2"][0]
    with pytest.raises(GdeError, match=f"CpG number {n['chr1'] + 1} on chr10, expected"):
        cpgs.position(one + n["chr1"], np.array([1]), one, str)  # as in the file: too late


def test_a_numbering_once_used_is_not_left(tmp_path):
    truth = simulate_genome(tmp_path, {"chr1": 3000, "chr10": 3000, "chr2": 3000}, seed=1)
    cpgs, one = CpGs(open_genome(truth.fasta, tmp_path)), np.ones(1, np.int64)
    start = truth.first("chr10")
    cpgs.position(one + start, np.array([1]), one, str)
    with pytest.raises(GdeError, match="on chr2"):
        cpgs.position(one + start, np.array([2]), one, str)


def unpacked(path):
    return gzip.decompress(path.read_bytes()).decode()


def cut_line(text):
    return text[:-30]


def gap(text):
    return text[:700] + text[712:]


def illegal(text):
    return text[:300] + b"Z" + text[301:]


FAULTS = {
    "cut within a line": (cut_line, ["last line without an end", "cut"]),
    "a gap within a record": (gap, ["line 14 (chr1)", "cut within a record"]),
    "an illegal residue": (illegal, ["line 6 (chr1)", "'Z'", "bases of DNA"]),
    "an empty line": (lambda t: t[:700].replace(b"\n", b"\n\n", 5)[:720] + t[700:], ["line 2", "an empty line"]),
    "a residue behind empty lines": (lambda t: b"\n>a\nACGT\n\n\n>b\nACZT\n", ["line 7 (b)", "'Z'"]),
    "carriage returns": (lambda t: t.replace(b"\n", b"\r\n"), ["line 1", "carriage return", "dos2unix"]),
    "no header": (lambda t: t[t.index(b"\n") + 1 :], ["line 1", "before the first header"]),
    "a contig twice": (lambda t: t.replace(b">chr2 ", b">chr1 "), ["a second record 'chr1'"]),
    "a contig without residues": (lambda t: t + b">chrY\n", ["chrY", "a record without bases"]),
    "an empty file": (lambda t: b"", ["an empty file"]),
    "a web page": (lambda t: b"<!DOCTYPE html><html></html>\n", ["an HTML page"]),
    "no CpG": (lambda t: b">chr1\nAAAA\n", ["no CpG"]),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_told_in_one_line_and_leave_nothing(simulated, tmp_path, fault):
    change, parts = FAULTS[fault]
    file = tmp_path / "g.fa"
    file.write_bytes(change(simulated.fasta.read_bytes()))
    with pytest.raises(GdeError) as e:
        open_genome(file, tmp_path)
    for part in ["g.fa", *parts]:
        assert part in str(e.value)
    assert "\n" not in str(e.value) and list(tmp_path.iterdir()) == [file]


def whole_lines(content: bytes, size: int):
    """Blocks of at least `size` bytes."""
    lines, held = content.splitlines(keepends=True), b""
    for line in lines:
        held += line
        if len(held) >= size:
            yield held
            held = b""
    if held:
        yield held


@pytest.mark.parametrize("size", [1, 100, 1 << 20])
def test_empty_lines_between_contigs_are_read(simulated, tmp_path, size):
    """As between answers of NCBI's efetch in one file."""
    text, scans = simulated.fasta.read_bytes(), []
    for name, content in {"plain": text, "blank": b"\n" + text.replace(b"\n>", b"\n\n\n>") + b"\n\n"}.items():
        parts = [tmp_path / f"{name}.{kind}" for kind in ("bases", "cpgs")]
        with parts[0].open("wb") as bases, parts[1].open("wb") as cpgs:
            scanner = Scanner(tmp_path, bases, cpgs)
            for block in whole_lines(content, size):
                scanner.add(block)
            scanner.end_record()
        scans.append((scanner.names, scanner.lengths, scanner.counts, *(part.read_bytes() for part in parts)))
    assert scans[0] == scans[1]


def test_an_index_tells_of_a_cut_between_lines(simulated, tmp_path):
    file = tmp_path / "g.fa"
    text = simulated.fasta.read_bytes()
    file.write_bytes(text[: text.rindex(b"\n", 0, -1) + 1])
    open_genome(file, tmp_path)  # nothing else tells
    lengths = "".join(f"{name}\t{len(s)}\t0\t60\t61\n" for name, s in simulated.sequence.items())
    (tmp_path / "g.fa.fai").write_text(lengths)
    for kept in tmp_path.glob(".genome-*"):
        for part in kept.iterdir():
            part.unlink()
        os.rmdir(kept)
    with pytest.raises(GdeError, match="bases of chrUn_1"):
        open_genome(file, tmp_path)


def test_a_cut_gzip_file_is_refused(simulated, tmp_path):
    file = tmp_path / "g.fa.gz"
    file.write_bytes(gzip.compress(simulated.fasta.read_bytes())[:-1000])
    with pytest.raises(GdeError, match="damaged or cut gzip"):
        open_genome(file, tmp_path)


def test_the_excerpts_dictionary(excerpt, tmp_path):
    """Numbers of the excerpt's own table of CpGs."""
    folder = excerpt("methylation")
    genome = open_genome(folder / "ref/hg38mini.fa", tmp_path)
    rows = [line.split("\t") for line in unpacked(folder / "ref/CpG.bed.gz").splitlines()]
    names = np.array(genome.names)[np.repeat(np.arange(len(genome.names)), genome.counts)]
    assert [r[0] for r in rows] == names.tolist()
    assert [int(r[1]) - 1 for r in rows] == genome.cpgs.tolist()
    assert [int(r[2]) for r in rows] == list(range(1, CpGs(genome).total + 1))
