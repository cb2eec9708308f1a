"""Mutated set stores and resolved settings whose digests fit: refused in one line that names the place."""

import copy
import json
import random
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tiny
from fuzz import INVALID, SEED, UNKNOWN, VALID, Case, Tally, at, flip, paths, put
from mutations import edited, edited_tensors

from gde.config.stored import check_resolved
from gde.embed import embed_store
from gde.files.io import read_json, write_sums
from gde.model import GDE
from gde.sets.source import make_family
from gde.sets.store.set_store import SetStore

pytestmark = [
    pytest.mark.usefixtures("no_fsync"),
    pytest.mark.filterwarnings("ignore"),  # libraries warn of what the mutations do
]


def edited_table(file: Path, edit) -> None:
    edit(pd.read_parquet(file)).to_parquet(file)


def edited_array(file: Path, edit) -> None:
    np.save(file, edit(np.load(file)))


def with_cell(column: str, row: int, value):
    def edit(table):
        table = table.copy()
        table.loc[row, column] = value
        return table

    return edit


META = {
    "a list": lambda m: [m],
    "a number": lambda m: 5,
    "nothing": lambda m: {},
    "another format": lambda m: m | {"format": 2},
    "no format": lambda m: {k: v for k, v in m.items() if k != "format"},
    "another shape": lambda m: m | {"sample_shape": [3]},
    "an empty shape": lambda m: m | {"sample_shape": []},
    "a shape below zero": lambda m: m | {"sample_shape": [-2]},
    "a shape of text": lambda m: m | {"sample_shape": "2"},
    "another dim": lambda m: m | {"dim": 7},
    "a mean too short": lambda m: m | {"mean": m["mean"][1:]},
    "a mean of text": lambda m: m | {"mean": ["0"] * len(m["mean"])},
    "a mean of nothing": lambda m: m | {"mean": None},
    "a scale of zero": lambda m: m | {"scale": [0.0] * len(m["scale"])},
    "a scale below zero": lambda m: m | {"scale": [-s for s in m["scale"]]},
    "a scale that is missing": lambda m: {k: v for k, v in m.items() if k != "scale"},
    "a mean that is not a number": lambda m: m | {"mean": [float("nan")] * len(m["mean"])},
    "names of other features": lambda m: m | {"feature_names": ["a"]},
    "another family": lambda m: m | {"family": {"kind": "gamma", "params": {}}},
    "a family of more dimensions": lambda m: m | {"family": {"kind": "mvn", "params": {"dim": 3}}},
    "a family with other parameters": lambda m: m | {"family": {"kind": "mvn", "params": {"dims": 2}}},
    "a family that is a list": lambda m: m | {"family": ["mvn"]},
}
GROUPS = {
    "no start": lambda g: g.drop(columns="start"),
    "no split": lambda g: g.drop(columns="split"),
    "no rows": lambda g: g[:0],
    "an unknown split": with_cell("split", 0, "held out"),
    "a start too late": with_cell("start", 1, 1000),
    "a stop below zero": with_cell("stop", 0, -5),
    "stops of fractions": lambda g: g.assign(stop=g["stop"] + 0.5),
    "stops of text": lambda g: g.assign(stop=g["stop"].astype(str)),
    "one group less": lambda g: g[:-1],
    "groups in another order": lambda g: g[::-1],
    "a group twice": with_cell("group", 1, "validation-strict-00000"),
}
SAMPLES = {
    "a row less": lambda x: x[:-1],
    "a column less": lambda x: x[:, :-1],
    "one axis": lambda x: x[:, 0],
    "no axis": lambda x: np.float32(1),
    "text": lambda x: x.astype("U4"),
    "complex": lambda x: x * 1j,
    "records": lambda x: np.zeros(len(x), [("a", "f4"), ("b", "f4")]),
    "not a number": lambda x: np.full_like(x, np.nan),
    "infinity": lambda x: np.full_like(x, np.inf),
}
TRUTH = {
    "a set less": lambda t: {k: v[:-1] for k, v in t.items()},
    "not a number": lambda t: {k: v * float("nan") for k, v in t.items()},
}


def used(path: Path, model: GDE) -> tuple:
    """What evaluation does first with a store."""
    store = SetStore.open(path)
    family, truth = make_family(store), store.truth
    return type(family).__name__, sorted(truth), embed_store(model, store, se=False)[0].tobytes()


def test_stores(here, family_store, record_property):
    model = tiny.model_for(family_store, tiny.experiment())
    store, tally, rng = here / "store", Tally(), random.Random(f"{SEED} stores")
    original = used(family_store.path, model)

    def fresh():
        shutil.rmtree(store, ignore_errors=True)
        shutil.copytree(family_store.path, store)

    parts = {"meta.json": (edited, META), "groups.parquet": (edited_table, GROUPS), "x.npy": (edited_array, SAMPLES),
             "truth.safetensors": (edited_tensors, TRUTH)}  # fmt: skip
    for file, (edit_file, edits) in parts.items():
        for name, edit in edits.items():
            fresh()
            edit_file(store / file, edit)
            write_sums(store)  # somebody made the digests fit
            place = "x" if edits is SAMPLES else file
            tally.add(Case(f"store: {file}: {name}", INVALID, lambda: used(store, model), place), here)
    files = sorted(p.name for p in family_store.path.iterdir())
    for _ in range(24):  # digests protect what gde wrote
        fresh()
        file = store / rng.choice(files)
        data = file.read_bytes()
        bit = rng.randrange(8 * len(data))
        file.write_bytes(flip(data, bit))
        tally.add(Case(f"store: {file.name}, bit {bit}", UNKNOWN, lambda: used(store, model), "store", original), here)
    for name in files:
        fresh()
        (store / name).write_bytes((store / name).read_bytes()[:-7])
        tally.add(Case(f"store: {name} cut", INVALID, lambda: used(store, model), "store"), here)
    tally.check(record_property, len(META) + len(GROUPS) + len(SAMPLES) + len(TRUTH) + 24 + len(files))


def test_resolved_settings(here, record_property):
    """What torchrun and srun call: `gde train resolved.json`."""
    tally, file, rng = Tally(), here / "resolved.json", random.Random(f"{SEED} settings")
    good = tiny.experiment()
    values = {"text": "abc", "a list": [[1]], "a mapping": {"a": 1}, "not a number": float("nan"), "below": -1}
    everywhere = [p for p in paths(good) if p[0] not in ("description", "preset", "published", "evaluation")]

    def read():
        check_resolved(read_json(file), file)
        return True

    file.write_text(json.dumps(good))
    tally.add(Case("resolved: as it is", VALID, read), here)
    for _ in range(40):
        path, (name, value) = rng.choice(everywhere), rng.choice(list(values.items()))
        old = at(good, path)
        if isinstance(old, str):
            name, value = "a number", 5
        if name == "below" and path[-1] in ("mean_low", "mean_high"):
            name, value = "text", "abc"
        if isinstance(value, dict) and isinstance(old, dict):
            name, value = "text", "abc"
        file.write_text(json.dumps(put(good, path, value)))
        tally.add(Case(f"resolved: {name} at {path}", INVALID, read, file.name), here)
    for path in rng.sample([p for p in everywhere if isinstance(p[-1], str)], 12):
        less = copy.deepcopy(good)
        del at(less, path[:-1])[path[-1]]
        file.write_text(json.dumps(less))
        tally.add(Case(f"resolved: without {path}", INVALID, read, file.name), here)
    for name, text in {"empty": "", "a list": "[]", "deep": "[" * 100_000, "cut": json.dumps(good)[:-9],
                       "digits": '{"seed": ' + "1" * 5000 + "}",
                       "name that climbs": json.dumps(good | {"name": "../x"}),
                       "NUL": "\0" * 9, "two": "{}{}"}.items():  # fmt: skip
        file.write_text(text)
        tally.add(Case(f"resolved: {name}", INVALID, read, file.name), here)
    tally.check(record_property, 61)
