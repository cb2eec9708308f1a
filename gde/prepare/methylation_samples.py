"""Samples of methylation reads: names and tissues of their files, and which of them are held out."""

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from gde.errors import bad
from gde.files.sniffing import read_text
from gde.prepare.common.split import check_fractions, split_units
from gde.readers.delimited import read_rows
from gde.readers.missing import first_missing, is_word
from gde.sets.random import seed_of
from gde.sets.store.layout import SPLITS

GEO = re.compile(r"(?P<gsm>GSM\d+)_(?P<tissue>.+)-Z(?P<id>[A-Za-z0-9]+)\.\w+\.(?:pat\.gz|pat|bam)")
ENDINGS = re.compile(r"(?:\.(?:hg\d+|mm\d+))?\.(?:pat\.gz|pat|bam)$")
WORD = re.compile(r"[-_ ]")
COLUMNS = ("file", "tissue")
NAMED = (*COLUMNS, "coarse")


@dataclass(frozen=True)
class Sample:
    """A file of reads: its name, the tissue in two steps of detail, and what else the table says of it."""

    path: Path
    name: str
    tissue: str
    coarse: str
    more: Mapping[str, str] = field(default_factory=dict)


def samples_of(files: Sequence[str], table: str | None, coarse: dict[str, str]) -> list[Sample]:
    """What each file is a sample of, sorted by name.

    GSM<n>_<tissue>-Z<id>.<genome>.pat.gz says its tissue, whose first word is the coarse one; other files are samples
    of their own tissue. table : CSV or TSV with the columns file, tissue and perhaps coarse, which says so instead;
    further ones, such as donor, are kept as they are.
    coarse : tissue -> coarse tissue, before both. GdeError for two files of one name, and a table that lacks a file.
    """
    told = read_table(table) if table else None
    out: dict[str, Sample] = {}
    for file in map(Path, files):
        match, name = GEO.fullmatch(file.name), ENDINGS.sub("", file.name)
        tissue, more = match["tissue"] if match else name, {}
        first = WORD.split(tissue)[0] or tissue
        if told is not None:
            if file.name not in told.index:
                remedy = "add a line for it, or take it out of dataset.files"
                raise bad(table, f"no line for {file.name}", "one for each of dataset.files", remedy)
            row = told.loc[file.name]
            tissue = row["tissue"]
            first = row["coarse"] if "coarse" in row else WORD.split(tissue)[0] or tissue
            more = {key: value.strip() for key, value in row.items() if key not in NAMED}
        if name in out:
            raise bad("dataset.files", f"{out[name].path} and {file}", "names that differ", "rename one of them")
        out[name] = Sample(file, name, tissue, coarse.get(tissue, first), more)
    if unknown := sorted(set(coarse) - {s.tissue for s in out.values()}):
        known = ", ".join(sorted({s.tissue for s in out.values()})[:20])
        raise bad("dataset.coarse", repr(unknown[0]), f"tissues of the files: {known}", "correct the name")
    return [out[name] for name in sorted(out)]


def read_table(path: str) -> pd.DataFrame:
    """The table of samples by file name, all text. GdeError for one without the columns, or with a file twice."""
    text = read_text(Path(path), "a table of samples (CSV or TSV)", "correct dataset.samples")
    delimiter = "\t" if "\t" in text.partition("\n")[0] else ","
    header, *rows = list(read_rows(io.StringIO(text, newline=""), delimiter, Path(path))) or [[]]
    if twice := [name for name in header if header.count(name) > 1]:
        raise bad(path, f"the column {twice[0]!r} twice", "distinct column names", "rename one")
    table = pd.DataFrame(rows, columns=header, dtype=str)
    if absent := [name for name in COLUMNS if name not in table]:
        found = f"the columns {', '.join(map(str, table.columns))}"
        raise bad(path, found, f"{', '.join(COLUMNS)} (and coarse)", f"add {absent[0]}")
    table = table.astype(str)
    table["file"] = [Path(name).name for name in table["file"]]
    for name in [*COLUMNS, *(["coarse"] if "coarse" in table else [])]:
        if odd := first_missing(table[name]):
            row, found, remedy = odd
            raise bad(f"{path}: row {row + 1}, column {name}", found, "a value in every row", remedy)
    if table["file"].duplicated().any():
        twice = table["file"][table["file"].duplicated()].iloc[0]
        raise bad(path, f"{twice} twice", "each file once", "remove one of the lines")
    return table.set_index("file")


def hold_out_by(samples: Sequence[Sample], split: dict, where: str) -> list[str]:
    """Split (train, validation or test) of each sample, for split.by = a column of the table `where`: samples of one
    value, such as a donor's, are in one. With validation: reads those that would validate train.

    GdeError for a column that is not there, a sample without a value, and fewer than three values.
    """
    by = split["by"]
    for sample in samples:
        if by not in sample.more:
            names = ", ".join(["file", "tissue", *sample.more])
            raise bad("dataset.split.by", repr(by), f"group, sample or a column of {where} ({names})", "correct it")
        if is_word(sample.more[by]):
            found = repr(sample.more[by]) if sample.more[by] else "an empty cell"
            expected = f"a value of {by} for every sample"
            raise bad(f"{where}: {sample.path.name}, column {by}", found, expected, "fill it in")
    place = split_units([s.more[by] for s in samples], split["fractions"], split["seed"], by)
    parts = [SPLITS[place[s.more[by]]] for s in samples]
    return ["train" if p == "validation" and split["validation"] == "reads" else p for p in parts]


def hold_out(samples: Sequence[Sample], split: dict) -> list[str]:
    """Split (train, validation or test) of each sample, for split.by = group.

    Of every tissue of two samples or more a share tests, at least one, and one or more trains; a single sample trains.
    Where samples validate, they are drawn from those tissues that have two left, to the share of all samples. GdeError
    where no sample tests, or none is left to validate.
    """
    check_fractions(split["fractions"])
    part, tissues = ["train"] * len(samples), sorted({s.tissue for s in samples})
    for tissue in tissues:
        own = [i for i, s in enumerate(samples) if s.tissue == tissue]
        order = np.random.default_rng(seed_of(split["seed"], "tissue", tissue)).permutation(len(own))
        tested = min(len(own) - 1, max(1, round(split["fractions"][2] * len(own))))
        for k in order[:tested]:
            part[own[k]] = "test"
    counts = f"{len(samples)} samples of {len(tissues)} tissues"
    if "test" not in part:
        expected, remedy = "two samples of one tissue or more", "set split: {by: sample} to split each sample's reads"
        raise bad("dataset.split", counts, expected, remedy)
    if split["validation"] == "reads":
        return part
    wanted = max(1, round(split["fractions"][1] * len(samples)))
    for i in np.random.default_rng(seed_of(split["seed"], "validation")).permutation(len(samples)):
        left = sum(p == "train" and s.tissue == samples[i].tissue for s, p in zip(samples, part, strict=True))
        if wanted and part[i] == "train" and left >= 2:
            part[i], wanted = "validation", wanted - 1
    if "validation" not in part:
        expected = "a tissue with a sample to validate on, besides one to train and one to test"
        raise bad("dataset.split", counts, expected, "set split: {validation: reads}, or {by: sample}")
    return part
