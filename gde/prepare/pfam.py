"""Protein families of Pfam: a group is a family, a sample one of its domains.

The file is read twice, in constant memory: to count families, and to write those that are kept. Of large families a
random part is kept, which a hash of the sequence decides, as it does the split by sequence. Near copies share one then;
they are looked for in a reading in between.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from gde.errors import bad
from gde.files.io import storage_errors
from gde.prepare.common.hashing import sequence_hash, uniform
from gde.prepare.common.near import Sample, Together, stacked, together
from gde.prepare.common.sequence_split import parts_at, split_hash, split_seed
from gde.prepare.common.sequence_tokens import Encoder
from gde.prepare.common.split import split_units
from gde.prepare.common.write import origin, source_of
from gde.readers.sequence_files import Records, SequenceFile
from gde.sets.random import seed_of
from gde.sets.store.layout import SPLITS
from gde.sets.store.token_writer import TokenStoreWriter
from gde.sets.types.alphabet import ALPHABETS

PROTEIN = ALPHABETS["protein"]
HEADER = "{name} {} {accession};{family};"  # >A0A000_ACTPI/1-102 A0A000.1 PF10417.13;1-cysPrx_C;


def prepare(cfg: dict, out: Path, *, name: str, seed: int, provenance: dict | None = None) -> None:
    """Write the store of dataset `name` at `out` from the file cfg['path'] (kind pfam), read twice.

    groups : group = family, its name, accession (without version), domains (in the file).   Memory is that of the
    families. GdeError names file and record, and what was found, and leaves nothing behind.
    """
    out, path = Path(out), Path(cfg["path"]).expanduser()
    with storage_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
    file, counts, kept, near = families_of(cfg, path)
    encoder = Encoder(PROTEIN, cfg["length"], too_long=cfg["too_long"], other_residues="X")
    with TokenStoreWriter(out, alphabet="protein", length=cfg["length"], seed=seed) as writer:
        for tokens, code in rows(file, counts, kept, encoder):
            writer.write(tokens, code)
        cells = kept.cells()
        check_splits(cells, path)
        groups = pd.DataFrame(
            {
                "group": counts.names[f],
                "split": SPLITS[s],
                "family": counts.names[f],
                "accession": counts.accessions[f],
                "domains": counts.n[f],
            }
            for f, s in cells
        )
        sources = [{"key": "path", **source_of(path)}]
        large = counts.size >= cfg["min_size"]
        meta = {
            "name": name,
            "kind": cfg["kind"],
            "data": origin(sources),
            "source": {k: v for k, v in sources[0].items() if k != "key"},
            "units": "tokens",
            "groupby": ["family"],
            "labels": ["family"],
            "split": cfg["split"],
            "near_copies": near,
            "counted": {"records": int(counts.size.sum()), "families": len(counts.n), **encoder.counted},
            "dropped_groups": int((~large).sum()),
            "dropped_samples": int(counts.size[~large].sum()),
            "families_drawn": int(kept.chosen.sum()),
        }
        writer.finish(groups, meta, provenance=provenance)


def examine(cfg: dict) -> None:
    """GdeError for what the file tells; it is read whole."""
    path = Path(cfg["path"]).expanduser()
    file, counts, kept, _ = families_of(cfg, path)
    for _ in rows(file, counts, kept, Encoder(PROTEIN, cfg["length"], too_long=cfg["too_long"], other_residues="X")):
        pass
    check_splits(kept.cells(), path)


def families_of(cfg: dict, path: Path) -> tuple[SequenceFile, "Counts", "Kept", dict[str, int] | None]:
    """The file, its families, which of its domains are kept, and how many near copies there are; read once, and once
    more for these."""
    file = SequenceFile(path, ["accession", "family"], fields=HEADER, fixed=True)
    counts = Counts()
    for records in file.chunks():
        counts.add(records, file)
    kept = Kept(counts, cfg, path)
    return file, counts, kept, kept.keep_together(file, counts, cfg) if cfg["split"]["by"] == "sequence" else None


def rows(file: SequenceFile, counts: "Counts", kept: "Kept", encoder: Encoder) -> Iterator[tuple[np.ndarray, ...]]:
    """Tokens (m, length) and group (m,) of the domains that are kept, in parts."""
    for records in file.chunks():
        tokens, whole = encoder.encode(records, file)
        cell = kept.cell(tokens, counts.codes(records)[whole])
        yield tokens[cell >= 0], kept.code(cell[cell >= 0])


class Counts:
    """Families in the order they are met: names, accessions, how many domains each has."""

    def __init__(self):
        self.number: dict[str, int] = {}  # of an accession
        self.called: dict[str, str] = {}  # the accession of a name
        self.names: list[str] = []
        self.accessions: list[str] = []
        self.n: list[int] = []

    def add(self, records: Records, file: SequenceFile) -> None:
        """Count some records. GdeError for an accession with two names, or a name of two accessions."""
        given = zip(records.columns["accession"], records.columns["family"], strict=True)
        for i, (versioned, name) in enumerate(given):
            accession = versioned.partition(".")[0]
            f = self.number.setdefault(accession, len(self.n))
            if f == len(self.n):
                if self.called.setdefault(name, accession) != accession:
                    found, expected = f"the family {name!r} under {accession}", f"{self.called[name]} as before"
                    raise bad(file.where(records.first + i, records.names[i]), found, expected, "get the file again")
                self.names.append(name)
                self.accessions.append(accession)
                self.n.append(0)
            elif self.names[f] != name:
                found, expected = f"{accession} called {name!r}", f"{self.names[f]!r} as before"
                raise bad(file.where(records.first + i, records.names[i]), found, expected, "get the file again")
            self.n[f] += 1

    def codes(self, records: Records) -> np.ndarray:
        """The number (n,) of each record's family. GdeError for one that was not counted."""
        found = [self.number.get(a.partition(".")[0], -1) for a in records.columns["accession"]]
        if -1 in found:
            family = records.columns["accession"][found.index(-1)]
            raise bad("dataset.path", f"the family {family}, new in a second reading", "a file that stays", "run again")
        return np.array(found, np.int64)

    @property
    def size(self) -> np.ndarray:
        return np.array(self.n, np.int64)


class Kept:
    """Which domains are kept, and in which split: functions of the family and of the sequence alone."""

    def __init__(self, counts: Counts, cfg: dict, path: Path):
        self.split, size = cfg["split"], counts.size
        large = np.flatnonzero(size >= cfg["min_size"])
        if len(large) < 3:
            found = f"{len(large)} families of {cfg['min_size']} domains or more (largest: {int(size.max())})"
            raise bad(path, found, "three or more", "lower dataset.min_size")
        if cfg["families"] is not None and cfg["families"] < len(large):
            names = np.array([counts.accessions[f] for f in large])
            rng = np.random.default_rng(seed_of(self.split["seed"], "families"))
            large = large[np.argsort(names)][np.sort(rng.permutation(len(large))[: cfg["families"]])]
        self.chosen = np.zeros(len(size), bool)
        self.chosen[large] = True
        self.share = np.ones(len(size)) if cfg["max_size"] is None else cfg["max_size"] / size
        self.place = None
        if self.split["by"] == "group":
            place = split_units(
                [counts.accessions[f] for f in large], self.split["fractions"], self.split["seed"], "family"
            )
            self.place = np.array([place.get(a, 0) for a in counts.accessions])
        self._near: Together | None = None
        self._codes = np.full(len(size) * len(SPLITS), -1)
        self._next = 0

    def cell(self, tokens: np.ndarray, family: np.ndarray) -> np.ndarray:
        """Family and split (m,) of tokens (m, L) as one number; -1 for those that are left out."""
        share = uniform(sequence_hash(tokens, seed_of(self.split["seed"], "kept")))
        if self.place is None:
            hashes = split_hash(tokens, self.split)
            own = hashes if self._near is None else self._near(hashes)
            part = parts_at(uniform(own), self.split["fractions"]).astype(np.int64)
        else:
            part = self.place[family]
        return np.where(self.chosen[family] & (share < self.share[family]), family * len(SPLITS) + part, -1)

    def keep_together(self, file: SequenceFile, counts: Counts, cfg: dict) -> dict[str, int] | None:
        """Read the domains that are kept once more, and give near copies one split; how many there are, None where the
        sample has none. Their tokens are in memory meanwhile."""
        identity = self.split["identity"]
        if identity is None:
            return None
        sample, parts = Sample(identity, PROTEIN), []
        encoder = Encoder(PROTEIN, cfg["length"], too_long=cfg["too_long"], other_residues="X")
        for records in file.chunks():
            tokens, whole = encoder.encode(records, file)
            tokens = tokens[self.cell(tokens, counts.codes(records)[whole]) >= 0]
            sample.add(tokens, split_hash(tokens, self.split))
            parts.append(tokens)
        if not sample.near():
            return None
        tokens = stacked(parts)
        hashes = split_hash(tokens, self.split)
        self._near = together(tokens, hashes, identity, PROTEIN, split_seed(self.split))
        self._near.tell(file.path, identity)
        return self._near.meta()

    def code(self, cell: np.ndarray) -> np.ndarray:
        """The store's group (m,) of each cell, numbered as they come."""
        for c in cell[np.sort(np.unique(cell, return_index=True)[1])]:
            if self._codes[c] < 0:
                self._codes[c], self._next = self._next, self._next + 1
        return self._codes[cell]

    def cells(self) -> list[tuple[int, int]]:
        """Family and split of every group, in the order of their numbers."""
        cells = np.flatnonzero(self._codes >= 0)
        return [divmod(int(c), len(SPLITS)) for c in cells[np.argsort(self._codes[cells])]]


def check_splits(cells: list[tuple[int, int]], path: Path) -> None:
    """GdeError where a split has no domain."""
    for part, split in enumerate(SPLITS):
        if not any(s == part for _, s in cells):
            remedy = "raise max_size or families, or change dataset.split (fractions; of near copies, identity)"
            raise bad(path, f"no domain in split '{split}'", "one in every split", remedy)
