"""Spike proteins from Nextstrain's open data: aligned genomes, cut and translated, and the table that tells of them."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from gde.errors import GdeError, bad
from gde.prepare.virus_keys import NO_COUNTRY, NO_DAY, Countries, Days
from gde.prepare.virus_records import NO_METADATA, TWICE, Named, Records, hashes
from gde.prepare.virus_spikes import RESIDUES, Spikes
from gde.prepare.virus_tally import Tally
from gde.prepare.virus_translation import translate
from gde.readers.fasta import fasta_blocks
from gde.readers.hdf5 import unknown
from gde.readers.text_lines import line_blocks

GENOME = 29_903  # residues of MN908947.3 (Wuhan-Hu-1), the frame of the alignment
SPIKE = slice(21_562, 25_384)  # 21563..25384 counted from 1, the stop included
SEQUENCES = "aligned genomes in FASTA, as Nextstrain's aligned.fasta.zst"
METADATA = "a table of Nextstrain, as metadata.tsv.zst"
REMEDY = "fetch it again"
STRAIN, DATE, COUNTRY, HOST = "strain", "date", "country", "host"
FRAMESHIFT, OTHER_HOST = "frameshift", "host"
DROPPED = {
    FRAMESHIFT: "with gaps that are no multiple of three",
    NO_METADATA: "without a row in the metadata",
    OTHER_HOST: "of another host",
}
MENDED = {TWICE: "further rows of the metadata of a name that they told of before"}
BLOCK = 1 << 22


def read(cfg: dict, path: Path, tally: Tally) -> Iterator[Records]:
    """The whole spikes of a file of aligned genomes, some hundred at a time, country and day unknown (-1); the others
    are counted.

    GdeError for a file that is absent, of another kind, empty, damaged or cut, and for a genome that is not aligned:
    of another length than GENOME.
    """
    spikes = Spikes(cfg, tally)
    for block in fasta_blocks(path, SEQUENCES, remedy=REMEDY, size=BLOCK):
        for i, text in enumerate(block.texts):
            if len(text) != GENOME:
                name = block.headers[i][:60].decode("latin-1")
                found, expected = f"a genome of {len(text)} residues", f"{GENOME}, aligned to Wuhan-Hu-1 (MN908947.3)"
                where = f"{path}: record {block.first + i} ({name})"
                raise bad(where, found, expected, "give aligned.fasta, not sequences.fasta")
        tally.records += len(block)
        genes = np.frombuffer(b"".join([text[SPIKE] for text in block.texts]), np.uint8)
        flat, lengths, frameshift, illegal = translate(genes.reshape(len(block), -1))
        tally.drop(FRAMESHIFT, frameshift.sum())
        tally.drop(RESIDUES, illegal.sum())
        read = np.flatnonzero(~(frameshift | illegal))
        if not len(read):
            continue
        tokens, kept = spikes.of_tokens(flat, lengths[read])
        names = hashes([block.headers[i].strip() for i in read[kept]])  # names of strains have blanks (Hong Kong)
        none = np.full(len(names), -1, np.int32)
        yield Records(names, none, none, tokens)


def read_metadata(cfg: dict, path: Path, countries: Countries, tally: Tally, named: Named) -> None:
    """Country and day of every row of a table, under the hash of its strain; where one is missing, or the host another,
    the number of that reason of `tally`, as `gde.prepare.virus_records.place` wants it.

    GdeError for a file that is absent, of another kind, empty, damaged or cut, columns that it has not, and rows of
    another number of fields.
    """
    import pyarrow as pa

    wanted = [STRAIN, DATE, COUNTRY, *([HOST] if cfg["hosts"] is not None else [])]
    hosts = {host.lower() for host in cfg["hosts"] or ()}
    days, header, row = Days(), None, 1
    number_of = {reason: -1 - i for i, reason in enumerate(tally.reasons)}
    for block in line_blocks(path, METADATA, remedy=REMEDY, size=BLOCK, utf8=False):
        if header is None:
            first, _, block = block.partition(b"\n")
            header = columns(path, first, wanted)
        if not block:
            continue
        try:
            table = _parsed(block, header, wanted)
        except pa.ArrowInvalid as e:
            raise _uneven(path, block, len(header), row) from e
        strain = [name.strip() for name in table[STRAIN].to_pylist()]
        if len(strain) != block.count(b"\n"):
            raise _uneven(path, block, len(header), row)
        country, day = by_value(table[COUNTRY], countries.__getitem__), by_value(table[DATE], days.__getitem__)
        refused = np.where(country < 0, number_of[NO_COUNTRY], 0)
        for i, reason in enumerate(NO_DAY):
            refused = np.where(day == -1 - i, number_of[reason], refused)
        if cfg["hosts"] is not None:
            other = by_value(table[HOST], lambda value: value.decode("latin-1").strip().lower() not in hosts)
            refused = np.where(other, number_of[OTHER_HOST], refused)
        named.add(hashes(strain), np.where(refused < 0, refused, country), np.maximum(day, 0))
        row += len(strain)
    if row == 1:
        raise bad(path, "no row below the header", METADATA, REMEDY)


def columns(path: Path, header: bytes, wanted: Sequence[str]) -> list[str]:
    """Names of the columns. GdeError for one that is not there, or is there twice."""
    names = header.decode("utf-8-sig", "replace").rstrip("\r").split("\t")
    for name in wanted:
        if name not in names:
            raise unknown(f"{path}: columns", name, names)
        if names.count(name) > 1:
            raise bad(path, f"the column {name!r} twice", "distinct column names", REMEDY)
    return [name if name in wanted else f"{i}" for i, name in enumerate(names)]


def by_value(column, function) -> np.ndarray:
    """`function` of each value (m,) of a column of bytes, called once for each that differs."""
    encoded = column.combine_chunks().dictionary_encode()
    answers = np.array([function(value) for value in encoded.dictionary.to_pylist()])
    return answers[encoded.indices.to_numpy()]


def _parsed(block: bytes, header: list[str], wanted: list[str]):
    import pyarrow as pa
    from pyarrow import csv

    return csv.read_csv(
        pa.BufferReader(block),
        read_options=csv.ReadOptions(use_threads=False, block_size=len(block) + 1, column_names=header),
        parse_options=csv.ParseOptions(delimiter="\t", quote_char=False, ignore_empty_lines=False),
        convert_options=csv.ConvertOptions(
            column_types=dict.fromkeys(wanted, pa.binary()), include_columns=wanted, null_values=[], check_utf8=False
        ),
    )


def _uneven(path: Path, block: bytes, expected: int, row: int) -> GdeError:
    """The error of the first row that has not as many fields as the header."""
    for i, line in enumerate(block.split(b"\n")[:-1]):
        if b"\r" in line.removesuffix(b"\r"):
            return bad(f"{path}: row {row + i}", "a carriage return within a row", "rows that end with one", REMEDY)
        if (found := line.count(b"\t") + 1) != expected:
            return bad(f"{path}: row {row + i}", f"{found} fields", f"{expected} as in the header", REMEDY)
    return bad(path, "rows that are no table", METADATA, REMEDY)
