"""`gde init` of a numeric table: groups, features and labels are guessed, and what is written prepares."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tiny

from gde.cli.init import init
from gde.config import resolve
from gde.errors import GdeError
from gde.prepare.common.proposal import Given


def people() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    place = np.arange(240) % 24
    table = pd.DataFrame(rng.normal(size=(240, 3)) + place[:, None], columns=["height", "weight", "age"])
    return table.assign(place=[f"p{p:02d}" for p in place], side=[f"s{p % 2}" for p in place],
                        note=[f"n{i}" for i in range(240)])  # fmt: skip


@pytest.mark.parametrize("ending", ["csv", "tsv", "parquet"])
def test_a_table_is_described_and_prepares(tmp_path, monkeypatch, ending):
    monkeypatch.chdir(tmp_path)
    path = Path(f"people.{ending}")
    if ending == "parquet":
        people().to_parquet(path)
    else:
        people().to_csv(path, sep="\t" if ending == "tsv" else ",", index=False)
    Path("config").mkdir()
    Path("config/config.yaml").write_text("experiments: [people]\n")
    init(Given([path]), tmp_path)
    config = resolve("people", {"experiments": ["people"]}, tmp_path)
    dataset = config["dataset"]
    assert (dataset["kind"], dataset["groupby"], dataset["labels"]) == ("table", ["place"], ["side"])
    assert dataset["features"] == ["height", "weight", "age"] and dataset["split"]["by"] == "group"
    assert len(set(tiny.prepare(config, tmp_path / "sets").groups["group"])) == 24
    assert "note" in Path("config/experiments/people.yaml").read_text()


def test_a_table_that_nothing_groups_is_refused(tmp_path):
    people()[["height", "note"]].to_csv(tmp_path / "people.csv", index=False)
    with pytest.raises(GdeError, match=r"no column of words that groups rows .*--groupby"):
        init(Given([tmp_path / "people.csv"]), tmp_path)
    with pytest.raises(GdeError, match="'plce', expected one of"):
        init(Given([tmp_path / "people.csv"], ["plce"]), tmp_path)
    assert not (tmp_path / "config").exists()
