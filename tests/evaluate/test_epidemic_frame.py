"""Sequences in the numbering of a reference, and what its mutations are called."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from Bio import SeqIO
from epidemics import (
    ANCESTOR,
    LENGTH,
    NEW,
    PROTEIN,
    SITES,
    epidemic_store,
)

from gde.errors import GdeError
from gde.evaluate.epidemic.frame import GAP, Frame, frame_of, name_of, named, site_counts
from gde.evaluate.epidemic.sets import keys_of
from gde.evaluate.epidemic.wuhan import SPIKE
from gde.sets.store.set_store import SetStore
from gde.sets.store.token_writer import TokenStoreWriter

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return epidemic_store(tmp_path_factory.mktemp("epidemic") / "sets")


def frame():
    return Frame(ANCESTOR, PROTEIN)


def test_near_relatives_lie_side_by_side_and_others_are_aligned():
    x = np.pad(ANCESTOR, (0, LENGTH - SITES))[None].repeat(4, 0)
    x[1, 13] = NEW
    x[2] = np.pad(np.delete(ANCESTOR, [19, 20, 21]), (0, LENGTH - SITES + 3))  # a deletion
    x[3] = np.pad(np.insert(ANCESTOR, 40, [NEW, NEW]), (0, LENGTH - SITES - 2))  # an insertion
    made = frame()
    placed = made.place(x)
    assert made.aligned == 2
    np.testing.assert_array_equal(placed[0], ANCESTOR)
    assert np.flatnonzero(placed[1] != ANCESTOR).tolist() == [13] and placed[1, 13] == NEW
    gone = np.flatnonzero(placed[2] == GAP)
    assert len(gone) == 3 and (placed[2][placed[2] != GAP] == np.delete(ANCESTOR, gone)).all()
    np.testing.assert_array_equal(placed[3], ANCESTOR)
    made.place(x)
    assert made.aligned == 2  # each once


def test_a_cut_sequence_tells_nothing_of_what_is_missing():
    x = np.pad(ANCESTOR[5:50], (0, LENGTH - 45))[None]
    placed = frame().place(x)[0]
    assert (placed[:5] == PROTEIN.size).all() and (placed[50:] == PROTEIN.size).all()
    np.testing.assert_array_equal(placed[5:50], ANCESTOR[5:50])
    assert site_counts(frame(), placed[None])[:5].sum() == 0
    assert (frame().place(x, whole=True)[0, :5] == GAP).all()  # one that was generated so


def test_nothing_is_placed_of_a_sequence_of_other_letters():
    placed = frame().place(np.full((1, LENGTH), NEW, np.uint8))
    assert placed.shape == (1, SITES)


def test_the_reference_is_the_consensus_of_the_first_month_or_a_file(store, tmp_path):
    month = keys_of(store).month
    for reference in (None, "consensus"):  # these are no versions of the spike
        made = frame_of(store, reference, month)
        np.testing.assert_array_equal(made.reference, ANCESTOR)
        assert made.name == "the consensus of 2019-12"
    file = tmp_path / "reference.fasta"
    other = ANCESTOR.copy()
    other[0] = NEW
    file.write_text(">reference\n" + PROTEIN.decode(other[None])[0] + "*\n")
    np.testing.assert_array_equal(frame_of(store, str(file), month).reference, other)


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "found no sequence"),
        (b">a\n\n", "found no sequence"),
        (b">a\nMKJ1\n", "found a file that cannot be read"),
        (b"\x1f\x8b\x08\xff\xfe", "found"),
        (None, "found a file that cannot be read"),
    ],
    ids=["empty", "no tokens", "other tokens", "no text", "no file"],
)
def test_a_reference_that_is_none_is_named(store, tmp_path, content, message):
    file = tmp_path / "reference.fasta"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(GdeError, match=message) as caught:
        frame_of(store, str(file), keys_of(store).month)
    assert str(file) in str(caught.value)


def test_the_reference_that_comes_along_is_the_first_spike(store, excerpt):
    first = next(SeqIO.parse(excerpt("spike") / "spikeprot0430.fasta", "fasta"))
    assert "Wuhan/Hu-1" in first.id
    made = frame_of(store, str(ROOT / "resources/references/spike_wuhan_hu_1.fasta"), np.zeros(1))
    assert PROTEIN.decode(made.reference[None]) == [str(first.seq).rstrip("*")] == [SPIKE]
    assert name_of(made, *named(made, "D614G")) == "D614G"


def test_spikes_whose_first_month_has_g614_are_named_by_the_first_spike(tmp_path, caplog):
    """Data that begin in March 2020: G is the consensus at 614, and D614G is still called so."""
    caplog.set_level("INFO")
    spike = PROTEIN.encode(SPIKE)
    rows = np.tile(np.append(spike, np.zeros(7, np.uint8)), (12, 1))
    rows[:10, 613] = PROTEIN.encode("G")[0]
    groups = pd.DataFrame({"group": ["2020-03"], "split": ["train"], "month": ["2020-03"], "month_index": [3.0]})
    with TokenStoreWriter(tmp_path / "sets", alphabet="protein", length=1280, seed=0) as writer:
        writer.write(rows, 0)
        writer.finish(groups, {"kind": "virus", "data": "simulated", "labels": ["month"]})
    store, month = SetStore.open(tmp_path / "sets"), np.array([3.0])
    made = frame_of(store, None, month)
    assert made.name == "Wuhan-Hu-1" and "named by Wuhan-Hu-1, 1273 residues" in caplog.text
    counts = site_counts(made, made.place(rows))
    site, token = named(made, "D614G")
    assert counts[site, token] == 10 and name_of(made, site, token) == "D614G"
    other = frame_of(store, "consensus", month)
    assert named(other, "D614G") is None and "named by the consensus of 2020-03" in caplog.text


def test_names_of_mutations():
    made = frame()
    assert named(made, "D14G") == (13, NEW) and name_of(made, 13, NEW) == "D14G"
    assert named(made, "E14G") is None and named(made, "D614G") is None
    assert name_of(made, 13, GAP) == "D14-"
