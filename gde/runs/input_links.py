"""The chain of inputs: what a result says it was made from, against what is there now."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from gde.config import run_id, training_slice
from gde.config.inputs import input_files
from gde.files.io import SUMS, read_json, read_sums, sha256_file
from gde.files.sealed_gzip import read_about as read_record
from gde.files.sealed_zip import read_about as read_archive
from gde.runs.canonical import canonical_digest
from gde.sets.store.layout import PROVENANCE, store_digest

SAME, CHANGED, ABSENT = "same", "changed", "absent"
WRONG = ("damaged", "missing", "unlisted", CHANGED)  # states that are a difference
WEIGHTS = "model.safetensors"


class Finding(NamedTuple):
    """What was found of one file or link: a state, what it is about, and for a difference found, expected, remedy."""

    state: str
    what: str
    detail: str = ""


def links(unit: Path) -> Iterator[Finding]:
    """Every link of a set store, a run, an experiment or a grid whose files are intact.

    `absent`: the input is not here any more (deleted, or the results were copied away), so nothing can be said.
    """
    if (unit / "meta.json").is_file() and (unit / SUMS).is_file():
        yield from store_links(unit)
    elif (unit / "run.json").is_file():
        yield from run_links(unit)
    elif (unit / "summary.tsv").is_file():
        yield from grid_links(unit)
    elif any((unit / name).exists() for name in ("model", *MADE)):
        yield from experiment_links(unit)


def store_links(store: Path) -> Iterator[Finding]:
    """The files a set store was made from: the user's, or those of resources/sources.yaml.

    The record calls a store's only file by its name, and several by the keys of the settings.
    """
    from gde.fetch.lockfile import difference, read_pins
    from gde.fetch.sources import TABLE, files_of
    from gde.files.checksums import Digests

    if not (store / PROVENANCE).is_file():
        return
    record = read_json(store / PROVENANCE)
    recorded = record["inputs"]
    for key, path in input_files(record["dataset"]).items():
        expected = recorded.get(key, recorded.get(Path(path).name))
        file = Path(path)
        found = sha256_file(file) if file.is_file() else None
        yield link(f"{store} from {path}", found, expected, f"restore the file, or snakemake {store}")
    if not TABLE.is_file():
        return
    pins = read_pins()
    for source in files_of(record["dataset"]):
        name = f"{store} from {source.path}"
        if not source.path.is_file():
            yield Finding(ABSENT, name)
            continue
        digests = Digests.of(source.path)
        expected = recorded.get(source.path.name, digests.sha256)
        if wrong := difference(source, digests, pins):
            yield Finding(CHANGED, name, f"found {wrong[0]}, expected {wrong[1]} ({wrong[2]}); fetch it again")
        else:
            yield link(name, digests.sha256, expected, f"snakemake {store}")


def run_links(run: Path) -> Iterator[Finding]:
    """A run's name against the digest of its settings, store and code, its model's record, and its store."""
    record = read_json(run / "run.json")
    own = run_id(record["config"], record["store"], record["code"])
    remedy = "its settings were edited, or the directory was renamed: restore it, or delete it and train again"
    yield link(f"{run} by its settings, store and code", run.name, own, remedy)
    stores = store_digests(run.parent.parent / "sets")  # an earlier run's store may have been made anew since
    yield link(f"{run} from {stores.get(record['store'], 'its set store')}",
               record["store"] if record["store"] in stores else None, record["store"], "")  # fmt: skip
    if (run / "model" / "config.json").is_file():
        model = read_json(run / "model" / "config.json")
        found, expected = model["run"], record["run"]
        if training_slice(model) != training_slice(record["config"]):
            found = f"{found} with other settings"
        yield link(f"{run}/model from {run}/run.json", found, expected, "delete the directory and train again")
    if (run / "metrics.json").is_file():
        found = read_json(run / "metrics.json")["run"]
        yield link(f"{run}/metrics.json from {run}/model", found, record["run"], "delete the file")


def experiment_links(folder: Path) -> Iterator[Finding]:
    """Metrics, embeddings and samples against the model and store they were made with; the model against its run."""
    results = next((p for p in folder.parents if (p / "runs").is_dir()), None)
    if not (folder / "model").is_dir():
        yield Finding(ABSENT, f"{folder}/model")
        return
    model, sums = read_json(folder / "model" / "config.json"), read_sums(folder / "model")
    run = results and results / "runs" / model["run"]
    weights = run and (run / "model" / SUMS).is_file() and read_sums(run / "model").get(WEIGHTS)
    target = f"snakemake --force {folder}/model"
    name = f"{folder}/model from {run or model['run']}"
    yield link(name, sums.get(WEIGHTS), weights or None, target, expected_absent=True)
    yield from store_of(folder / "model", model, results)
    made = {"run": model["run"], "model": sums.get(WEIGHTS), "store": model["store"]}
    for file, read in MADE.items():
        path = folder / file
        if not path.is_file():
            continue
        about = read(path)
        if "run" not in about:  # of another program, under this name
            yield Finding(ABSENT, f"{path}: no record of what it was made from")
            continue
        inputs = {"run": about["run"], **about.get("provenance", {}).get("inputs", {})}
        source = folder / "embeddings.h5ad"
        now = dict(made)
        if "embeddings" in inputs:
            now["embeddings"] = canonical_digest(source) if source.is_file() else None
        for key in inputs.keys() & now.keys():
            yield link(f"{path} from {key}", now[key], inputs[key], f"snakemake {path}")


def grid_links(grid: Path) -> Iterator[Finding]:
    """A grid's summary against the metrics of its cells."""
    if not (grid / PROVENANCE).is_file():
        return
    for cell, expected in read_json(grid / PROVENANCE)["inputs"].items():
        file = grid / cell / "metrics.json"
        found = canonical_digest(file) if file.is_file() else None
        yield link(f"{grid}/summary.tsv from {file}", found, expected, f"snakemake {grid}/summary.tsv")


def store_of(what: Path, record: dict[str, Any], results: Path | None) -> Iterator[Finding]:
    """The store that a model was trained on: one of the same digest, or that of the experiment's name."""
    stores = store_digests(results / "sets") if results else {}
    store = stores.get(record["store"])
    if store is None and results:
        store = results / "sets" / record["experiment"]
    found = record["store"] if record["store"] in stores else None
    if found is None and store and (store / SUMS).is_file():
        found = store_digest(store)
    remedy = f"the data changed since: snakemake {what}"
    yield link(f"{what} from {store or 'its set store'}", found, record["store"], remedy)


def store_digests(sets: Path) -> dict[str, Path]:
    """Digest -> set store, of all below a directory."""
    return {store_digest(file.parent): file.parent for file in sorted(sets.rglob(SUMS))}


def link(what: str, found: str | None, expected: str | None, remedy: str, *, expected_absent: bool = False) -> Finding:
    """One comparison; None is what is not there (`expected_absent`: it is the expected value that may be)."""
    if found is None or (expected is None and expected_absent):
        return Finding(ABSENT, what)
    if found != expected:
        return Finding(CHANGED, what, f"found {found}, expected {expected}; {remedy}")
    return Finding(SAME, what)


def read_about(path: str | os.PathLike) -> dict[str, Any]:
    """uns['gde'] of an .h5ad written by gde, without reading its arrays; empty where it has none."""
    import h5py
    from anndata.io import read_elem

    with h5py.File(path) as f:
        about = read_elem(f["uns/gde"]) if "uns/gde" in f else {}
    return about if isinstance(about, dict) else {}


# What is made with a model, and how each says what it was made from.
MADE: dict[str, Callable[[Path], dict[str, Any]]] = {
    "metrics.json": read_json,
    "embeddings.h5ad": read_about,
    "samples.h5ad": read_about,
    "predictions.h5ad": read_about,
    "observed.h5ad": read_about,
    "samples.fasta.gz": read_record,
    "samples.jsonl.gz": read_record,
    "samples.zarr.zip": read_archive,
}
