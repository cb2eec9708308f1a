"""Files of a store that do not fit each other are refused, whatever their digests say."""

import numpy as np
import pandas as pd
import pytest

from gde.errors import GdeError
from gde.sets.store.check import check_groups, check_meta, check_samples

META = {"sample_shape": [2], "dim": 2, "mean": [0, 0.5], "scale": [1.0, 2], "feature_names": ["a", "b"]}
GROUPS = pd.DataFrame({"group": ["a", "b"], "start": [0, 3], "stop": [3, 5], "split": ["train", "test"]})


def test_a_whole_store_passes():
    check_meta("meta.json", META)
    check_groups("groups.parquet", GROUPS)
    check_samples("x.npy", np.zeros((5, 2), np.uint8), META)


@pytest.mark.parametrize(
    "changes",
    [{"sample_shape": [3]}, {"sample_shape": 2}, {"dim": 3}, {"mean": [0]}, {"mean": ["0", 1]}, {"mean": [0, np.inf]},
     {"scale": [1, 0]}, {"scale": [1, -1]}, {"scale": None}, {"feature_names": ["a"]}],
)  # fmt: skip
def test_meta(changes):
    with pytest.raises(GdeError, match=r"meta\.json: \w+: found"):
        check_meta("meta.json", META | changes)


@pytest.mark.parametrize(
    "groups",
    [
        GROUPS[:0],
        GROUPS[::-1],
        GROUPS.drop(columns="stop"),
        GROUPS.assign(start=[0, 2]),
        GROUPS.assign(start=[0, 4]),
        GROUPS.assign(start=[1, 3]),
        GROUPS.assign(start=[0, 5]),
        GROUPS.assign(stop=[3.0, 5.0]),
        GROUPS.assign(split="held"),
        GROUPS.assign(group="a", split="train"),
    ],
)
def test_groups(groups):
    with pytest.raises(GdeError, match=r"groups\.parquet(: \w+)?: found"):
        check_groups("groups.parquet", groups)


@pytest.mark.parametrize("x", [np.zeros((5, 3)), np.zeros(5), np.zeros((5, 2), "U2"), np.zeros((5, 2), complex)])
def test_samples(x):
    with pytest.raises(GdeError, match=r"x\.npy: found"):
        check_samples("x.npy", x, META)
