"""Reporter assays, donors and Cell Ranger's matrices as people have them: `test_fuzz_silent` for kinds of their own."""

import random
import sys
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from content import made_content, write_as_it_stands
from fuzz import SEED, UNKNOWN, VALID, Case, Tally

from gde.config.datasets import DATASETS
from gde.prepare import prepare_of

sys.path.insert(0, str(Path(__file__).parents[1] / "prepare"))
from test_mpra import barcodes, elements  # tables of known content
from test_tenx import BARCODES, h5_v3

pytestmark = [pytest.mark.usefixtures("no_fsync"), pytest.mark.filterwarnings("ignore")]

MISSING = ["nan", "NA", "None", "<NA>", "", "null", "n/a"]
QUOTES = ['"open', 'close"', 'a 5" plate', '""', '"a"b']
COUNTERS = ["Unnamed: 0", "index", "", "row"]


def made(config: dict, here: Path):
    return made_content(prepare_of(config["kind"]), config, here)


def settings(**dataset) -> dict:
    return DATASETS[dataset["kind"]].model_validate(dataset).model_dump()


def mpra_bins(path: Path) -> tuple[dict, pd.DataFrame, str]:
    return settings(kind="mpra_bins", path=str(path), length=30, bins=6), elements(60), "mean_value"


def mpra_barcodes(path: Path) -> tuple[dict, pd.DataFrame, str]:
    columns = {"dna": ["dna_count_1", "dna_count_2"], "rna": ["rna_count_1", "rna_count_2"]}
    config = settings(kind="mpra_barcodes", path=str(path), columns=columns, min_size=5, scale=False)
    return config, barcodes(12, 12)[0], "oligo_name"


@pytest.mark.parametrize("assay", [mpra_bins, mpra_barcodes])
def test_reporter_assays(here, record_property, assay):
    """Missing are activities of elements, and the names of elements."""
    rng, tally, path = random.Random(f"{SEED} {assay.__name__}"), Tally(), here / "assay.tsv"
    config, frame, column = assay(path)
    frame = frame.reset_index(drop=True)

    def write(table: pd.DataFrame, note: list[str] | None = None) -> None:
        if note is None:
            table.to_csv(path, sep="\t", index=False)
        else:
            write_as_it_stands(table.assign(note=note), path)

    def add(what: str, effect: str, expected) -> None:
        tally.add(Case(f"{assay.__name__}: {what}", effect, lambda: made(config, here), "", expected), here)

    write(frame)
    plain = made(config, here)
    for i in range(10):
        write(frame.sample(frac=1, random_state=rng.randrange(10**6)))
        add(f"rows in another order, {i}", VALID, plain)
    for i in range(20):
        where, word = rng.sample(range(len(frame)), rng.randrange(1, 9)), rng.choice(MISSING)
        write(frame.drop(index=where))
        without = made(config, here)
        gaps = frame.astype({column: object})
        gaps.loc[where, column] = word
        write(gaps)
        add(f"{len(where)} times {word!r} as {column}, {i}", UNKNOWN, without)
    for i in range(15):
        note = ["x"] * len(frame)
        for at in rng.sample(range(len(frame)), 2):
            note[at] = rng.choice(QUOTES)
        write(frame, note)
        add(f"stray quotes {[n for n in note if n != 'x']}, {i}", UNKNOWN, plain)
    for i in range(10):
        counted = frame.copy()
        counted.insert(0, rng.choice(COUNTERS), np.arange(len(frame)))
        write(counted.sample(frac=1, random_state=rng.randrange(10**6)))
        add(f"rows counted, {i}", UNKNOWN, plain)
    tally.check(record_property, 55)


def test_donors(here, record_property, monkeypatch):
    from simulators.donors import simulate_donors

    rng, tally, path = random.Random(f"{SEED} donors"), Tally(), here / "donors.h5ad"
    simulate_donors(path, seed=1)
    adata = ad.read_h5ad(path)
    steps = {"n_hvg": None, "n_pcs": None}
    columns = {"labels": ["disease"], "batch": "batch", "cell_type": "cell_type"}
    config = settings(kind="donors", path=str(path), **columns, **steps)

    def add(what: str, effect: str, expected) -> None:
        tally.add(Case(f"donors: {what}", effect, lambda: made(config, here), "", expected), here)

    plain = made(config, here)
    for i in range(8):
        monkeypatch.setattr("gde.readers.anndata.CHUNK", rng.choice([3, 50, 4096]))
        changed = adata[rng.sample(range(adata.n_obs), adata.n_obs)].copy()
        changed.X = rng.choice([sp.csr_matrix, sp.csc_matrix])(changed.X)
        changed.write_h5ad(path)
        add(f"cells in another order, {i}", VALID, plain)
    monkeypatch.undo()
    for i in range(20):
        column, word = rng.choice(["donor_id", "disease", "batch"]), rng.choice(MISSING)
        first = str(adata.obs[column].iloc[0])
        donor = rng.choice(sorted(set(adata.obs["donor_id"].astype(str))))
        of_donor = np.flatnonzero(adata.obs["donor_id"].astype(str) == donor)
        where = of_donor if column != "donor_id" else np.array(rng.sample(range(adata.n_obs), 40))
        adata[np.setdiff1d(np.arange(adata.n_obs), where)].write_h5ad(path)
        without = made(config, here)
        gaps = adata.copy()
        values = gaps.obs[column].astype(str).astype(object).to_numpy()
        values[where] = word
        gaps.obs[column] = values
        gaps.write_h5ad(path)
        add(f"{column} {word!r} in {len(where)} cells (else {first}), {i}", UNKNOWN, without)
    tally.check(record_property, 28)


def test_cell_ranger(here, record_property):
    rng, tally = random.Random(f"{SEED} tenx"), Tally()
    counts = np.random.default_rng(0).poisson(3, (90, 34))
    matrix, path = h5_v3(here / "m.h5", counts), here / "cells.tsv"
    frame = pd.DataFrame({"barcode": BARCODES, "donor": [f"D{i % 9}" for i in range(90)], "sex": "F"})
    steps = {"n_hvg": None, "scale": False, "n_pcs": None}
    config = settings(kind="tenx", path=str(matrix), barcodes=str(path), groupby=["donor"], min_size=2, **steps)

    def add(what: str, effect: str, expected) -> None:
        tally.add(Case(f"tenx: {what}", effect, lambda: made(config, here), "", expected), here)

    def write(table: pd.DataFrame) -> None:
        table.to_csv(path, sep="\t", index=False)

    write(frame)
    plain = made(config, here)
    for i in range(10):
        counted = frame.copy()
        counted.insert(rng.randrange(3), rng.choice(COUNTERS), np.arange(len(frame)))
        write(counted.sample(frac=1, random_state=rng.randrange(10**6)))
        add(f"rows counted, in another order, {i}", UNKNOWN, plain)
    for i in range(20):
        where, word = rng.sample(range(len(frame)), rng.randrange(1, 20)), rng.choice(MISSING)
        write(frame.drop(index=where))
        without = made(config, here)
        gaps = frame.copy()
        gaps.loc[where, "donor"] = word
        write(gaps)
        add(f"{len(where)} donors {word!r}, {i}", UNKNOWN, without)
    for i in range(15):
        note = ["x"] * len(frame)
        for at in rng.sample(range(len(frame)), 2):
            note[at] = rng.choice(QUOTES)
        write_as_it_stands(frame.assign(note=note), path)
        add(f"stray quotes {[n for n in note if n != 'x']}, {i}", UNKNOWN, plain)
    tally.check(record_property, 45)
