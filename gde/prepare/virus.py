"""Spike proteins of SARS-CoV-2 by country and month, from GISAID's file or from Nextstrain's open data.

The file is read once. What a group is, and whether it is large enough, is known behind its last record: until then the
proteins lie packed on disk, and a few bytes of each record beside them, dealt out by the hash of its name, so that
duplicates are found and metadata joined in constant memory.
"""

import logging
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

from gde.errors import bad, lowering, many
from gde.files.input_files import virus_files
from gde.files.io import storage_errors
from gde.prepare import virus_gisaid, virus_keys, virus_nextstrain, virus_records
from gde.prepare import virus_spikes as spikes
from gde.prepare.common.hashing import sequence_hash, uniform
from gde.prepare.common.sequence_split import parts_at
from gde.prepare.common.split import TRAINING, split_units
from gde.prepare.common.write import origin, source_of
from gde.prepare.virus_keys import MONTHS, Countries, month_name, months_of
from gde.prepare.virus_records import Named, Placed, TokenSpool, place
from gde.prepare.virus_tally import Tally
from gde.sets.random import seed_of
from gde.sets.store.layout import SPLITS
from gde.sets.store.token_writer import TokenStoreWriter

log = logging.getLogger(__name__)
FIELDS = {"day": "float32"}
TEST, PAST, FUTURE = SPLITS.index("test"), "past", "future"
LISTED = 100  # dropped groups that meta.json names
LAYOUTS = {  # reasons to drop a record, and what is mended
    "gisaid": (virus_gisaid.DROPPED, virus_gisaid.MENDED),
    "nextstrain": (virus_nextstrain.DROPPED, virus_nextstrain.MENDED),
}


def prepare(cfg: dict, out: Path, *, name: str, seed: int, provenance: dict | None = None) -> None:
    """Write the store of dataset `name` at `out` from cfg['sequences'] and, of Nextstrain, cfg['metadata'].

    groups : group "<country>|<YYYY-MM>", country, month, month_index (months since December 2019), era (past, future:
    the last months), n.   samples keep their day (days since December 1st, 2019). Memory is constant in the number of
    records; the disk holds the proteins packed, and then as `TokenStoreWriter` does. Raises GdeError for what the
    readers refuse, no group that is large enough, and no room for a split. meta["counted"] has what became of records.
    """
    out, files = Path(out), {key: Path(file) for key, file in virus_files(cfg).items()}
    dropped, mended = LAYOUTS[cfg["source"]]
    tally = Tally(virus_keys.DROPPED | dropped | spikes.DROPPED | virus_records.DROPPED, mended)
    with storage_errors(out), ExitStack() as stack:
        out.parent.mkdir(parents=True, exist_ok=True)
        spool, countries = stack.enter_context(TokenSpool(out.parent, cfg["length"])), Countries()
        placed = stack.enter_context(read(cfg, files, countries, tally, spool, out.parent))
        tally.tell(files["sequences"])
        groups = Groups(cfg, placed, countries, f"{files['sequences']} ({tally.listed()})")
        with TokenStoreWriter(out, alphabet="protein", length=cfg["length"], seed=seed, fields=FIELDS) as writer:
            for tokens, code, day in groups.rows(spool, placed):
                kept = code >= 0
                writer.write(tokens[kept], code[kept], day=day[kept])
            sources = [{"key": key, **source_of(file)} for key, file in files.items()]
            meta = {
                "name": name,
                "kind": cfg["kind"],
                "data": origin(sources),
                "sources": sources,
                "units": "tokens",
                "groupby": list(cfg["groupby"]),
                "labels": ["month", *(["country"] if "country" in cfg["groupby"] else [])],
                "last_months": cfg["last_months"],
                "split": cfg["split"],
                "counted": tally.meta(),
                **groups.meta(),
            }
            writer.finish(groups.table, meta, provenance=provenance)


def examine(cfg: dict) -> None:
    """GdeError for what the files tell; they are read whole, on a disk for temporary files."""
    files = {key: Path(file) for key, file in virus_files(cfg).items()}
    dropped, mended = LAYOUTS[cfg["source"]]
    tally = Tally(virus_keys.DROPPED | dropped | spikes.DROPPED | virus_records.DROPPED, mended)
    with TemporaryDirectory(prefix="gde-") as scratch, ExitStack() as stack:
        spool, countries = stack.enter_context(TokenSpool(Path(scratch), cfg["length"])), Countries()
        placed = stack.enter_context(read(cfg, files, countries, tally, spool, Path(scratch)))
        Groups(cfg, placed, countries, f"{files['sequences']} ({tally.listed()})")


def read(
    cfg: dict, files: dict[str, Path], countries: Countries, tally: Tally, spool: TokenSpool, scratch: Path
) -> Placed:
    """Read all files; the proteins are then in `spool`, and their country and day in what is returned."""
    with ExitStack() as stack:
        named, metadata = stack.enter_context(Named(scratch)), None
        if cfg["source"] == "nextstrain":
            metadata = stack.enter_context(Named(scratch))
            virus_nextstrain.read_metadata(cfg, files["metadata"], countries, tally, metadata)
            records = virus_nextstrain.read(cfg, files["sequences"], tally)
        else:
            records = virus_gisaid.read(cfg, files["sequences"], countries, tally)
        for some in records:
            named.add(some.name, some.country, some.day)
            spool.add(some.tokens)
        return place(named, metadata, scratch, tally)


class Groups:
    """Which group each record is of: those that are large enough, and the split of each.

    table : a row for each (group, split).   dropped : group -> records, of those below min_size.
    """

    def __init__(self, cfg: dict, placed: Placed, countries: Countries, where: str):
        self.cfg, self.by_country = cfg, "country" in cfg["groupby"]
        self.seed = seed_of(cfg["split"]["seed"], "split", "sample")
        self.countries, self.by_sample = countries, cfg["split"]["by"] == "sample"
        counts: dict[int, np.ndarray] = {}
        for name, country, day in placed.blocks():
            kept = country >= 0
            cell, part = self.cells(country[kept], day[kept]), self.drawn(name[kept])
            for c, n in zip(*np.unique(cell * len(SPLITS) + part, return_counts=True), strict=True):
                counts.setdefault(int(c) // len(SPLITS), np.zeros(len(SPLITS), np.int64))[int(c) % len(SPLITS)] += n
        sizes = {cell: int(n.sum()) for cell, n in counts.items()}
        cells = sorted((c for c, n in sizes.items() if n >= cfg["min_size"]), key=self.name)
        self.dropped = {self.name(c): n for c, n in sizes.items() if n < cfg["min_size"]}
        if not cells:
            found = f"no group of {cfg['min_size']} or more spikes"
            finer = ", or group by month alone" if self.by_country else ""
            remedy = f"lower dataset.min_size{finer}" if sizes else "give the file that dataset.source says"
            raise bad(where, found, "groups of min_size or more", remedy)
        self.future = max(c % MONTHS for c in cells) - cfg["last_months"]
        self._code = self._split(cells, counts, where)
        log.info("%s of %d or more, %d smaller left out", many(len(cells), "group"), cfg["min_size"], len(self.dropped))

    def cells(self, country: np.ndarray, day: np.ndarray) -> np.ndarray:
        """Number of the group (m,) of countries and days: MONTHS country + month."""
        return (country.astype(np.int64) * MONTHS if self.by_country else 0) + months_of(day)

    def name(self, cell: int) -> str:
        country, month = divmod(cell, MONTHS)
        return f"{self.countries.names[country]}|{month_name(month)}" if self.by_country else month_name(month)

    def drawn(self, name: np.ndarray) -> np.ndarray:
        """Place in SPLITS (m,) of records by the hashes of their names, where samples are split; else 0."""
        if not self.by_sample:
            return np.zeros(len(name), np.int64)
        share = uniform(sequence_hash(np.ascontiguousarray(name).view(np.uint8).reshape(-1, 8), self.seed))
        return parts_at(share, self.cfg["split"]["fractions"]).astype(np.int64)

    def _split(self, cells: list[int], counts: dict[int, np.ndarray], where: str) -> dict[tuple[int, int], int]:
        """Number of the row in `table` of (cell, drawn split)."""
        past = [c for c in cells if c % MONTHS <= self.future]
        if not past:
            found = f"{self.cfg['last_months']} last months, and no month before them"
            raise bad("dataset.last_months", found, "fewer than there are", "lower it")
        fractions, seed = self.cfg["split"]["fractions"], self.cfg["split"]["seed"]
        names = [] if self.by_sample else [self.name(c) for c in past]
        whole = split_units(names, fractions, seed, "group", TRAINING) if names else {}
        rows: list[dict] = []
        code: dict[tuple[int, int], int] = {}
        for c in cells:
            late = c % MONTHS > self.future
            parts = {
                int(d): TEST if late else int(d) if self.by_sample else whole[self.name(c)]
                for d in np.flatnonzero(counts[c])
            }
            for part in sorted(set(parts.values())):
                code |= {(c, drawn): len(rows) for drawn, own in parts.items() if own == part}
                rows.append(self._row(c, part, FUTURE if late else PAST))
        self.table = pd.DataFrame(rows)
        for part in SPLITS:
            if not (self.table["split"] == part).any():
                least = lowering(("min_size", self.cfg["min_size"], 1), ("last_months", self.cfg["last_months"], 0))
                remedy = ", ".join(filter(None, (least, "change fractions", "or split by sample")))
                raise bad(where, f"no group in split '{part}'", "one in every split", remedy)
        return code

    def _row(self, cell: int, part: int, era: str) -> dict:
        country, month = divmod(cell, MONTHS)
        told = {"country": self.countries.names[country]} if self.by_country else {}
        when = {"month": month_name(month), "month_index": float(month), "era": era}
        return {"group": self.name(cell), "split": SPLITS[part], **told, **when, "n": 0}

    def rows(self, spool: TokenSpool, placed: Placed):
        """Tokens (m, length), row in `table` (-1 = left out) and day (m,) of all records, a block at a time."""
        blocks = placed.blocks()
        code = day = np.zeros(0, np.int64)
        sizes = np.zeros(len(self.table), np.int64)
        for tokens in spool.blocks():
            while len(code) < len(tokens):
                more = self._coded(*next(blocks))
                code, day = np.concatenate([code, more[0]]), np.concatenate([day, more[1]])
            own, code = code[: len(tokens)], code[len(tokens) :]
            when, day = day[: len(tokens)], day[len(tokens) :]
            sizes += np.bincount(own[own >= 0], minlength=len(sizes))
            yield tokens, own, when
        self.table["n"] = sizes

    def _coded(self, name: np.ndarray, country: np.ndarray, day: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        cell = self.cells(np.maximum(country, 0), day) * len(SPLITS) + self.drawn(name)
        values, inverse = np.unique(cell, return_inverse=True)
        codes = np.array([self._code.get(divmod(int(v), len(SPLITS)), -1) for v in values])
        return np.where(country >= 0, codes[inverse], -1), day

    def meta(self) -> dict:
        names = sorted(self.dropped)
        return {
            "dropped_groups": len(names),
            "dropped_samples": sum(self.dropped.values()),
            "dropped": {n: self.dropped[n] for n in names[:LISTED]},
        }
