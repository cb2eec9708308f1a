import errno
import json
import os
import shutil

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gde.errors import GdeError
from gde.files.io import SUMS, write_sums
from gde.sets.store.set_store import SetStore
from gde.sets.store.writer import StoreWriter

PROPERTY = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
TABLE = pd.DataFrame(
    {"group": ["a", "b", "a"], "split": ["train", "train", "test"], "size": [3, 5, 4], "tissue": ["x", "y", "x"]}
)


def write(path, groups=TABLE, rows=None, code=None, meta=None, **finish):
    rng = np.random.default_rng(0)
    code = np.repeat(np.arange(len(groups)), groups["size"]) if code is None else code
    rows = rng.normal(size=(len(code), 2)) if rows is None else rows
    with StoreWriter(path, groups=groups, sample_shape=(2,), seed=0) as writer:
        writer.write(rows, code)
        writer.finish(meta or {"kind": "test"}, **finish)
    return rows.astype(np.float32)


@given(sizes=st.lists(st.integers(1, 40), min_size=1, max_size=8), seed=st.integers(0, 999), chunk=st.integers(1, 90))
@PROPERTY
def test_every_row_comes_back_exactly_once_in_its_group(tmp_path, sizes, seed, chunk):
    rng = np.random.default_rng(seed)
    code = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    rows = np.arange(2.0 * len(code)).reshape(-1, 2)
    groups = pd.DataFrame({"group": [f"g{i}" for i in range(len(sizes))], "split": "train", "size": sizes})
    with StoreWriter(tmp_path / "s", groups=groups, sample_shape=(2,), seed=seed) as writer:
        for i in range(0, len(code), chunk):
            writer.write(rows[i : i + chunk], code[i : i + chunk])
        writer.finish({})
    store = SetStore.open(tmp_path / "s")
    assert store.sizes.tolist() == sizes
    for g in range(len(sizes)):
        assert sorted(store.read(g)[:, 0]) == sorted(rows[code == g, 0])
        assert np.array_equal(store.read(g)[:, 1], store.read(g)[:, 0] + 1)


def test_the_chunks_of_writing_do_not_change_the_bytes(tmp_path):
    rows, code = np.random.default_rng(0).normal(size=(12, 2)), np.array([0, 2, 1, 1, 0, 2, 2, 1, 1, 2, 0, 1])
    digests = []
    for chunk in (1, 5, 12):
        with StoreWriter(tmp_path / str(chunk), groups=TABLE, sample_shape=(2,), seed=4) as writer:
            for i in range(0, 12, chunk):
                writer.write(rows[i : i + chunk], code[i : i + chunk])
            writer.finish({"kind": "test"})
        digests.append(SetStore.open(tmp_path / str(chunk)).digest)
    assert len(set(digests)) == 1


def test_rows_lie_in_a_seeded_random_order(make_store):
    a, b, c = (make_store([500], name=n, seed=s) for n, s in [("a", 0), ("b", 0), ("c", 1)])
    assert np.array_equal(a.x, b.x)
    assert a.digest == b.digest
    assert not np.array_equal(a.x, c.x)
    order = a.x[:, 1]
    assert abs(np.corrcoef(order, np.arange(500))[0, 1]) < 0.15


def test_labels_meta_truth_and_features_come_back(tmp_path):
    class Features:
        def save(self, directory):
            (directory / "features.json").write_text("{}")

    truth = {"mean": torch.randn(3, 2), "weight": torch.rand(3)}
    rows = write(tmp_path / "s", truth=truth, features=Features(), meta={"kind": "test", "units": "log CP10k"})
    store = SetStore.open(tmp_path / "s")
    assert list(store.groups.columns) == ["group", "start", "stop", "split", "tissue"]
    assert list(store.groups.index) == [0, 1, 2]
    assert store.groups["stop"].tolist() == [3, 8, 12]
    assert store.meta["units"] == "log CP10k"
    assert (store.meta["dim"], store.meta["sample_shape"]) == (2, [2])
    assert all(torch.equal(store.truth[k], v) for k, v in truth.items())
    assert (tmp_path / "s" / "features" / "features.json").is_file()
    train = rows[:8].astype(np.float64)
    assert np.allclose(store.meta["mean"], train.mean(0))
    assert np.allclose(store.meta["scale"], train.std(0))
    assert set(store.fields) == {"x"}
    assert not store.x.flags.writeable
    assert sorted(p.name for p in tmp_path.iterdir()) == ["s"]


def test_given_moments_are_kept_and_a_constant_feature_has_scale_one(tmp_path):
    write(tmp_path / "a", meta={"mean": [1.0, 2.0], "scale": [3.0, 4.0]})
    assert SetStore.open(tmp_path / "a").meta["scale"] == [3.0, 4.0]
    write(tmp_path / "b", rows=np.ones((12, 2)))
    assert SetStore.open(tmp_path / "b").meta["scale"] == [1.0, 1.0]


def test_select_by_split_and_columns(tmp_path):
    write(tmp_path / "s")
    store = SetStore.open(tmp_path / "s")
    assert store.select().tolist() == [0, 1, 2]
    assert store.select("train").tolist() == [0, 1]
    assert store.select(tissue="x").tolist() == [0, 2]
    assert store.select("test", tissue=["x", "y"]).tolist() == [2]
    with pytest.raises(GdeError, match=r"no column 'tisue'.*did you mean 'tissue'\?"):
        store.select(tisue="x")


def test_a_store_without_truth_says_so(tmp_path):
    write(tmp_path / "s")
    with pytest.raises(GdeError, match=r"truth\.safetensors: found no such file"):
        _ = SetStore.open(tmp_path / "s").truth


@given(
    sizes=st.lists(st.integers(1, 60), min_size=1, max_size=6),
    n=st.integers(1, 70),
    picks=st.lists(st.integers(0, 99), min_size=1, max_size=9),
    seed=st.integers(0, 999),
)
@PROPERTY
def test_draw_never_repeats_a_row_and_masks_what_is_missing(make_store, sizes, n, picks, seed):
    store = make_store(sizes)
    groups = np.array(picks) % len(sizes)
    batch = store.draw(groups, n, np.random.default_rng(seed))
    assert batch.x.shape == (len(groups), n, 3)
    assert batch.x.dtype == torch.float32
    assert batch.group.tolist() == groups.tolist()
    for x, mask, g in zip(batch.x, batch.mask, groups, strict=True):
        assert int(mask.sum()) == min(n, sizes[g])
        assert (x[mask][:, 0] == g).all()
        assert len(x[mask][:, 1].unique()) == int(mask.sum())
        assert torch.equal(x[mask][:, 2], x[mask][:, 1] / 2)
        assert (x[~mask] == 0).all()


def test_draw_is_a_function_of_the_generator(make_store):
    store = make_store([30, 400])
    groups = np.array([0, 1, 1])
    a, b, c = (store.draw(groups, 20, np.random.default_rng(s)).x for s in (0, 0, 1))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)


def test_half_precision_and_integers_are_read_as_float32(tmp_path):
    for dtype in ("float16", "uint8"):
        with StoreWriter(tmp_path / dtype, groups=TABLE, sample_shape=(2, 2), dtype=dtype, seed=0) as writer:
            writer.write(np.full((12, 2, 2), 7.0), np.repeat([0, 1, 2], [3, 5, 4]))
            writer.finish({})
        store = SetStore.open(tmp_path / dtype)
        assert store.x.dtype == dtype
        batch = store.draw(np.array([1]), 4, np.random.default_rng(0))
        assert batch.x.dtype == torch.float32
        assert torch.equal(batch.x, torch.full((1, 4, 2, 2), 7.0))


BROKEN_INPUT = [
    ({"rows": np.full((12, 2), np.nan)}, r"group 'a', row 0: found nan in feature 0, expected finite float32"),
    ({"rows": np.where(np.arange(24).reshape(12, 2) == 11, np.inf, 0)}, r"group 'b', row 2: found inf in feature 1"),
    ({"rows": np.full((12, 2), 1e60)}, r"found 1e\+60 in feature 0"),
    ({"rows": np.zeros((12, 3))}, r"samples of shape \(3,\), expected \(2,\)"),
    ({"rows": np.zeros((11, 2)), "code": np.repeat([0, 1, 2], [3, 5, 3])}, r"found 3 rows for group 'a', expected its"),
    ({"rows": np.zeros((13, 2)), "code": np.repeat([0, 1, 2], [4, 5, 4])}, r"found 4 rows for group 'a', expected its"),
    ({"code": np.full(12, 3), "rows": np.zeros((12, 2))}, r"found group number 3, expected 0\.\.2"),
    ({"groups": TABLE.assign(split="train")}, r"found group 'a' twice in split 'train'"),
    ({"groups": TABLE.assign(split="held")}, r"found split 'held', expected one of train, validation, test"),
    ({"groups": TABLE.assign(size=[3, 0, 4])}, r"found group 'b' without samples"),
    ({"groups": TABLE.iloc[:0]}, "found no groups"),
    ({"groups": TABLE.assign(start=0)}, "a label column 'start'"),
    ({"groups": TABLE.drop(columns="split")}, "groups without the column 'split'"),
    ({"truth": {"mean": torch.zeros(2, 2)}}, "truth 'mean' for 2 groups, expected 3"),
    ({"meta": {"a": float("nan")}}, "JSON|nan"),
]


@pytest.mark.parametrize(("change", "message"), BROKEN_INPUT, ids=[m[:40] for _, m in BROKEN_INPUT])
def test_broken_input_is_refused_and_nothing_is_left(tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        write(tmp_path / "s", **change)
    assert list(tmp_path.iterdir()) == []


def test_an_error_or_a_forgotten_finish_leaves_the_old_store_alone(tmp_path):
    write(tmp_path / "s")
    digest = SetStore.open(tmp_path / "s").digest
    with (
        pytest.raises(RuntimeError, match="without finish"),
        StoreWriter(tmp_path / "s", groups=TABLE, sample_shape=(2,), seed=1),
    ):
        pass
    with pytest.raises(KeyError), StoreWriter(tmp_path / "s", groups=TABLE, sample_shape=(2,), seed=1):
        raise KeyError
    assert SetStore.open(tmp_path / "s").digest == digest
    assert [p.name for p in tmp_path.iterdir()] == ["s"]


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path, monkeypatch):
    def full(*args):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(GdeError, match="no space left on the device"):
        write(tmp_path / "s")
    assert list(tmp_path.iterdir()) == []


FILES = ["x.npy", "groups.parquet", "meta.json", "truth.safetensors"]


def _flip(file):
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 4
    file.write_bytes(data)


DAMAGE = {"removed": os.remove, "truncated": lambda f: os.truncate(f, f.stat().st_size // 2), "flipped": _flip}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("file", FILES)
def test_a_damaged_file_is_named(tmp_path, file, damage):
    write(tmp_path / "s", truth={"mean": torch.zeros(3, 2)})
    DAMAGE[damage](tmp_path / "s" / file)
    with pytest.raises(GdeError, match=str(tmp_path / "s" / file)):
        SetStore.open(tmp_path / "s")


@pytest.mark.parametrize("file", FILES)
def test_without_verification_a_truncated_file_is_still_named(tmp_path, file):
    write(tmp_path / "s", truth={"mean": torch.zeros(3, 2)})
    DAMAGE["truncated"](tmp_path / "s" / file)
    with pytest.raises(GdeError, match=str(tmp_path / "s" / file)):
        _ = SetStore.open(tmp_path / "s", verify=False).truth


def test_files_that_do_not_fit_each_other_are_refused(tmp_path):
    write(tmp_path / "s")
    write(tmp_path / "t", groups=TABLE.assign(size=[3, 5, 5]))
    shutil.copy(tmp_path / "t" / "x.npy", tmp_path / "s" / "x.npy")
    write_sums(tmp_path / "s")
    with pytest.raises(GdeError, match=r"x\.npy: found 13 rows, expected 12"):
        SetStore.open(tmp_path / "s")


def test_what_is_not_a_store_is_refused(tmp_path):
    with pytest.raises(GdeError, match=f"{tmp_path / 'none'}: found no {SUMS}"):
        SetStore.open(tmp_path / "none")
    write(tmp_path / "s")
    (tmp_path / "s" / "x.npy").unlink()
    write_sums(tmp_path / "s")
    with pytest.raises(GdeError, match=rf"x\.npy: found not listed in {SUMS}"):
        SetStore.open(tmp_path / "s")
    write(tmp_path / "s")
    meta = json.loads((tmp_path / "s" / "meta.json").read_text())
    (tmp_path / "s" / "meta.json").write_text(json.dumps(meta | {"format": 9}))
    write_sums(tmp_path / "s")
    with pytest.raises(GdeError, match=r"meta\.json: found format 9, expected format 1"):
        SetStore.open(tmp_path / "s")
