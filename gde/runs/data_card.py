"""The data card: what the samples of an experiment are, where they came from, and how they were split."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gde.fetch.sources import Source, files_of
from gde.files.io import atomic_path
from gde.files.seals import SEAL_TEXT, seal
from gde.runs.card import ORIGIN, about, blocks
from gde.runs.document import Block, html
from gde.sets.store.set_store import SetStore

SPLITS = ("train", "validation", "test")
PLACES = ("group", "start", "stop", "split")  # columns of every store
HEAD = ("split", "groups", "samples", "smallest", "median", "largest")
VALUES = 8  # of a column, named with their groups; the most frequent ones


def data_blocks(name: str, dataset: dict[str, Any], store: SetStore) -> list[Block]:
    """The card, from the resolved section `dataset` and the set store made of it."""
    meta = store.meta
    out = [
        Block("h1", f"Data card: {name}"),
        Block("p", f"{ORIGIN[meta['data']].capitalize()}. Units: {meta.get('units', 'of the data')}."),
        *sources(files_of(dataset)),
        Block("h2", "Groups and samples"),
        Block("table", [HEAD, *splits(store)]),
    ]
    if meta.get("dropped_groups"):
        text = f"Left out as too small: {meta['dropped_groups']:,} groups with {meta['dropped_samples']:,} samples."
        out.append(Block("p", text))
    if columns := described(store):
        out += [
            Block("h2", "Columns of the groups"),
            Block("table", [("column", "values", "most frequent (groups)"), *columns]),
        ]
    return out


def sources(files: Sequence[Source]) -> list[Block]:
    """The published files: citation, licence and origin, each once."""
    lines = [f"{s.citation}. Licence: {s.licence or 'none known, see the origin'}. From {s.origin}." for s in files]
    return [Block("list", list(dict.fromkeys(lines)))] if lines else []


def splits(store: SetStore) -> list[tuple[str, ...]]:
    """A row for each split: how many groups and samples, and how many samples a group has."""
    rows = []
    for split in SPLITS:
        sizes = store.sizes[store.select(split=split)]
        if len(sizes):
            numbers = (len(sizes), sizes.sum(), sizes.min(), np.median(sizes), sizes.max())
            rows.append((split, *(f"{number:,.0f}" for number in numbers)))
    return rows


def described(store: SetStore) -> list[tuple[str, str, str]]:
    """A row for each label and covariate of the groups: how many values, and those of the most groups."""
    rows, groups = [], store.groups.drop_duplicates("group")  # split by sample, a group has a row in each split
    for column in groups.columns.difference(PLACES, sort=False):
        counts = groups[column].astype(str).value_counts(sort=False).sort_index()
        counts = counts.sort_values(ascending=False, kind="stable")
        frequent = ", ".join(f"{value} ({n:,})" for value, n in counts.head(VALUES).items())
        rows.append((column, f"{len(counts):,}", frequent + (", …" if len(counts) > VALUES else "")))
    return rows


def write_page(experiment: str, model_dir: Path, metrics_file: Path, sets: Path, out: Path, description: str) -> None:
    """Write the data card and the model card of an experiment as one page."""
    config, report = about(model_dir, metrics_file)
    cards = [*data_blocks(experiment, config["dataset"], SetStore.open(sets)), *blocks(config, report, description)]
    with atomic_path(out) as tmp:
        tmp.write_text(f"{html(f'{experiment}: data and model', cards)}<!-- {SEAL_TEXT} -->\n")
        seal(tmp)
