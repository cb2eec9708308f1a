"""Promoters of random libraries with their measured expression, ranked into quantiles: a group is a quantile.

A file is one condition. Its promoters are ranked by expression; those of the same rank number share a group. The split
follows from the sequence alone, so a promoter measured in several media is in one split of all of them, apart from the
highest quantiles: these are held out whole, whatever their sequences. Near copies, which libraries of native promoters
have, share a split.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile

import numpy as np
import pandas as pd

from gde.errors import bad, lowering
from gde.files.input_files import condition_files
from gde.files.io import storage_errors
from gde.prepare.common.hashing import uniform
from gde.prepare.common.near import Sample, Together, together
from gde.prepare.common.quantiles import Ranking
from gde.prepare.common.sequence_lines import read_lines
from gde.prepare.common.sequence_split import parts_at, split_hash, split_seed
from gde.prepare.common.write import origin, source_of
from gde.sets.random import seed_of
from gde.sets.store.layout import SPLITS
from gde.sets.store.token_writer import TokenStoreWriter
from gde.sets.types.alphabet import ALPHABETS

DNA = ALPHABETS["dna"]
TEST, DROPPED = SPLITS.index("test"), len(SPLITS)
FIELDS = {"expression": "float32"}
ROWS = 1 << 16  # promoters that are handed on together


def prepare(cfg: dict, out: Path, *, name: str, seed: int, provenance: dict | None = None) -> None:
    """Write the store of dataset `name` at `out` from the files cfg['files'], condition -> file.

    groups : group "<condition>|q<quantile>", condition, quantile (0 = lowest), expression (the group's mean, in the
    file's unit).   samples keep their expression. Memory is constant in the number of promoters; while they are ranked
    they lie on disk, `length` and eleven bytes each. Where a sample has near copies all tokens, and what
    `clusters` needs, are in memory for a while. Raises GdeError for what `read_lines` refuses, files with fewer rows
    than quantiles, and a split without promoters.
    """
    out, files = Path(out), condition_files(cfg)
    with storage_errors(out), ExitStack() as stack:
        out.parent.mkdir(parents=True, exist_ok=True)
        ranked, near, cells = rank(cfg, stack, out.parent)
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
                "units": "tokens",
                "groupby": ["condition", "quantile"],
                "labels": ["quantile", "condition"],
                "quantiles": cfg["quantiles"],
                "top": cfg["top"],
                "split": {**cfg["split"], "by": "sequence"},
                "counted": {c.name: {"rows": c.n, "too_long": c.too_long} for c in ranked},
                "near_copies": near,
                "dropped_groups": int(sum(((c.sizes > 0) & (c.sizes < cfg["min_size"])).sum() for c in ranked)),
                "dropped_samples": int(sum(c.sizes[c.sizes < cfg["min_size"]].sum() for c in ranked)),
            }
            writer.finish(groups.assign(expression=total / sizes), meta, provenance=provenance)


def examine(cfg: dict) -> None:
    """GdeError for what the files tell; they are read whole, on a disk for temporary files."""
    with TemporaryDirectory(prefix="gde-") as scratch, ExitStack() as stack:
        rank(cfg, stack, Path(scratch))


def rank(
    cfg: dict, stack: ExitStack, scratch: Path
) -> tuple[list["Condition"], dict[str, int] | None, list[tuple[int, int, int]]]:
    """The conditions, open while `stack` is and ranked; how many near copies there are; and condition, quantile and
    split of every group. GdeError as `prepare`."""
    sample = Sample(cfg["split"]["identity"], DNA)
    opened = (Condition(name, Path(file), cfg, scratch, sample) for name, file in condition_files(cfg).items())
    ranked = [stack.enter_context(condition) for condition in opened]
    near = keep_together(ranked, sample, cfg)
    for condition in ranked:
        condition.rank()
    cells = [
        (i, *cell) for i, condition in enumerate(ranked) for cell in np.argwhere(condition.sizes >= cfg["min_size"])
    ]
    check_splits(cells, cfg)
    return ranked, near, cells


def keep_together(ranked: list["Condition"], sample: Sample, cfg: dict) -> dict[str, int] | None:
    """Give near copies one split, whatever their conditions; how many there are, None where the sample has none."""
    if not sample.near():
        return None
    identity, seed = cfg["split"]["identity"], split_seed(cfg["split"])
    tokens = np.concatenate([x for condition in ranked for x in condition.tokens()])
    found = together(tokens, split_hash(tokens, cfg["split"]), identity, DNA, seed)
    for condition in ranked:
        condition.move(found)
    found.tell(", ".join(str(condition.path) for condition in ranked), identity)
    return found.meta()


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
            lower = lowering(("min_size", cfg["min_size"], 1), ("quantiles", cfg["quantiles"], 4)) or "give more"
            remedy = f"{lower}, or change fractions, or, of near copies, raise split.identity"
            raise bad("dataset.split", found, "one in every split", remedy)


class Condition:
    """A file's promoters: read and split when the block begins, ranked by `rank`, and then given out with their groups'
    numbers.

    n : rows of the file.   too_long : those left out.   sizes (quantiles, splits) : promoters in each.
    """

    def __init__(self, name: str, path: Path, cfg: dict, scratch: Path, sample: Sample):
        self.name, self.path, self.cfg, self.scratch, self.sample = name, path, cfg, scratch, sample
        self.n = self.too_long = 0

    def __enter__(self) -> "Condition":
        with ExitStack() as stack:
            seed = seed_of(self.cfg["split"]["seed"], "ties", self.name)
            self._ranking = stack.enter_context(Ranking(self.scratch, seed=seed))
            # Unpacking a file again takes four times as long as reading its tokens
            files = (stack.enter_context(TemporaryFile(dir=self.scratch)) for _ in range(3))
            self._tokens, self._cells, self._parts = files
            self._read()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_) -> None:
        self._stack.close()

    def _read(self) -> None:
        """Tokens, expression and split of every line, each into its file."""
        cfg = self.cfg
        too_long = "refuse" if cfg["too_long"] == "refuse" else "cut"
        for lines in read_lines(self.path, DNA, cfg["length"], too_long=too_long):
            hashes = split_hash(lines.tokens, cfg["split"])
            part = parts_at(uniform(hashes), cfg["split"]["fractions"])
            self.sample.add(lines.tokens, hashes)
            part[lines.residues > cfg["length"]] = DROPPED
            self._ranking.add(lines.numbers)
            self._tokens.write(lines.tokens.data)
            self._parts.write(part.data)
            self.n += len(part)

    def tokens(self) -> Iterator[np.ndarray]:
        """Tokens (m, length) of all promoters, in blocks."""
        length = self.cfg["length"]
        self._tokens.seek(0)
        while len(tokens := np.fromfile(self._tokens, np.uint8, ROWS * length)):
            yield tokens.reshape(-1, length)

    def move(self, near: Together) -> None:
        """Where near copies belong, in the place of where each would by itself."""
        split, start = self.cfg["split"], 0
        for tokens in self.tokens():
            self._parts.seek(start)
            dropped = np.fromfile(self._parts, np.uint8, len(tokens)) == DROPPED
            part = parts_at(uniform(near(split_hash(tokens, split))), split["fractions"])
            part[dropped] = DROPPED
            self._parts.seek(start)
            self._parts.write(part.data)
            start += len(part)

    def rank(self) -> None:
        """Quantile and split of every line together, as one number, into a file; and how many there are of each."""
        quantiles, top = self.cfg["quantiles"], self.cfg["quantiles"] - self.cfg["top"]
        if self.n < quantiles:
            expected = f"one for each of {quantiles} quantiles"
            raise bad(self.path, f"{self.n} promoters", expected, "lower dataset.quantiles, or give larger files")
        count = np.zeros((quantiles, len(SPLITS) + 1), np.int64)
        self._parts.seek(0)
        for quantile in self._ranking.quantiles(quantiles):
            part = np.fromfile(self._parts, np.uint8, len(quantile))
            part[(quantile >= top) & (part != DROPPED)] = TEST
            cell = quantile.astype(np.uint16) * np.uint16(len(SPLITS) + 1) + part
            count += np.bincount(cell, minlength=count.size).reshape(count.shape)
            self._cells.write(cell.data)
        self._parts.close()
        self.sizes, self.too_long = count[:, :-1], int(count[:, -1].sum())

    def number(self, cells: np.ndarray, codes: list[int]) -> None:
        """Give the group numbers `codes` to the (quantile, split) of `cells` (c, 2); those of others are left out."""
        self._code = np.full((self.cfg["quantiles"], len(SPLITS) + 1), -1)
        self._code[tuple(cells.T)] = codes

    def rows(self) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Tokens (m, length), expression (m,) and group number (m,) of all promoters that are kept, in blocks."""
        code, length = self._code.ravel(), self.cfg["length"]
        self._tokens.seek(0)
        self._cells.seek(0)
        for numbers in self._ranking.values(ROWS):
            own = code[np.fromfile(self._cells, np.uint16, len(numbers))]
            tokens = np.fromfile(self._tokens, np.uint8, len(numbers) * length).reshape(-1, length)
            kept = np.flatnonzero(own >= 0)
            yield (tokens, numbers, own) if len(kept) == len(own) else (tokens[kept], numbers[kept], own[kept])
