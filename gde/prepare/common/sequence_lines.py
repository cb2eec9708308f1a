"""Lines of a sequence, a tab and a number, without a header, as tokens and numbers: millions, a block at a time."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gde.errors import GdeError, bad
from gde.files.sniffing import check_file, kind_of, other_file
from gde.readers.text_lines import AGAIN, line_blocks
from gde.sets.store.ragged import padded
from gde.sets.types.alphabet import ILLEGAL, Alphabet

EXPECTED = "lines of a sequence, a tab and a number"
FEED, RETURN, TAB, COMMA, SPACE = b"\n\r\t, "
SHOWN = 40  # characters of a line in a message


@dataclass
class Lines:
    """Sequences of a block: tokens (m, length) uint8 with zeros behind the end; numbers (m,) float64; residues (m,), of
    each as it stands in the file (more than `length` for those that were cut); the number of the first line."""

    tokens: np.ndarray
    numbers: np.ndarray
    residues: np.ndarray
    first: int


def read_lines(path: Path, alphabet: Alphabet, length: int, *, too_long: str = "refuse") -> Iterator[Lines]:
    """All lines of a file, plain or gzip, in order.

    too_long : `refuse` a sequence of more than `length` residues, or `cut` it, `Lines.residues` telling.
    Raises GdeError naming file, line, what was found and what to do: a damaged or cut gzip file, an empty file, a
    header, blank lines, line ends of Windows, commas for tabs, more or fewer columns, illegal residues, numbers that
    are none or not finite.
    """
    check_file(path, EXPECTED, AGAIN)
    if path.suffix == ".gz" and kind_of(path) != "a gzip file":
        raise other_file(path, f"a gzip file: {EXPECTED}", "fetch it again, or leave .gz off the name of a plain file")
    first, table = 1, alphabet.table.tobytes()
    for block in line_blocks(path, EXPECTED):
        text = np.frombuffer(block, np.uint8)
        stops = np.flatnonzero(text == FEED)
        starts = np.empty_like(stops)
        starts[0], starts[1:] = 0, stops[:-1] + 1
        tabs = np.flatnonzero(text == TAB)
        if len(tabs) != len(stops) or (tabs <= starts).any() or (tabs >= stops - 1).any():
            raise _ill_formed(path, block, starts, stops, tabs, first)
        if RETURN in block:
            raise _windows(path, block, first)
        residues = tabs - starts
        if too_long == "refuse" and (long := residues > length).any():
            row = int(long.argmax())
            expected = f"at most {length}"
            raise bad(f"{path}: line {first + row}", f"a sequence of {residues[row]} residues", expected, LONGER)
        numbers = _numbers(block, len(stops))
        if numbers is None or not np.isfinite(numbers).all():
            raise _no_number(path, block, starts, tabs, stops, alphabet, first)
        residue_tokens = np.frombuffer(block.translate(table), np.uint8)
        tokens = padded(residue_tokens, starts, np.minimum(tabs, starts + length), length)
        if tokens.max() == ILLEGAL:
            raise _illegal(path, block, tokens, starts, alphabet, first)
        yield Lines(tokens, numbers, residues, first)
        first += len(stops)


LONGER = "raise dataset.length, or set dataset.too_long: drop"


def _numbers(block: bytes, count: int) -> np.ndarray | None:
    """The second column (count,) float64; None where one is no number."""
    import pyarrow as pa
    from pyarrow import csv

    try:
        table = csv.read_csv(
            pa.BufferReader(block),
            read_options=csv.ReadOptions(
                use_threads=False, block_size=len(block) + 1, column_names=["sequence", "number"]
            ),
            parse_options=csv.ParseOptions(delimiter="\t", quote_char=False, ignore_empty_lines=False),
            convert_options=csv.ConvertOptions(
                column_types={"number": pa.float64()}, include_columns=["number"], null_values=[], check_utf8=False
            ),
        )
    except pa.ArrowInvalid:
        return None
    numbers = table["number"].to_numpy()
    return numbers if len(numbers) == count else None


def _shown(line: bytes) -> str:
    text = line.decode("latin-1")
    return repr(text if len(text) <= SHOWN else text[: SHOWN - 3] + "...")


def _ill_formed(path: Path, block: bytes, starts, stops, tabs, first: int) -> GdeError:
    """The error of the first line that has not one tab between two fields."""
    per_line = np.bincount(np.searchsorted(stops, tabs), minlength=len(stops))
    empty = np.zeros(len(stops), bool)  # a field
    single = per_line == 1
    tab = tabs[np.minimum(np.searchsorted(tabs, starts), max(len(tabs) - 1, 0))] if len(tabs) else starts
    empty[single] = (tab[single] <= starts[single]) | (tab[single] >= stops[single] - 1)
    row = int((~single | empty).argmax())
    line = block[starts[row] : stops[row]]
    where, bare = f"{path}: line {first + row}", line.strip()
    if not bare:
        return bad(where, "a blank line", EXPECTED, "take it out")
    if line.startswith(b">"):
        return bad(where, f"a FASTA header {_shown(line)}", EXPECTED, "use a data set of kind sequences")
    if empty[row]:
        missing = "sequence" if tab[row] <= starts[row] else "number"
        return bad(where, f"no {missing} in {_shown(line)}", EXPECTED, "fill it in, or take the line out")
    if per_line[row] > 1:
        return bad(where, f"{per_line[row] + 1} columns", "two", f"keep the sequence and its number: {EXPECTED}")
    if COMMA in line:
        return bad(where, f"a comma for a tab in {_shown(line)}", EXPECTED, "replace the commas by tabs")
    if SPACE in bare:
        return bad(where, f"a space for a tab in {_shown(line)}", EXPECTED, "replace the spaces by tabs")
    return bad(where, f"one column, {_shown(line)}", EXPECTED, AGAIN)


def _windows(path: Path, block: bytes, first: int) -> GdeError:
    place = block.index(RETURN)
    where = f"{path}: line {first + block.count(FEED, 0, place)}"
    return bad(where, "a carriage return", "lines that end with a line feed alone", "convert it, e.g. with dos2unix")


def _no_number(path: Path, block: bytes, starts, tabs, stops, alphabet: Alphabet, first: int) -> GdeError:
    for row, (start, tab, stop) in enumerate(zip(starts, tabs, stops, strict=True)):
        field = block[tab + 1 : stop]
        if (value := _numbers(b"A\t" + field + b"\n", 1)) is not None and np.isfinite(value).all():
            continue
        where, text = f"{path}: line {first + row}", _shown(field)
        if first + row == 1 and (alphabet.table[np.frombuffer(block[start:tab], np.uint8)] == ILLEGAL).any():
            return bad(where, f"a header, {_shown(block[start:stop])}", EXPECTED, "take the first line out")
        return bad(where, f"{text} for a number", "a finite number", "correct it, or take the line out")
    return bad(path, "numbers that are read differently together and apart", "numbers", AGAIN)


def _illegal(path: Path, block: bytes, tokens, starts, alphabet: Alphabet, first: int) -> GdeError:
    row, place = np.argwhere(tokens == ILLEGAL)[0]
    residue = block[starts[row] + place : starts[row] + place + 1].decode("latin-1")
    found = f"{residue!r} at position {place + 1} of a sequence"
    expected = f"the residues {', '.join(alphabet.symbols)}"
    return bad(f"{path}: line {first + row}", found, expected, "correct it, or take the line out")
