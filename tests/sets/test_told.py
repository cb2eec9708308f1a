"""What a store counted and left out is in the log of whoever writes it, of vectors and of tokens."""

import logging

import numpy as np
import pandas as pd
import pytest

from gde.sets.store.token_writer import TokenStoreWriter
from gde.sets.store.told import told
from gde.sets.store.writer import StoreWriter

LOST = {"dropped_groups": 12, "dropped_samples": 1033, "dropped": {f"g{i}": 3 for i in range(10)}}


@pytest.mark.parametrize(
    ("meta", "lines"),
    [
        ({}, []),
        ({"counted": {"citations": 172, "without_abstract": 131, "cut": 0}}, ["citations 172, without abstract 131"]),
        ({"counted": {"SD_Ura": {"rows": 9, "too_long": 2}}}, ["SD_Ura rows 9, SD_Ura too long 2"]),
        ({"cells": {"total": 206, "without_clone": 98}}, ["cells total 206, cells without clone 98"]),
        ({"gene_duplicates": {"K562": ["A", "B"], "RPE1": []}}, ["gene duplicates K562 2"]),
        ({"repeated_rows": 3, "quantiles": 10}, ["repeated rows 3"]),
        ({"dropped_groups": 0, "dropped_samples": 0, "dropped": {}}, []),
        ({"dropped_groups": 2, "dropped_samples": 5}, ["left out as too small: groups 2, samples 5"]),
        (LOST, ["left out as too small: groups 12, samples 1,033: "
                + ", ".join(f"g{i} (3)" for i in range(8)) + ", …"]),
    ],
)  # fmt: skip
def test_counts_that_are_not_zero(meta, lines):
    assert told(meta) == lines


def vectors(path, meta):
    groups = pd.DataFrame({"group": ["a"], "split": ["train"], "size": [2]})
    with StoreWriter(path, groups=groups, sample_shape=(1,), seed=0) as writer:
        writer.write(np.zeros((2, 1)), 0)
        writer.finish(meta)


def tokens(path, meta):
    groups = pd.DataFrame({"group": ["a"], "split": ["train"]})
    with TokenStoreWriter(path, alphabet="dna", length=2, seed=0) as writer:
        writer.write(np.ones((2, 2), np.uint8), 0)
        writer.finish(groups, meta)


@pytest.mark.parametrize("writer", [vectors, tokens])
def test_every_writer_tells(tmp_path, caplog, writer):
    with caplog.at_level(logging.INFO):
        writer(tmp_path / "s", {"name": "mine", "kind": "test", "counted": {"too_long": 7}} | LOST)
    said = [record.getMessage() for record in caplog.records]
    assert "mine: too long 7" in said and any(line.startswith("mine: left out as too small") for line in said)
