"""Whole files as people have them: rows in another order, other columns beside, missing values spelled out, stray
quotes, columns that count rows. Each is refused, or gives what the plain file gives; none is silently something else.
"""

import random
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import tiny
from content import Content, content, made_content, write_as_it_stands
from fuzz import SEED, UNKNOWN, VALID, Case, Tally

from gde.config.datasets import DATASETS
from gde.embed import embed_data
from gde.export.h5ad import write_anndata
from gde.model import GDE
from gde.prepare import prepare_of
from gde.sets.store.set_store import SetStore

pytestmark = [pytest.mark.usefixtures("no_fsync"), pytest.mark.filterwarnings("ignore")]

SPELLED = ["nan", "NaN", "NA", "N/A", "n/a", "None", "<NA>", "null", "NULL", "NaT", "", " "]
COUNTERS = ["Unnamed: 0", "index", "level_0", "", "row", "id", "__index_level_0__", "X", "number"]
BY_GROUP = {"by": "group", "fractions": [0.6, 0.2, 0.2], "seed": 0}


def settings(**dataset) -> dict:
    """The resolved section `dataset` of these settings."""
    return DATASETS[dataset["kind"]].model_validate(dataset).model_dump()


class Trial:
    """One file that is changed again and again, and the store of the plain one."""

    def __init__(self, here: Path, config: dict, name: str):
        self.here, self.config, self.tally, self.name = here, config, Tally(), name
        self.prepare = prepare_of(config["kind"])
        self.plain: Content | None = None

    def made(self) -> Content:
        return made_content(self.prepare, self.config, self.here)

    def add(self, what: str, effect: str, expected: Content | None = None) -> None:
        """A case on the files as they lie there now."""
        result = expected if expected is not None else self.plain
        self.tally.add(Case(f"{self.name}: {what}", effect, self.made, "", result), self.here)


def rng_of(name: str) -> random.Random:
    return random.Random(f"{SEED} {name}")


# tables


def table(seed: int = 0) -> pd.DataFrame:
    """12 donors of 10 rows, a text beside them, three numbers."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(rng.normal(size=(120, 3)).round(4), columns=["a", "b", "c"])
    frame.insert(0, "donor", np.repeat([f"D{i:02d}" for i in range(12)], 10))
    return frame.assign(note="as it is", score=rng.normal(size=120).round(3))


def written(frame: pd.DataFrame, path: Path, *, index: bool = False) -> None:
    """The table as pandas writes it; `index`: with its index, of Parquet."""
    if path.suffix == ".parquet":
        frame.to_parquet(path, index=index)
    else:
        frame.to_csv(path, index=False, sep="\t" if path.suffix == ".tsv" else ",")


def text_of(frame: pd.DataFrame, path: Path, note: list[str]) -> None:
    """The table with these texts as they stand."""
    write_as_it_stands(frame.assign(note=note), path, "\t" if path.suffix == ".tsv" else ",")


@pytest.mark.parametrize("suffix", ["csv", "tsv", "parquet"])
def test_tables(here, record_property, monkeypatch, suffix):
    path, rng, frame = here / f"t.{suffix}", rng_of(f"tables {suffix}"), table()
    columns = {"features": ["a", "b", "c"]}
    config = settings(kind="table", path=str(path), groupby=["donor"], scale=False, split=BY_GROUP, **columns)
    trial = Trial(here, config, suffix)
    written(frame, path)
    trial.plain = trial.made()
    for i in range(15):
        monkeypatch.setattr("gde.readers.table.CHUNK_VALUES", rng.choice([1, 3, 30, 100, 10**6]))
        written(frame.sample(frac=1, random_state=rng.randrange(10**6)), path)
        trial.add(f"rows in another order, {i}", VALID)
    for i in range(15):
        names = rng.sample(list(frame), len(list(frame)))
        beside = {f"x{j}": rng.choice([1, "é", None, 2.5]) for j in range(rng.randrange(4))}
        written(frame[names].assign(**beside), path)
        trial.add(f"other columns, {i}", VALID)
    for i in range(20):
        where = rng.sample(range(len(frame)), rng.randrange(1, 30))
        gaps = frame.copy()
        gaps.loc[where, "donor"] = word = rng.choice(SPELLED)
        written(frame.drop(index=where), path)
        without = trial.made()
        written(gaps, path)
        trial.add(f"{len(where)} donors {word!r}, {i}", UNKNOWN, without)
    if suffix != "parquet":
        stray = ['"', 'the 5" plate', '"open', 'close"', '"a"b', 'a""b', '""', "'", "\\", '\\"', '"a\\"']
        for i in range(30):
            note = ["as it is"] * len(frame)
            for at in rng.sample(range(len(frame)), rng.choice([1, 2, 2, 2, 4])):
                note[at] = rng.choice(stray)
            text_of(frame, path, note)
            trial.add(f"stray quotes {[n for n in note if n != 'as it is']}, {i}", UNKNOWN)
    trial.config = settings(
        kind="table", path=str(path), groupby=["donor"], labels=["note"], scale=False, split=BY_GROUP
    )
    written(frame.drop(columns="score"), path)
    trial.plain = trial.made()
    for i in range(30):
        name, first, step = rng.choice(COUNTERS), rng.choice([0, 1, 2, 100]), rng.choice([1, 1, 1, 2])
        counted = frame.drop(columns="score").copy()
        counted.insert(0, name, np.arange(len(frame)) * step + first)
        if rng.random() < 0.5:  # written, shuffled, written again
            counted = counted.sample(frac=1, random_state=rng.randrange(10**6))
        if rng.random() < 0.3:  # after a filter
            counted = counted.sample(frac=0.9, random_state=rng.randrange(10**6)).sort_index()
        written(counted.drop(columns=name), path)
        without = trial.made()
        if suffix == "parquet":
            counted = counted.drop(columns=name).rename_axis(rng.choice([None, "index", "cell"]))
        written(counted, path)
        trial.add(f"rows counted as {name!r} from {first} by {step}, {i}", UNKNOWN, without)
    trial.tally.check(record_property, 80)


# cells


def cells_written(adata, path: Path, form: str) -> None:
    adata = adata.copy()
    adata.X = {"csr": sp.csr_matrix, "csc": sp.csc_matrix, "dense": lambda x: x.toarray()}[form](sp.csr_matrix(adata.X))
    adata.write_h5ad(path)


@pytest.mark.parametrize("form", ["csr", "csc", "dense"])
def test_cells(here, record_property, monkeypatch, form):
    path, rng, adata = here / "cells.h5ad", rng_of(f"cells {form}"), tiny.cells()
    options = {"n_hvg": None, "n_pcs": None, "split": BY_GROUP}
    config = settings(kind="h5ad", path=str(path), groupby=["donor", "cell_type"], labels=[], **options)
    trial = Trial(here, config, form)
    cells_written(adata, path, form)
    trial.plain = trial.made()
    for i in range(20):
        monkeypatch.setattr("gde.readers.anndata.CHUNK", rng.choice([1, 7, 50, 4096]))
        cells_written(adata[rng.sample(range(adata.n_obs), adata.n_obs)], path, form)
        trial.add(f"cells in another order, {i}", VALID)
    monkeypatch.undo()
    for i in range(10):
        cells_written(adata[:, rng.sample(range(adata.n_vars), adata.n_vars)], path, form)
        trial.add(f"genes in another order, {i}", VALID)
    for i in range(30):
        column, word = rng.choice(["donor", "cell_type"]), rng.choice(SPELLED)
        where = rng.sample(range(adata.n_obs), rng.randrange(1, 120))
        gaps = adata.copy()
        values = gaps.obs[column].astype(object).to_numpy()
        values[where] = word
        gaps.obs[column] = pd.Categorical(values) if rng.random() < 0.5 else values
        rest = adata[np.setdiff1d(np.arange(adata.n_obs), where)]
        cells_written(rest, path, form)
        without = trial.made()
        cells_written(gaps, path, form)
        trial.add(f"{len(where)} cells of {column} {word!r}, {i}", UNKNOWN, without)
    for i in range(10):
        more = adata.copy()
        more.obs["n_counts"] = np.arange(more.n_obs)
        more.obsm["X_pca"] = np.zeros((more.n_obs, 2))
        more.layers["other"] = more.X.copy() * rng.choice([0, 2])
        more.raw = more.copy()
        cells_written(more, path, form)
        trial.add(f"other slots, {i}", VALID)
    trial.tally.check(record_property, 70)


# screens


@pytest.mark.parametrize("order", ["mixed", "sorted", "controls first"])
def test_screens(here, record_property, monkeypatch, order):
    from simulators.perturb import simulate_perturb

    rng = rng_of(f"screens {order}")
    whole = simulate_perturb(here / "files", perturbed=12, cells=12, controls=60, genes=40, legacy=False, seed=1)
    file = Path(whole.files["K562"])
    adata, path = ad.read_h5ad(file), here / "screen.h5ad"
    vectors = {"kind": "coexpression", "n_pcs": 4}
    options = {"n_hvg": None, "min_size": 4, "vectors": vectors, "split": {"test": 0.2, "validation": 0.2}}
    trial = Trial(here, settings(kind="perturb_seq", files={"K562": str(path)}, **options), order)
    adata.write_h5ad(path)
    trial.plain = trial.made()
    gene = adata.obs["gene"].astype(str).to_numpy()
    for i in range(25):
        monkeypatch.setattr("gde.readers.anndata.CHUNK", rng.choice([1, 5, 20, 100, 4096]))
        rows = np.array(rng.sample(range(adata.n_obs), adata.n_obs))
        if order != "mixed":
            first = gene[rows] != "non-targeting" if order == "controls first" else np.zeros(len(rows), bool)
            rows = rows[np.lexsort([gene[rows], first])]
        changed = adata[rows].copy()
        changed.X = rng.choice([sp.csr_matrix, sp.csc_matrix, lambda x: sp.csr_matrix(x).toarray()])(changed.X)
        changed.write_h5ad(path)
        trial.add(f"cells in another order, {i}", VALID)
    monkeypatch.undo()
    for i in range(15):
        where, word = rng.sample(range(adata.n_obs), rng.randrange(1, 60)), rng.choice(SPELLED)
        gaps = adata.copy()
        values = gene.astype(object).copy()
        values[where] = word
        gaps.obs["gene"] = values
        adata[np.setdiff1d(np.arange(adata.n_obs), where)].write_h5ad(path)
        without = trial.made()
        gaps.write_h5ad(path)
        trial.add(f"{len(where)} cells of the perturbed gene {word!r}, {i}", UNKNOWN, without)
    trial.tally.check(record_property, 40)


# sequences


def sequences(seed: int = 0) -> pd.DataFrame:
    """12 species, of two words each, of 8 sequences."""
    rng = np.random.default_rng(seed)
    text = ["".join(rng.choice(list("ACGT"), rng.integers(20, 31))) for _ in range(96)]
    species = np.repeat([f"Mus {w}" for w in "abcdefghijkl"], 8)
    return pd.DataFrame({"name": [f"s{i}" for i in range(96)], "species": species, "sequence": text})


def fasta(frame: pd.DataFrame, rng: random.Random, form: str) -> str:
    """The records as FASTA, in lines of any width, sometimes with blank lines between."""
    out, blank = [], rng.random() < 0.5
    for row in frame.itertuples():
        species = row.species
        header = {
            "words": f">{row.name} OS={species} note=x",
            "semicolons": f">{row.name};OS={species};note=a b",
            "bars": f">{row.name}|OS={species}|note=a b",
        }[form]
        width = rng.choice([7, 60])
        lines = [row.sequence[i : i + width] for i in range(0, len(row.sequence), width)]
        out += [header, *lines, *([""] if blank else [])]
    return "\n".join(out) + "\n"


@pytest.mark.parametrize("form", ["words", "semicolons", "bars", "csv"])
def test_sequences(here, record_property, form):
    path, rng, frame = here / ("s.csv" if form == "csv" else "s.fasta"), rng_of(f"sequences {form}"), sequences()
    own = {"groupby": ["species"]} if form == "csv" else {"fields": "key=value", "groupby": ["OS"]}
    name = {"name": "name"} if form == "csv" else {}
    trial = Trial(here, settings(kind="sequences", path=str(path), length=40, split=BY_GROUP, **own, **name), form)

    def write(frame: pd.DataFrame) -> None:
        if form == "csv":
            frame.to_csv(path, index=False)
        else:
            path.write_text(fasta(frame, rng, form))

    # What is known without gde: the groups that the frame has, of the sequences that it has.
    (here / "known.csv").write_text(frame.to_csv(index=False))
    known = settings(kind="sequences", path=str(here / "known.csv"), length=40, split=BY_GROUP, groupby=["species"])
    trial.plain = made_content(trial.prepare, known, here)
    assert len({group for group, _ in trial.plain.groups}) == 12
    for i in range(20):
        write(frame.sample(frac=1, random_state=rng.randrange(10**6)))
        trial.add(f"records in another order, {i}", UNKNOWN if form == "words" else VALID)
    for i in range(30):
        where, word = rng.sample(range(len(frame)), rng.randrange(1, 20)), rng.choice(SPELLED)
        gaps = frame.copy()
        gaps.loc[where, "species"] = word
        frame.drop(index=where).to_csv(here / "known.csv", index=False)
        without = made_content(trial.prepare, known, here)
        write(gaps)
        trial.add(f"{len(where)} species {word!r}, {i}", UNKNOWN, without)
    if form == "csv":
        for i in range(20):
            counted = frame.copy()
            counted.insert(0, rng.choice(COUNTERS), np.arange(len(frame)))
            write(counted.sample(frac=1, random_state=rng.randrange(10**6)))
            trial.add(f"rows counted, {i}", UNKNOWN)
        for i in range(20):
            note = ["x"] * len(frame)
            for at in rng.sample(range(len(frame)), 2):
                note[at] = rng.choice(['"open', 'close"', '5" plate', '"', 'a"b'])
            text_of(frame.assign(note=""), path, note)
            trial.add(f"stray quotes, {i}", UNKNOWN)
    trial.tally.check(record_property, 50)


# a trained model on a file that is not the one it was trained on


@pytest.fixture(scope="module")
def embedder(tmp_path_factory):
    """A model whose features are ten of thirty genes, and the cells that it was trained on."""
    here = tmp_path_factory.mktemp("use")
    adata = tiny.cells()
    adata.write_h5ad(here / "cells.h5ad")
    dataset = {"kind": "h5ad", "path": str(here / "cells.h5ad"), "groupby": ["donor"], "n_hvg": 10, "n_pcs": 5}
    config = tiny.experiment(name="cells", dataset=dataset, evaluation={"kind": "samples"}) | {"run": "cells-00000000"}
    prepare_of("h5ad")(config["dataset"], here / "sets", name="cells", seed=0)
    tiny.model_for(SetStore.open(here / "sets"), config).save(here / "model")
    return GDE.load(here / "model"), adata


class Embeddings:
    """Rows by name, equal to a hundredth of the spread between groups."""

    def __init__(self, adata):
        self.table = pd.DataFrame(adata.X, adata.obs_names).sort_index()

    def __eq__(self, other) -> bool:
        if not self.table.index.equals(other.table.index):
            return False
        return bool(np.abs(self.table - other.table).to_numpy().max() < 0.01 * self.table.std().mean())

    __hash__ = None


def test_a_model_on_other_files(here, record_property, embedder):
    model, adata = embedder
    rng, path, tally = rng_of("use"), here / "other.h5ad", Tally()
    used = set(model.features.names)
    others = [g for g in adata.var_names if g not in used]
    assert len(used) == 10 and len(others) == 20

    def embedded():
        out = here / "out.h5ad"
        write_anndata(embed_data(model, path, "donor"), out)
        try:
            return Embeddings(ad.read_h5ad(out))
        finally:
            out.unlink()

    adata.write_h5ad(path)
    plain = embedded()

    def add(what: str, effect: str) -> None:
        tally.add(Case(f"use: {what}", effect, embedded, "", plain), here)

    for i in range(15):
        rows, columns = rng.sample(range(adata.n_obs), adata.n_obs), rng.sample(range(adata.n_vars), adata.n_vars)
        adata[rows][:, columns].write_h5ad(path)
        add(f"another order, {i}", VALID)
    for i in range(20):
        left = rng.sample(others, rng.randrange(1, 21))
        adata[:, [g for g in adata.var_names if g not in left]].write_h5ad(path)
        add(f"{len(left)} genes fewer that are no features, {i}", UNKNOWN)
    for i in range(20):
        n = rng.randrange(1, 40)
        x = np.random.default_rng(i).poisson(rng.choice([1, 50, 500]), (adata.n_obs, n)).astype(np.float32)
        more = ad.AnnData(x, adata.obs, pd.DataFrame(index=[f"AB{j}" for j in range(n)]))
        both = ad.concat([adata, more], axis=1)
        both.obs = adata.obs
        both.write_h5ad(path)
        add(f"{n} antibodies beside, {i}", UNKNOWN)
    for i in range(12):
        changed, what = adata.copy(), ["lognorm", "per 10,000", "scaled", "halves"][i % 4]
        x = changed.X.toarray()
        to = x / x.sum(1, keepdims=True) * 1e4
        changed.X = {"lognorm": np.log1p(to), "per 10,000": to, "scaled": (x - x.mean(0)) / x.std(0), "halves": x / 2}[
            what
        ]
        changed.write_h5ad(path)
        add(f"other units: {what}, {i}", UNKNOWN)
    tally.check(record_property, 60)


def test_content_sees_what_changes(tmp_path):
    """Of the judge: one value changed, two values exchanged between samples, a row too few."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(20, 3)).astype(np.float32)

    def of(*sets) -> Content:
        out = tmp_path / f"{len(list(tmp_path.iterdir()))}"
        return content(tiny.store_of(list(sets), out))

    same = of(x, x + 1)
    assert same == of(x[::-1].copy(), x + 1)
    value, exchanged = x.copy(), x.copy()
    value[3, 1] += 0.05
    exchanged[[2, 5], 0] = x[[5, 2], 0]
    for other in (of(value, x + 1), of(exchanged, x + 1), of(x[:-1].copy(), x + 1), of(x + 1, x)):
        assert same != other
