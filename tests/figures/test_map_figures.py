"""The figures of all embeddings, map and distances: from tables alone, the same bytes again, however many groups."""

import numpy as np
import pandas as pd
import pytest
from drawing import check_labels, notes, write_results
from simulators.cohort import simulate_cohort

from gde import figures
from gde.config.figures import OF_EMBEDDINGS
from gde.errors import GdeError
from gde.export.h5ad import write_anndata
from gde.figures import distances, map
from gde.figures.read import read_table
from gde.figures.style import style
from gde.files.io import read_json, write_sums
from gde.tl import map_tables
from gde.tl.map_tables import write_map_tables


def tables_in(here, data, **options):
    write_anndata(data, here / "z.h5ad")
    write_map_tables(here / "z.h5ad", here / "map", **{"permutations": 19} | options)
    return here / "map"


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    here = tmp_path_factory.mktemp("cohort")
    data = simulate_cohort(30, disease=3.0)
    data.obs["disease"] = data.obs["disease"].astype(object)
    data.obs.loc["donor_3", ["disease", "age"]] = [None, np.nan]
    data.obs["plate [of 96]"] = [f"p{i % 3}" for i in range(30)]
    write_results(here, {}, {"left_out": pd.DataFrame({"group": ["none"], "status": ["all"]})}, data="real")
    tables_in(here, data)
    return here


def drawn(name, tables):
    with style():
        return {"map": map, "distances": distances}[name].draw(tables, {})


@pytest.mark.parametrize("name", OF_EMBEDDINGS)
def test_the_same_bytes_again(cohort, tmp_path, name):
    made = []
    for i in "ab":
        files = tmp_path / f"{i}.svg", tmp_path / f"{i}.png"
        figures.draw(name, cohort / "map", cohort / "metrics.json", *files)
        made.append([file.read_bytes() for file in files])
    assert made[0] == made[1]
    check_labels(drawn(name, cohort / "map"))


def test_tables_say_what_was_embedded(cohort):
    table, units = read_table(cohort / "map", "map")
    assert len(table) == 30 and units["pc_1"].startswith("latent units, ") and units["disease"] == "category"
    assert table["disease"][3] is None and np.isnan(table["age"][3]) and units["age"] == "number or empty"
    assert units["plate (of 96)"] == "category"
    matrix, _ = read_table(cohort / "map", "distances")
    assert sorted(matrix["name"]) == sorted(table["name"]) and matrix["d_3"][2] == 0
    found, _ = read_table(cohort / "map", "associations")
    assert {"disease", "age", "n_samples", "split"} <= set(found["column"])


def test_panels_and_their_associations(cohort):
    figure = drawn("map", cohort / "map")
    titles = [ax.get_title(loc="left") for ax in figure.axes if ax.get_title(loc="left")]
    assert titles == ["disease", "batch", "age", "plate (of 96)", "number of samples"]
    assert sum("R²" in text and "chance" in text for text in notes(figure)) == 5
    assert figure.get_suptitle() == "Map of 30 groups"


def test_numbers_that_are_names_are_categories(tmp_path):
    """As of digits, whose every group has three sets."""
    data = simulate_cohort(30)
    data.obs["group"] = [str(i // 3) for i in range(30)]
    data.obs["digit"] = np.arange(30) // 3
    tables = tables_in(tmp_path, data)
    assert read_table(tables, "map")[1]["digit"] == "category"
    assert drawn("map", tables).get_suptitle() == "Map of 30 sets of 10 groups"
    assert read_json(tables / "about.json") == {
        "sets": 30, "groups": 10, "left_out": [], "no_strip": ["digit (10 values)"], "unit": "", "why": "",
    }  # fmt: skip


def test_what_was_held_out_together_is_the_unit_of_the_test(tmp_path):
    """Six donors in 8 sets each, three of them ill, whom nothing else tells apart."""
    data = simulate_cohort(48)
    donor = np.arange(48) // 8
    data.obs["donor"] = [f"d{i}" for i in donor]
    data.obs["disease"] = np.where(donor % 2 == 0, "ill", "well")
    data.X += 3 * np.random.default_rng(0).normal(size=(6, 6))[donor]
    found = {}
    for unit in ("donor", "group", "sample", None):
        here = tmp_path / str(unit)
        here.mkdir()
        tables = tables_in(here, data, unit=unit, permutations=199)
        table, _ = read_table(tables, "associations")
        found[unit] = table.set_index("column").loc["disease", "p_value"]
        assert any(text.endswith(" by donor") for text in notes(drawn("map", tables))) == (unit == "donor")
    assert found["donor"] > 0.5 and found["group"] == found["sample"] == found[None] <= 0.05


def test_of_many_groups_a_random_part_is_shown(tmp_path, monkeypatch):
    monkeypatch.setattr(map_tables, "IN_MAP", 40)
    monkeypatch.setattr(map_tables, "IN_MATRIX", 20)
    data = simulate_cohort(60)
    tables = tables_in(tmp_path, data)
    assert drawn("map", tables).get_suptitle() == "Map of 40 of 60 groups, at random"
    assert drawn("distances", tables).get_suptitle() == "Distances between 20 of 60 groups, at random"
    again = tables_in(tmp_path / "again", data) if (tmp_path / "again").mkdir() is None else None
    assert (again / "map.tsv").read_bytes() == (tables / "map.tsv").read_bytes()


@pytest.mark.parametrize("groups", [1, 3])
def test_too_few_groups_are_a_note(tmp_path, groups):
    tables = tables_in(tmp_path, simulate_cohort(groups))
    for name in OF_EMBEDDINGS:
        assert "a map needs 4" in notes(drawn(name, tables))[0]


def test_a_group_of_one_sample_has_a_place_and_no_ellipse(tmp_path):
    data = simulate_cohort(8)
    data.layers["se"][2] = np.nan
    data.obs.loc["donor_2", "n_samples"] = 1
    tables = tables_in(tmp_path, data)
    for name in OF_EMBEDDINGS:
        check_labels(drawn(name, tables))
    table, _ = read_table(tables, "map")
    assert table["var_1"].isna().sum() == 1 and table["pc_1"].notna().all()


def test_a_damaged_table_is_named(tmp_path, cohort):
    tables = tmp_path / "map"
    tables.mkdir()
    for file in (cohort / "map").glob("*.*"):
        (tables / file.name).write_bytes(file.read_bytes())
    lines = (tables / "map.tsv").read_text().splitlines()
    lines[2] = "\t".join([lines[2].split("\t")[0], "nan", *lines[2].split("\t")[2:]])
    (tables / "map.tsv").write_text("\n".join(lines) + "\n")
    write_sums(tables)
    with pytest.raises(GdeError, match=r"map\.tsv: row 2.*finite number"):
        figures.draw("map", tables, cohort / "metrics.json", tmp_path / "a.svg", tmp_path / "a.png")
