"""Lines of a sequence and a number: read as they stand whatever the block size, or refused by file and line."""

import gzip

import numpy as np
import pytest

from gde.errors import GdeError
from gde.prepare.common.sequence_lines import read_lines
from gde.readers import text_lines
from gde.sets.types.alphabet import ALPHABETS

DNA = ALPHABETS["dna"]
GOOD = [("ACGTN", 1.5), ("acgt", -2.0), ("TTTT", 17.0), ("G", 1e-3), ("ACGTNACG", 14.638517478604)]


def lines(pairs=GOOD) -> bytes:
    return b"".join(f"{s}\t{v!r}\n".encode() for s, v in pairs)


def written(here, data: bytes, name: str = "promoters.txt.gz"):
    path = here / name
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


@pytest.mark.parametrize("name", ["promoters.txt.gz", "promoters.txt"])
@pytest.mark.parametrize("block", [1, 7, 64, 1 << 20])
def test_all_lines_are_read_whatever_the_blocks(tmp_path, monkeypatch, name, block):
    monkeypatch.setattr(text_lines, "BLOCK", block)
    monkeypatch.setattr(
        text_lines.line_blocks, "__kwdefaults__", {**text_lines.line_blocks.__kwdefaults__, "size": block}
    )
    parts = list(read_lines(written(tmp_path, lines()), DNA, 8))
    assert np.concatenate([p.numbers for p in parts]).tolist() == [v for _, v in GOOD]
    assert DNA.decode(np.concatenate([p.tokens for p in parts])) == [s.upper() for s, _ in GOOD]
    assert [p.first for p in parts] == np.cumsum([1, *(len(p.numbers) for p in parts[:-1])]).tolist()
    assert np.concatenate([p.residues for p in parts]).tolist() == [len(s) for s, _ in GOOD]


def test_too_long_ones_can_be_cut(tmp_path):
    (part,) = read_lines(written(tmp_path, lines()), DNA, 4, too_long="cut")
    assert part.residues.tolist() == [5, 4, 4, 1, 8] and DNA.decode(part.tokens)[-1] == "ACGT"


def test_numbers_are_read_to_the_last_digit(tmp_path):
    values = np.random.default_rng(0).lognormal(0, 8, 500)
    (part,) = read_lines(written(tmp_path, lines([("A", float(v)) for v in values])), DNA, 4)
    np.testing.assert_array_equal(part.numbers, values)


BAD = {
    "blank line": (b"A\t1\n\nC\t2\n", "line 2: found a blank line"),
    "only a blank": (b"A\t1\n  \n", "line 2: found a blank line"),
    "windows": (b"A\t1\r\nC\t2\r\n", "line 1: found a carriage return"),
    "windows later": (b"A\t1\nC\t2\r\n", "line 2: found a carriage return"),
    "commas": (b"ACGT,1.5\nAC,2\n", "line 1: found a comma for a tab in 'ACGT,1.5'"),
    "one comma": (b"A\t1\nACGT,1.5\n", "line 2: found a comma for a tab"),
    "spaces": (b"ACGT 1.5\n", "line 1: found a space for a tab"),
    "three columns": (b"A\t1\nC\t2\t3\n", "line 2: found 3 columns, expected two"),
    "no number": (b"A\t1\nC\t\n", "line 2: found no number in"),
    "no sequence": (b"A\t1\n\t3\n", "line 2: found no sequence in"),
    "one column": (b"ACGT\n", "line 1: found one column, 'ACGT'"),
    "header": (b"sequence\texpression\nA\t1\n", "line 1: found a header, 'sequence\\texpression'"),
    "text": (b"A\t1\nC\thigh\n", "line 2: found 'high' for a number, expected a finite number"),
    "nan": (b"A\t1\nC\tnan\n", "line 2: found 'nan' for a number"),
    "infinite": (b"A\tinf\nC\t1\n", "line 1: found 'inf' for a number"),
    "missing": (b"A\t1\nC\tNA\n", "line 2: found 'NA' for a number"),
    "too large": (b"A\t1e999\n", "line 1: found '1e999' for a number"),
    "illegal residue": (b"A\t1\nACGU\t2\n", "line 2: found 'U' at position 4 of a sequence"),
    "gap": (b"A\t1\nAC-T\t2\n", "line 2: found '-' at position 3"),
    "too long": (b"A\t1\nACGTACGTA\t2\n", "line 2: found a sequence of 9 residues, expected at most 8"),
    "FASTA": (b">one\nACGT\n", "line 1: found a FASTA header '>one'"),
    "empty": (b"", "found an empty file"),
    "no last end": (b"A\t1\nACG", "found a last line without an end"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_wrong_is_named(tmp_path, case):
    data, message = BAD[case]
    path = written(tmp_path, data)
    with pytest.raises(GdeError) as error:
        list(read_lines(path, DNA, 8))
    assert str(path) in str(error.value) and message in str(error.value) and "\n" not in str(error.value)


def test_lines_are_counted_over_blocks(tmp_path):
    path = written(tmp_path, b"ACGT\t1\n" * 700_000 + b"ACGX\t1\n")
    with pytest.raises(GdeError, match="line 700001: found 'X' at position 4"):
        list(read_lines(path, DNA, 8))


def test_a_cut_gzip_file_is_refused(tmp_path):
    path = written(tmp_path, lines([("ACGT", float(v)) for v in np.random.default_rng(0).normal(size=5000)]))
    for size in (path.stat().st_size - 1, path.stat().st_size // 2):
        path.write_bytes(path.read_bytes()[:size])
        with pytest.raises(GdeError, match="damaged or cut gzip"):
            list(read_lines(path, DNA, 8))


def test_other_files_are_refused(tmp_path):
    plain = tmp_path / "plain.txt.gz"
    plain.write_bytes(lines())
    with pytest.raises(GdeError, match="found text, expected a gzip file"):
        list(read_lines(plain, DNA, 8))
    page = tmp_path / "page.txt"
    page.write_text("<!DOCTYPE html><html></html>\n")
    with pytest.raises(GdeError, match="found an HTML page"):
        list(read_lines(page, DNA, 8))
    with pytest.raises(GdeError, match="found no such file"):
        list(read_lines(tmp_path / "none.txt.gz", DNA, 8))
