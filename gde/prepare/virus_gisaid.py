"""Spike proteins in the layout of GISAID's spikeprot*.fasta: what a header tells, read from both of its ends."""

import re
from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np

from gde.prepare import virus_spikes as spikes
from gde.prepare.virus_keys import NO_COUNTRY, NO_DAY, Countries, Days
from gde.prepare.virus_records import Records, hashes
from gde.prepare.virus_tally import Tally
from gde.readers.fasta import fasta_blocks

EXPECTED = "GISAID's spikeprot*.fasta: headers such as >Spike|isolate|2020-03-05|EPI_ISL_1|...|country"
REMEDY = "unpack and copy the download of GISAID again"
FIELDS = 11  # gene, isolate, date, id, passage, type^^location, host, two laboratories, submitter, country
ISOLATE, DATE, ID, HOST = 1, 2, 3, 6
LOCATION, BEHIND_HOST = b"^^", 3  # in the field before the host; fields between it and the country
NOTHING = [b""] * FIELDS
FEWEST = 5  # gene, isolate, date, id, country
DATED, WHOLE_DATE = re.compile(rb"\d{4}(-\d{1,2}){0,2}"), re.compile(rb"\d{4}-\d{1,2}-\d{1,2}")
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
        fields = [header.split(b"|") for header in block.headers]  # by columns: a loop over records takes twice as long
        odd = np.array([len(own) != FIELDS for own in fields])
        for i in np.flatnonzero(odd):
            fields[i] = standard(fields[i], hosts or ())
        day = np.array([days[own[DATE]] for own in fields])
        country = np.array([countries[own[-1]] for own in fields])
        unread = np.array([not own[ID] for own in fields]) & odd
        if unread.any():
            i = int(unread.argmax())
            tally.example(HEADER, f"record {block.first + i}, {block.headers[i][:80].decode('latin-1')!r}")
        reasons = [(HEADER, unread)]
        if hosts is not None:
            reasons.append((OTHER_HOST, np.array([own[HOST].strip().lower() not in hosts for own in fields])))
        reasons += [(reason, day == -1 - i) for i, reason in enumerate(NO_DAY)]
        kept = tally.sieve([*reasons, (NO_COUNTRY, country < 0)], len(block))
        if not len(kept):
            continue
        tokens, fine = whole.of_texts([block.texts[i] for i in kept])
        kept = kept[fine]
        tally.mend(BARS, odd[kept].sum())
        if not b"".join(block.headers).isascii():
            tally.mend(LATIN, sum(not is_utf8(block.headers[i]) for i in kept))
        names = hashes([fields[i][ID].strip() or fields[i][ISOLATE] for i in kept])
        yield Records(names, country[kept].astype(np.int32), day[kept].astype(np.int32), tokens)


def standard(fields: list[bytes], hosts: Collection[bytes] = ()) -> list[bytes]:
    """A header's fields with those of its begin and end in their places; all empty where they cannot be told.

    A stray `|` in the isolate moves the date, which is then the first field that is one, with day and month if there is
    such (isolates end with a year); one behind the date moves what follows, so the country is taken from the end.
    The host stands behind the location, which has a `^^`, and before three fields and the country: between these ends
    it is the first that is one of `hosts`, in small residues, or else the first.
    """
    while len(fields) > FIELDS and not fields[-1].strip():
        fields = fields[:-1]
    if len(fields) < FEWEST:
        return NOTHING
    places = range(DATE, len(fields) - 2)
    dated = (i for form in (WHOLE_DATE, DATED) for i in places if form.fullmatch(fields[i].strip()))
    if (at := next(dated, -1)) < 0:
        return NOTHING
    isolate = b"|".join(fields[1:at])
    behind = fields[at + 1 : -1]
    first = next((i for i, field in enumerate(behind) if LOCATION in field), HOST - ID - 1) + 1
    between = behind[first : max(first + 1, len(behind) - BEHIND_HOST)]
    host = next((field for field in between if field.strip().lower() in hosts), b"".join(between[:1]))
    return [fields[0], isolate, fields[at], behind[0] or isolate, b"", b"", host, fields[-1]]


def is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True
