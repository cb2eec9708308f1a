"""Cases against controls with the donor as the unit."""

from math import comb

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from gde.errors import GdeError
from gde.tl.levels import compare_levels


def embeddings(level, shift=0.0, *, batch=None, batch_shift=0.0, length=6, seed=0) -> ad.AnnData:
    """Random embeddings of donors; cases lie `shift` away along the first axis, batches along the second."""
    rng, level = np.random.default_rng(seed), np.asarray(level, object)
    z = rng.normal(size=(len(level), length))
    z[:, 0] += shift * (level == "ill")
    obs = pd.DataFrame({"disease": level}, index=[f"D{i}" for i in range(len(level))])
    if batch is not None:
        obs["batch"] = batch
        z[:, 1] += batch_shift * pd.factorize(obs["batch"])[0]
    return ad.AnnData(z.astype(np.float32), obs=obs)


LEVELS = ["ill"] * 9 + ["well"] * 12


def p_of(data, **options) -> float:
    return compare_levels(data, "disease", **options)["p_value"].item()


@pytest.mark.parametrize("batch", [None, "uneven"])
def test_the_level_holds(batch):
    """300 cohorts without a difference, batches that move embeddings and hold cases in uneven shares among them."""
    shares = [0, 0, 0, 0, 0, 0, 1, 1, 1, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1]
    options = {} if batch is None else {"batch": shares, "batch_shift": 4.0}
    within = {} if batch is None else {"within": "batch"}
    p = np.array([p_of(embeddings(LEVELS, seed=k, **options), permutations=99, **within) for k in range(300)])
    for level in (0.05, 0.1, 0.5):
        assert abs((p <= level).mean() - level) < 4 * np.sqrt(level * (1 - level) / 300), level


def test_a_batch_that_goes_with_the_disease_deceives_unless_it_is_named():
    shares = [0] * 8 + [1] + [0] + [1] * 11
    data = [embeddings(LEVELS, batch=shares, batch_shift=4.0, seed=k) for k in range(20)]
    assert np.mean([p_of(d, permutations=99) <= 0.05 for d in data]) > 0.9
    assert np.mean([p_of(d, permutations=99, within="batch") <= 0.05 for d in data]) < 0.3


def test_cases_that_differ_are_found():
    found = [p_of(embeddings(LEVELS, 2.5, seed=k), permutations=199) <= 0.05 for k in range(20)]
    assert np.mean(found) > 0.8


def test_every_deal_is_counted_where_there_are_few():
    data = embeddings(["ill"] * 4 + ["well"] * 5, 9.0)
    row = compare_levels(data, "disease").iloc[0]
    assert row["deals"] == comb(9, 4) and row["p_value"] == row["least_p"] == 1 / comb(9, 4)
    half = compare_levels(embeddings(["ill"] * 4 + ["well"] * 4, 9.0), "disease").iloc[0]
    assert half["p_value"] == half["least_p"] == 2 / comb(8, 4)  # the mirrored deal is as far


def test_the_interval_holds_the_distance():
    held = 0
    for k in range(200):
        row = compare_levels(
            embeddings(["ill"] * 15 + ["well"] * 15, 1.5, length=3, seed=k), "disease", permutations=9
        ).iloc[0]
        held += row["effect_low"] <= 1.5 <= row["effect_high"]
        assert row["effect"] <= row["distance"]
    assert 0.9 <= held / 200 <= 0.995


def test_all_pairs_of_levels_and_the_whole():
    data = embeddings(["ill"] * 8 + ["well"] * 8 + ["cured"] * 8, 5.0)
    data.obs.loc["D0", "disease"] = None
    data.obs.loc["D1", "disease"] = "alone"
    table = compare_levels(data, "disease", permutations=499)
    assert len(table) == 3 and set(table["fdr"] <= 0.05) == {True, False}
    assert table.iloc[-1][["first", "second"]].tolist() == ["cured", "well"]
    assert table.attrs["left_out"] == ["1 rows of 'alone'", "1 rows without a value"]
    assert table.attrs["overall"]["p_value"] <= 0.01 and 0 < table.attrs["overall"]["r2"] < 1
    assert len(compare_levels(data, "disease", reference="well", permutations=9)) == 2


def test_a_stratum_of_one_level_tells_nothing():
    data = embeddings(["ill"] * 4 + ["well"] * 4, 5.0, batch=["a"] * 4 + ["b"] * 4)
    assert np.isnan(p_of(data, within="batch"))


@pytest.mark.parametrize(
    ("by", "options", "parts"),
    [
        ("sex", {}, ["'sex'", "no such column"]),
        ("age", {}, ["'age'", "associations"]),
        ("disease", {"reference": "sane"}, ["no level 'sane'", "ill, well"]),
    ],
)
def test_mistakes(by, options, parts):
    data = embeddings(LEVELS)
    data.obs["age"] = np.arange(len(LEVELS)) * 1.5
    with pytest.raises(GdeError) as caught:
        compare_levels(data, by, **options)
    assert all(part in str(caught.value) for part in parts)
