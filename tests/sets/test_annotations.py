"""What is written beside the samples stays with them, and is read by sample, group or category."""

import numpy as np
import pandas as pd
import pytest

from gde.errors import GdeError
from gde.sets.store.annotations import codes, composition, has, numbers, rows_of
from gde.sets.store.set_store import SetStore
from gde.sets.store.writer import StoreWriter


@pytest.fixture
def store(tmp_path):
    """Three groups; the feature of a sample is its number, from which its fields follow."""
    rng = np.random.default_rng(0)
    group = np.sort(rng.integers(3, size=90))[rng.permutation(90)]
    groups = pd.DataFrame({"group": ["a", "b", "c"], "split": ["train", "test", "test"], "batch": ["x", "y", None]})
    groups["size"] = np.bincount(group)
    number, source = np.arange(90), np.empty(90, int)
    kind = np.array([None, "one", "two", "zero"], object)[number % 4]
    samples = pd.DataFrame({"kind": kind, "spot": number / 2})
    with StoreWriter(tmp_path / "s", groups=groups, sample_shape=(1,), seed=1) as writer:
        for part in np.array_split(number, 4):
            source[writer.write(part[:, None], group[part])] = part
        writer.finish({"kind": "test", "data": "simulated"}, tables={"samples": samples.iloc[source]})
    return SetStore.open(tmp_path / "s")


def test_annotations_follow_their_samples(store):
    number = np.asarray(store.x)[:, 0]
    code, names = codes(store, "kind")
    assert names == ["one", "two", "zero"]
    np.testing.assert_array_equal(code, number.astype(int) % 4 - 1)
    np.testing.assert_array_equal(numbers(store, "spot"), number / 2)


def test_a_column_of_the_groups_is_every_samples_own(store):
    code, names = codes(store, "batch")
    assert names == ["x", "y"]
    for g, expected in enumerate((0, 1, -1)):
        assert (code[rows_of(store, g)] == expected).all()


def test_compositions_are_shares_of_the_known(store):
    code, names = codes(store, "kind")
    shares = composition(store, np.arange(3), code, len(names))
    np.testing.assert_allclose(shares.sum(1), 1)
    own = code[rows_of(store, 1)]
    assert shares[1, 2] == pytest.approx((own == 2).sum() / (own >= 0).sum())
    assert (composition(store, np.arange(3), np.full(90, -1), 2) == 0).all()


def test_what_is_not_there_is_named(store):
    assert has(store, "kind") and has(store, "batch") and not has(store, "well") and not has(store, "split2")
    with pytest.raises(GdeError, match="no 'well', expected one of kind, spot, group"):
        codes(store, "well")
    with pytest.raises(GdeError, match="no 'batch', expected one of kind, spot"):
        numbers(store, "batch")
