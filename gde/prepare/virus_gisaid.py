"""Spike proteins in the layout of GISAID's spikeprot*.fasta: what a header tells, read from both of its ends."""

import re
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path

import numpy as np

from gde.prepare import spikes
from gde.prepare.fasta import fasta_blocks
from gde.prepare.tally import Tally
from gde.prepare.virus_keys import NO_COUNTRY, Countries, Days
from gde.prepare.virus_records import Records

EXPECTED = "GISAID's spikeprot*.fasta: headers such as >Spike|isolate|2020-03-05|EPI_ISL_1|...|country"
REMEDY = "unpack and copy the download of GISAID again"
FIELDS = 11  # gene, isolate, date, id, passage, type^^location, host, two laboratories, submitter, country
DATE, ID, HOST = 2, 3, 6
FEWEST = 5  # gene, isolate, date, id, country
DATED = re.compile(rb"\d{4}(-\d{1,2}){0,2}")
HEADER, OTHER_HOST = "header", "host"
DROPPED = {HEADER: "without the fields of a header", OTHER_HOST: "of another host"}
BARS, LATIN = "stray_bars", "latin1"
MENDED = {
    BARS: f"with another number of fields in its header than {FIELDS}",
    LATIN: "with a header that is not UTF-8, read as Latin-1",
    **spikes.MENDED,
}


def read(cfg: dict, path: Path, countries: Countries, tally: Tally) -> Iterator[Records]:
    """The whole spikes of a file with a date and a country, some thousand at a time; the others are counted.

    GdeError for a file that is absent, of another kind, empty, damaged or cut.
    """
    whole, days = spikes.Spikes(cfg, tally), Days()
    hosts = None if cfg["hosts"] is None else {host.encode().lower() for host in cfg["hosts"]}
    for block in fasta_blocks(path, EXPECTED, remedy=REMEDY):
        tally.records += len(block)
        ids, texts, told, slips = [], [], [], []
        for header, text in zip(block.headers, block.texts, strict=True):
            fields = header.split(b"|")
            if odd := len(fields) != FIELDS:
                fields = standard(fields)
            if fields is None:
                tally.drop(HEADER)
                continue
            day, country = days(fields[DATE]), countries(fields[-1])
            if hosts is not None and fields[HOST].strip().lower() not in hosts:
                tally.drop(OTHER_HOST)
            elif isinstance(day, str):
                tally.drop(day)
            elif country < 0:
                tally.drop(NO_COUNTRY)
            else:
                ids.append(blake2b(fields[ID].strip() or fields[1], digest_size=8).digest())
                texts.append(text)
                told.append((country, day))
                slips.append((odd, not header.isascii() and not is_utf8(header)))
        if not texts:
            continue
        tokens, kept = whole.of_texts(texts)
        for what, count in zip((BARS, LATIN), np.array(slips)[kept].sum(0), strict=True):
            tally.mend(what, count)
        country, day = np.array(told, np.int32).T
        yield Records(np.frombuffer(b"".join(ids), "<u8")[kept], country[kept], day[kept], tokens)


def standard(fields: list[bytes]) -> list[bytes] | None:
    """A header's fields with those of its begin and end in their places; None where they cannot be told.

    A stray `|` in the isolate moves the date, which is then the first field that looks like one; one behind the date
    moves what follows, so the country is taken from the end.
    """
    while len(fields) > FIELDS and not fields[-1].strip():
        fields = fields[:-1]
    if len(fields) < FEWEST:
        return None
    at = DATE
    if not DATED.fullmatch(fields[DATE].strip()):
        dated = (i for i in range(DATE, len(fields) - 2) if DATED.fullmatch(fields[i].strip()))
        if (at := next(dated, -1)) < 0:
            return None
    isolate = b"|".join(fields[1:at])
    behind = fields[at + 1 : -1]
    host = behind[HOST - ID] if len(behind) > HOST - ID else b""
    return [fields[0], isolate, fields[at], behind[0], b"", b"", host, fields[-1]]


def is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True
