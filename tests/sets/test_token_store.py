"""Stores of sequences: what is written comes back, in a fair order, in memory that does not grow, or is refused."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare, kstest
from tokens import numbered, numbers, sequences, store_of

from gde.errors import GdeError
from gde.files.io import write_sums
from gde.sets.store import external_sort
from gde.sets.store.ragged import padded
from gde.sets.store.set_store import SetStore
from gde.sets.store.token_writer import TokenStoreWriter
from gde.sets.types.alphabet import lengths

ROOT = Path(__file__).parents[2]
PROPERTY = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@given(
    sizes=st.lists(st.integers(1, 40), min_size=1, max_size=8),
    seed=st.integers(0, 999),
    chunk=st.integers(1, 90),
    length=st.integers(1, 30),
    at_once=st.integers(1, 60),
)
@PROPERTY
def test_every_sequence_comes_back_once_in_its_group(tmp_path, monkeypatch, sizes, seed, chunk, length, at_once):
    """With its numbers, whatever the chunks of writing and the records that memory holds."""
    code = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(sizes)), sizes))
    x, number = sequences(len(code), length, seed), np.arange(len(code))
    monkeypatch.setattr(external_sort, "BYTES", at_once * 30)
    store = store_of(x, code, tmp_path / "s", seed=seed, chunk=chunk, number=number, weight=number + 1)
    assert store.sizes.tolist() == sizes
    assert store.alphabet.name == "dna"
    assert len(store.x) == np.count_nonzero(x)
    at = store.field("number").astype(int)
    assert sorted(at) == list(number)
    assert np.array_equal(store.fields["weight"], at + 1)
    for g in range(len(sizes)):
        here = at[store.starts[g] : store.starts[g] + store.sizes[g]]
        assert (code[here] == g).all()
        assert np.array_equal(store.read(g), x[here])
        assert np.array_equal(store.read_weights(g), here + 1)
        assert np.array_equal(store.read(g, slice(1, 3)), x[here][1:3])
        assert np.array_equal(store.read_weights(g, slice(1, 3)), here[1:3] + 1)
    rows = np.random.default_rng(0).integers(-1, len(x), (3, 7))
    tokens, mask = store.gather(rows)
    assert tokens.dtype == torch.uint8
    assert np.array_equal(tokens.numpy(), np.where((rows >= 0)[..., None], x[at[rows]], 0))
    assert np.array_equal(store.weights(rows).numpy(), np.where(rows >= 0, at[rows] + 1, 0))
    assert (mask is None) == (rows >= 0).all()
    if mask is not None:
        assert np.array_equal(mask.numpy(), rows >= 0)


@pytest.mark.parametrize("at_once", [10**9, 2000, 300], ids=["in memory", "few files", "many files"])
def test_bytes_follow_from_seed_and_content_alone(tmp_path, monkeypatch, at_once):
    """Not from the chunks of writing, nor from the memory there is."""
    x, code = sequences(200, 9), np.random.default_rng(0).integers(0, 5, 200)
    whole = store_of(x, code, tmp_path / "whole", seed=3)
    monkeypatch.setattr(external_sort, "BYTES", at_once)
    assert store_of(x, code, tmp_path / "chunks", seed=3, chunk=7).digest == whole.digest
    other = store_of(x, code, tmp_path / "other", seed=4)
    assert other.digest != whole.digest
    for g in range(5):
        assert sorted(map(bytes, other.read(g))) == sorted(map(bytes, whole.read(g)))


@pytest.mark.parametrize("at_once", [10**9, 60_000], ids=["in memory", "in many files"])
def test_every_contiguous_piece_is_a_fair_sample(tmp_path, monkeypatch, at_once):
    """The place of a sequence says nothing of when it arrived: uniform over places, pieces and neighbours."""
    monkeypatch.setattr(external_sort, "BYTES", at_once)
    n = 16_384
    code = np.zeros(n, int)
    code[n // 2 :] = 1
    x = numbered(n)
    store = store_of(x, code, tmp_path / "s", seed=1)
    for g in range(2):
        arrived = numbers(store.read(g)) - g * n // 2
        assert sorted(arrived) == list(range(n // 2))
        for piece in np.split(arrived, 16):  # of each piece, which sixteenth of the input its sequences are from
            assert chisquare(np.bincount(piece // 512, minlength=16)).pvalue > 1e-5
        place = np.argsort(arrived)
        assert kstest(place[:500] / (n // 2), "uniform").pvalue > 1e-5
        assert abs(np.corrcoef(place[:-1], place[1:])[0, 1]) < 0.06  # sd 1 / sqrt(8192) = .011


def test_the_order_of_groups_is_that_of_the_table(tmp_path):
    groups = pd.DataFrame({"group": ["b", "a", "b"], "split": ["train", "test", "test"], "tissue": ["x", "y", "x"]})
    with TokenStoreWriter(tmp_path / "s", length=8, seed=0) as writer:
        writer.write(numbered(6), np.array([2, 0, 1, 2, 0, 0]))
        writer.finish(
            groups, {"kind": "test"}, truth={"p": torch.arange(3.0)}, tables={"more": pd.DataFrame({"v": [1]})}
        )
    store = SetStore.open(tmp_path / "s")
    assert store.groups[["group", "split", "tissue"]].to_numpy().tolist() == groups.to_numpy().tolist()
    assert store.sizes.tolist() == [3, 1, 2]
    assert sorted(numbers(store.read(2))) == [0, 3]
    assert store.truth["p"].tolist() == [0, 1, 2]
    assert store.table("more")["v"].tolist() == [1]
    assert store.meta["sample_shape"] == [8]
    assert not (tmp_path / "s" / "spool").exists()


def test_memory_does_not_grow_with_the_sequences(tmp_path):
    """Peak memory of writing and reading 50,000 and 600,000 sequences of 100 tokens, in processes of their own."""
    code = """
import resource, sys, numpy as np, pandas as pd
from gde.sets.store import external_sort
from gde.sets.store.set_store import SetStore
from gde.sets.store.token_writer import TokenStoreWriter
external_sort.BYTES = 1 << 22
n, path = int(sys.argv[1]), sys.argv[2]
rng, x = np.random.default_rng(0), np.random.default_rng(0).integers(1, 5, (10_000, 100)).astype(np.uint8)
def anonymous():
    return max(int(line.split()[1]) for line in open('/proc/self/status') if line.startswith('RssAnon')) / 1024
before = anonymous()
with TokenStoreWriter(path, length=100, seed=0, fields={"expression": "float32"}) as writer:
    for _ in range(n // len(x)):
        writer.write(x, rng.integers(0, 50, len(x)), expression=rng.random(len(x)))
    writer.finish(pd.DataFrame({"group": [f"g{i}" for i in range(50)], "split": "train"}), {})
wrote = anonymous()
store = SetStore.open(path)
for g in range(50):
    store.read(g, slice(0, 1000))
print(wrote - before, anonymous() - wrote, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""
    found = []
    for n in (50_000, 600_000):
        command = [sys.executable, "-c", code, str(n), str(tmp_path / str(n))]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=200, check=True)
        found.append([float(v) for v in done.stdout.split()])
    assert (tmp_path / "600000" / "x.npy").stat().st_size > 59e6
    for small, large in zip(*found, strict=True):
        assert large < small + 25, found  # MB; 55 MB more of tokens


# Reading


def test_windows_at_the_very_end_are_padded():
    residues = np.array([1, 2, 3, 4, 5], np.uint8)
    starts, stops = np.array([0, 3, 4, 2]), np.array([2, 5, 5, 5])
    for length in (3, 4, 5, 9):
        expected = [[*residues[a:b], *[0] * (length - (b - a))] for a, b in zip(starts, stops, strict=True)]
        assert padded(residues, starts, stops, length).tolist() == expected


def test_sets_are_drawn_without_repetition_as_tokens(tmp_path):
    store = store_of(numbered(90), np.repeat([0, 1], [80, 10]), tmp_path / "s", weight=np.arange(90) + 1.0)
    batch = store.draw(np.array([0, 1, 0]), 20, np.random.default_rng(0))
    assert batch.x.dtype == torch.uint8
    assert batch.mask.sum(1).tolist() == [20, 10, 20]
    for x, mask, weight in zip(batch.x, batch.mask, batch.weight, strict=True):
        number = numbers(x[mask].numpy())
        assert len(set(number)) == len(number)
        assert np.array_equal(weight[mask].numpy(), number + 1)
        assert not weight[~mask].any()


def test_unknown_fields_are_refused(tmp_path):
    store = store_of(numbered(4), np.zeros(4, int), tmp_path / "s", expression=np.ones(4))
    with pytest.raises(GdeError, match="no field 'expresion', expected one of expression; did you mean 'expression'"):
        store.field("expresion")
    assert store.read_weights(0) is None and store.weights(np.zeros((1, 1), int)) is None


# What is refused


def _write(path, x=None, code=None, groups=None, finish=None, **fields):
    x = numbered(4) if x is None else x
    groups = pd.DataFrame({"group": ["a", "b"], "split": "train"}) if groups is None else groups
    with TokenStoreWriter(path, length=8, seed=0, fields=dict.fromkeys(fields, "float32")) as writer:
        writer.write(numbered(2), np.array([0, 1]), **{k: np.ones(2) for k in fields})
        writer.write(x, np.array([0, 1, 0, 1]) if code is None else code, **fields)
        writer.finish(groups, {}, **(finish or {}))


def _changed(at, value):
    x = numbered(4)
    x[at] = value
    return {"x": x}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_changed((2, 3), 6), r"sequence 5: found token 6 at position 4, expected 0\.\.5 for ACGTN"),
        (_changed(1, 0), "sequence 4: found no tokens, expected one or more"),
        (_changed((3, 2), 0), "sequence 6: found a token at position 4, behind the end, expected zeros"),
        ({"x": numbered(4, 7)}, r"found tokens \(4, 7\) of type uint8, expected \(sequences, 8\)"),
        ({"x": numbered(4).astype(int)}, "of type int64"),
        ({"code": np.array([0, -1, 0, 1])}, "group number -1, expected 0 or more"),
        ({"code": np.array([0, 5, 0, 1])}, r"group number 5, expected 0\.\.1, the rows of groups"),
        ({"weight": np.array([1, 0, 1, 1])}, "sequence 4: found weight 0, expected a float32 above 0"),
        ({"weight": np.array([1, 1, np.nan, 1])}, "sequence 5: found weight nan"),
        ({"expression": np.array([1, np.inf, 1, 1])}, "sequence 4: found expression inf, expected a finite float32"),
        ({"groups": pd.DataFrame({"group": list("abc"), "split": "train"})}, "found group 'c' without samples"),
        ({"groups": pd.DataFrame({"group": list("aa"), "split": "train"})}, "group 'a' twice in split 'train'"),
        ({"groups": pd.DataFrame({"group": list("ab"), "split": "tran"})}, "split 'tran'"),
        ({"groups": pd.DataFrame({"group": list("ab"), "split": "test", "size": 3})}, "a label column 'size'"),
        ({"finish": {"truth": {"p": torch.zeros(3)}}}, "truth 'p' for 3 groups"),
    ],
)
def test_what_cannot_be_is_refused_and_leaves_nothing(tmp_path, change, message):
    with pytest.raises(GdeError, match=message):
        _write(tmp_path / "s", **change)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"alphabet": "rna"}, "alphabet 'rna', expected one of dna"),
        ({"fields": {"offsets": "int64"}}, "field 'offsets'"),
        ({"fields": {"a b": "int64"}}, "field 'a b'"),
        ({"fields": {"name": "U8"}}, "field 'name' of type <U8"),
    ],
)
def test_impossible_writers_are_refused(tmp_path, options, message):
    with pytest.raises(GdeError, match=message):
        TokenStoreWriter(tmp_path / "s", length=8, seed=0, **options)


def test_fields_must_be_those_announced(tmp_path):
    with (
        pytest.raises(GdeError, match="found fields none, expected weight"),
        TokenStoreWriter(tmp_path / "s", length=8, seed=0, fields={"weight": "float32"}) as writer,
    ):
        writer.write(numbered(2), 0)
    with pytest.raises(RuntimeError, match="without finish"), TokenStoreWriter(tmp_path / "s", length=8, seed=0):
        pass
    assert list(tmp_path.iterdir()) == []


def _array(name, change):
    def edit(path):
        values = np.load(path / f"{name}.npy")
        np.save(path / f"{name}.npy", change(values))

    return edit


def _meta(**change):
    def edit(path):
        meta = json.loads((path / "meta.json").read_text()) | change
        (path / "meta.json").write_text(json.dumps(meta))

    return edit


def _put(values, at, value):
    values[at] = value
    return values


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (_array("offsets", lambda v: _put(v, 2, v[1])), "offsets.npy: found 0 tokens in sequence 2, expected 1 to 8"),
        (_array("offsets", lambda v: _put(v, 2, v[1] - 1)), "offsets.npy: found -1 tokens in sequence 2"),
        (_array("offsets", lambda v: _put(v, 1, v[2] - 1)), "found 15 tokens in sequence 1, expected 1 to 8"),
        (
            _array("offsets", lambda v: _put(v, -1, v[-1] + 8)),
            "offsets.npy: found from 0 to 56, expected from 0 to 48",
        ),
        (_array("offsets", lambda v: _put(v, 0, 1)), "offsets.npy: found from 1 to 48"),
        (_array("offsets", lambda v: v[:-1]), "offsets.npy: found 6 rows, expected 7 as in groups.parquet"),
        (_array("offsets", lambda v: v.astype(float)), "offsets.npy: found an array .* of type float64"),
        (lambda path: (path / "offsets.npy").unlink(), "offsets.npy: found no such file"),
        (_array("x", lambda v: _put(v, 5, 9)), r"x.npy: found token 9, expected 1 to 5: ACGTN"),
        (_array("x", lambda v: _put(v, 5, 0)), "x.npy: found token 0"),
        (_array("x", lambda v: v.astype(np.int16)), "x.npy: found an array .* of type int16"),
        (_array("x", lambda v: v.reshape(-1, 8)), r"x.npy: found an array \(6, 8\)"),
        (_array("weight", lambda v: v[:-1]), "weight.npy: found 5 rows, expected 6"),
        (_array("weight", lambda v: _put(v, 0, -1)), "weight.npy: found a number that is not above 0"),
        (_array("weight", lambda v: _put(v, 0, np.nan)), "weight.npy: found a number that is not above 0"),
        (_meta(alphabet="rna"), "meta.json: alphabet: found 'rna'"),
        (_meta(alphabet=["dna"]), "meta.json: alphabet: found"),
        (_meta(sample_shape=[4, 2]), "meta.json: alphabet: found 'dna' for samples of"),
    ],
)
def test_damaged_stores_are_refused(tmp_path, edit, message):
    """With digests that fit: only what the files say of each other tells."""
    path = tmp_path / "s"
    store_of(numbered(6), np.array([0, 0, 0, 0, 1, 1]), path, weight=np.ones(6))
    edit(path)
    (path / "SHA256SUMS").unlink()
    write_sums(path)
    with pytest.raises(GdeError, match=message):
        SetStore.open(path)


def test_lengths_are_counted_to_the_first_zero():
    x = sequences(50, 12, seed=3)
    assert np.array_equal(lengths(x), (x != 0).sum(1))
