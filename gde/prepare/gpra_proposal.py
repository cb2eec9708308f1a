"""The experiment that `gde init` writes for promoters with their expression: lines of a sequence, a tab, a number."""

import gzip
import os
import re
from itertools import islice
from pathlib import Path

from gde.files.sniffing import kind_of
from gde.prepare.common.proposal import Given, Proposal, Setting, conditions_of
from gde.prepare.common.query_kind import columns_among, no_options

LINE = re.compile(rb"([ACGTNacgtn]+)\t[-+0-9.eE]+\r?\n?")
LOOKED_AT = 200_000  # lines whose residues are counted
ROOM, MOST = 1.25, 100  # of length, for longer promoters behind these lines; quantiles
EACH = 100  # promoters of a quantile, at least
TOP = 20  # of as many quantiles one is held out whole


def propose(given: Given) -> Proposal | None:
    """Settings for files of such lines, a condition each; None for others."""
    if not all(is_promoters(file) for file in given.files):
        return None
    no_options(given.options(), "promoters", but=("groupby",))
    columns_among(given.groupby, ["quantile"], "a file of promoters, grouped by expression")
    counts = [looked_at(file) for file in given.files]
    longest, fewest = max(n for n, _ in counts), min(n for _, n in counts)
    whole = max(n for _, n in counts) < LOOKED_AT
    quantiles = max(4, min(MOST, fewest // EACH))
    told = f"the longest has {longest}{'' if whole else f' among the first {LOOKED_AT:,}'}"
    return Proposal(
        f"Promoters of {len(given.files)} condition{'s'[: len(given.files) > 1]}; a set is a quantile of expression",
        [
            Setting("files", {c: str(file) for c, file in conditions_of(given.files).items()}, "condition: file"),
            Setting("length", longest if whole else min(4096, round(longest * ROOM)), f"residues at most; {told}"),
            Setting("quantiles", quantiles, "of expression, in each condition by itself; a group each"),
            Setting("top", min(5, quantiles // TOP), "highest quantiles that are held out whole"),
            Setting("split", {"identity": 0.9}, "sequences that agree at this share share a split; null: equal ones"),
        ],
    )


def opener(path: Path):
    return gzip.open if path.suffix == ".gz" else open


def is_promoters(path: Path) -> bool:
    """Whether a file of text, plain or gzip as its name says, begins with such a line."""
    kind = "a gzip file" if path.suffix == ".gz" else "text"
    if not os.path.isfile(path) or kind_of(path) != kind:
        return False
    with opener(path)(path, "rb") as f:
        return LINE.fullmatch(f.readline(1 << 16)) is not None


def looked_at(path: Path) -> tuple[int, int]:
    """Residues of the longest of the first lines, and how many lines these are."""
    with opener(path)(path, "rb") as f:
        lengths = [line.find(b"\t") for line in islice(f, LOOKED_AT)]
    return max(lengths), len(lengths)
