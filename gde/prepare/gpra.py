"""Promoters of random libraries with their measured expression, ranked into quantiles: a group is a quantile.

A file is one condition. Its promoters are ranked by expression; those of the same rank number share a group. The split
follows from the sequence alone, so a promoter measured in several media is in one split of all of them, apart from the
highest quantiles: these are held out whole, whatever their sequences.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

import numpy as np
import pandas as pd

from gde.errors import bad
from gde.io import storage_errors
from gde.prepare.hashing import sequence_hash, uniform
from gde.prepare.inputs import condition_files
from gde.prepare.quantiles import Ranking
from gde.prepare.sequence_lines import EXPECTED, Lines, read_lines
from gde.prepare.write import origin, source_of
from gde.sets.alphabet import ALPHABETS
from gde.sets.layout import SPLITS
from gde.sets.random import seed_of
from gde.sets.token_writer import TokenStoreWriter

DNA = ALPHABETS["dna"]
TEST, DROPPED = SPLITS.index("test"), len(SPLITS)
FIELDS = {"expression": "float32"}


def prepare(cfg: dict, out: Path, *, name: str, seed: int, provenance: dict | None = None) -> None:
    """Write the store of dataset `name` at `out` from the files cfg['files'], condition -> file.

    groups : group "<condition>|q<quantile>", condition, quantile (0 = lowest), expression (the group's mean, in the
    file's unit).   samples keep their expression. Each file is read twice: to rank and split its promoters, and to
    write them; in between, eleven bytes of each lie on disk. Memory is constant in their number. Raises GdeError for
    what `read_lines` refuses, files with fewer rows than quantiles, and a split without promoters.
    """
    out, files = Path(out), condition_files(cfg)
    with storage_errors(out), ExitStack() as stack:
        out.parent.mkdir(parents=True, exist_ok=True)
        ranked = [stack.enter_context(Condition(c, Path(file), cfg, out.parent)) for c, file in files.items()]
        cells = [
            (i, *cell) for i, condition in enumerate(ranked) for cell in np.argwhere(condition.sizes >= cfg["min_size"])
        ]
        check_splits(cells, cfg)
        for i, condition in enumerate(ranked):
            own = [k for k, cell in enumerate(cells) if cell[0] == i]
            condition.number(np.array([cells[k][1:] for k in own], int).reshape(-1, 2), own)
        total = np.zeros(len(cells))
        with TokenStoreWriter(out, alphabet="dna", length=cfg["length"], seed=seed, fields=FIELDS) as writer:
            for condition in ranked:
                for tokens, numbers, code in condition.rows():
                    writer.write(tokens, code, expression=numbers)
                    np.add.at(total, code, numbers)  # one after the other: the same sum from other blocks
            sizes = np.array([ranked[i].sizes[quantile, part] for i, quantile, part in cells])
            groups = pd.DataFrame([described(ranked[i].name, quantile, part, cfg) for i, quantile, part in cells])
            sources = [{"key": f"files.{c}", **source_of(Path(file))} for c, file in files.items()]
            meta = {
                "name": name,
                "kind": cfg["kind"],
                "data": origin(sources),
                "sources": sources,
                "units": "letters",
                "groupby": ["condition", "quantile"],
                "labels": ["quantile", "condition"],
                "quantiles": cfg["quantiles"],
                "top": cfg["top"],
                "split": {**cfg["split"], "by": "sequence"},
                "counted": {c.name: {"rows": c.n, "too_long": c.too_long} for c in ranked},
                "dropped_groups": int(sum(((c.sizes > 0) & (c.sizes < cfg["min_size"])).sum() for c in ranked)),
                "dropped_samples": int(sum(c.sizes[c.sizes < cfg["min_size"]].sum() for c in ranked)),
            }
            writer.finish(groups.assign(expression=total / sizes), meta, provenance=provenance)


def described(condition: str, quantile: int, part: int, cfg: dict) -> dict:
    """The row of a group in the store's groups."""
    digits = len(str(cfg["quantiles"] - 1))
    group = f"{condition}|q{quantile:0{digits}d}"
    return {"group": group, "split": SPLITS[part], "condition": condition, "quantile": int(quantile)}


def check_splits(cells: list[tuple[int, int, int]], cfg: dict) -> None:
    """GdeError where no group of the wanted size is in some split."""
    for part, split in enumerate(SPLITS):
        if not any(cell[2] == part for cell in cells):
            found = f"no group of {cfg['min_size']} or more promoters in split '{split}'"
            raise bad("dataset.split", found, "one in every split", "lower min_size or quantiles, or change fractions")


class Condition:
    """A file's promoters: ranked and split when the block begins, and read again with the numbers of their groups.

    n : rows of the file.   too_long : those left out.   sizes (quantiles, splits) : promoters in each.
    """

    def __init__(self, name: str, path: Path, cfg: dict, scratch: Path):
        self.name, self.path, self.cfg, self.scratch = name, path, cfg, scratch
        self.n = self.too_long = 0

    def __enter__(self) -> "Condition":
        cfg = self.cfg
        seed = seed_of(cfg["split"]["seed"], "ties", self.name)
        with Ranking(self.scratch, seed=seed) as ranking, TemporaryFile(dir=self.scratch) as parts:
            for lines in self._lines():
                ranking.add(lines.numbers)
                part = parts_of(lines.tokens, cfg["split"])
                part[lines.letters > cfg["length"]] = DROPPED
                parts.write(part.data)
                self.n += len(part)
            if self.n < cfg["quantiles"]:
                expected = f"one for each of {cfg['quantiles']} quantiles"
                raise bad(self.path, f"{self.n} promoters", expected, "lower dataset.quantiles, or give larger files")
            self._cells = TemporaryFile(dir=self.scratch)  # (quantile, split) of every row, as a number
            count = np.zeros((cfg["quantiles"], len(SPLITS) + 1), np.int64)
            parts.seek(0)
            for quantile in ranking.quantiles(cfg["quantiles"]):
                part = np.fromfile(parts, np.uint8, len(quantile))
                part[(quantile >= cfg["quantiles"] - cfg["top"]) & (part != DROPPED)] = TEST
                cell = quantile.astype(np.uint16) * np.uint16(len(SPLITS) + 1) + part
                count += np.bincount(cell, minlength=count.size).reshape(count.shape)
                self._cells.write(cell.data)
        self.sizes, self.too_long = count[:, :-1], int(count[:, -1].sum())
        return self

    def __exit__(self, *_) -> None:
        self._cells.close()

    def _lines(self) -> Iterator[Lines]:
        too_long = "refuse" if self.cfg["too_long"] == "refuse" else "cut"
        return read_lines(self.path, DNA, self.cfg["length"], too_long=too_long)

    def number(self, cells: np.ndarray, codes: list[int]) -> None:
        """Give the group numbers `codes` to the (quantile, split) of `cells` (c, 2); those of others are left out."""
        self._code = np.full((self.cfg["quantiles"], len(SPLITS) + 1), -1)
        self._code[tuple(cells.T)] = codes

    def rows(self) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Tokens (m, length), expression (m,) and group number (m,) of all promoters that are kept, in blocks."""
        code, self._cells = self._code.ravel(), rewound(self._cells)
        for lines in self._lines():
            cell = np.fromfile(self._cells, np.uint16, len(lines.numbers))
            if len(cell) != len(lines.numbers):
                raise bad(self.path, "more lines than at first", EXPECTED, "leave the file as it is while it is read")
            own = code[cell]
            kept = np.flatnonzero(own >= 0)
            if len(kept) == len(own):
                yield lines.tokens, lines.numbers, own
            else:
                yield lines.tokens[kept], lines.numbers[kept], own[kept]
        if len(np.fromfile(self._cells, np.uint16, 1)):
            raise bad(self.path, "fewer lines than at first", EXPECTED, "leave the file as it is while it is read")


def rewound(file: IO[bytes]) -> IO[bytes]:
    file.seek(0)
    return file


def parts_of(tokens: np.ndarray, split: dict) -> np.ndarray:
    """Place in SPLITS (m,) uint8 of sequences of tokens (m, L): a function of each sequence and the seed alone."""
    train, validation, _ = split["fractions"]
    share = uniform(sequence_hash(tokens, seed_of(split["seed"], "split", "sequence")))
    return (share >= train).astype(np.uint8) + (share >= train + validation)
