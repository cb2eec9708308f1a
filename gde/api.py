"""The workflow's first steps as a function, for notebooks: data in memory or in files -> set store -> trained model."""

import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gde.config.experiment import Config
from gde.config.listing import NAME, RESERVED
from gde.config.loading import Mark, Tree
from gde.config.resolve import resolve_given, training_slice
from gde.errors import bad

if TYPE_CHECKING:
    import anndata

    from gde.models.base import Model

CALL = "gde.train"
TABLES = (".csv", ".tsv", ".parquet", ".csv.gz", ".tsv.gz")
PREPARED = ("name", "seed", "dataset")  # what a set store is made from


def train(
    data: "anndata.AnnData | str | Path | None" = None,
    groupby: str | Sequence[str] | None = None,
    *,
    name: str | None = None,
    labels: str | Sequence[str] | None = None,
    split: str | Mapping[str, Any] | None = None,
    values: str | None = None,
    layer: str | None = None,
    dataset: Mapping[str, Any] | None = None,
    preset: str = "laptop",
    seed: int = 0,
    accelerator: str = "auto",
    results: str | Path = "results",
    **keys: Any,
) -> "Model":
    """Learn embeddings of groups of samples; returns the trained model (`gde.GDE` unless `model` says otherwise).

    It is the run that `snakemake results/<name>/model` makes of an experiment file with the same keys: same id, same
    weights bit for bit. A finished run is taken as it is, one that was stopped goes on from its checkpoint.

    data : an AnnData, which is first written to <results>/sets/<name>.h5ad; or a file: .h5ad, a table (.csv, .tsv,
    .parquet) or sequences (FASTA, FASTQ). Other data sets are described by `dataset` alone.
    groupby : the columns that together name a group.   labels : further columns to keep.
    split : what is held out: `group`, `sample`, a column, or a mapping as in YAML.
    values, layer : what the numbers of an .h5ad are, and where. values = None looks, as `gde init` does.
    dataset : its further keys, as in YAML (config/README.md), such as {"n_pcs": 20, "min_size": 10}.
    preset : smoke (seconds), laptop, paper.   keys : the other sections of an experiment: encoder, generator,
    latent_dim, objective, mixer, training, like, ...
    Files are written below `results`: sets/<name>, runs/<name>-<hash>, <name>/model.

    Raises GdeError: one line that names the key or the file, what was found, what was expected, and a remedy.
    """
    from gde.cli.train_run import train_run
    from gde.models.base import Model

    given = dict(dataset or {})
    chosen = {"groupby": listed(groupby), "labels": listed(labels), "layer": layer}
    given |= {key: value for key, value in chosen.items() if value is not None}
    if split is not None:
        given["split"] = {"by": split} if isinstance(split, str) else split
    if values is not None:
        given["values"] = values
    name, results = name or name_of(data), Path(results)
    if not isinstance(name, str) or not NAME.fullmatch(name) or name in RESERVED:
        expected = f"a letter, then letters, digits and _; none of {', '.join(RESERVED)}"
        raise bad(f"{CALL}: name", repr(name), expected, "give another")
    known = Config.model_fields
    if wrong := [key for key in keys if key in known]:
        raise bad(f"{CALL}: {wrong[0]}", "a key of config/config.yaml", "keys of an experiment", "leave it out")
    with told():
        if data is not None:
            given = described(data, given, results / "sets" / f"{name}.h5ad")
        tree = Tree(plain({**keys, "dataset": given}), {(): Mark(CALL, "")})
        top = {"preset": preset, "seed": seed, "accelerator": accelerator}
        resolved = resolve_given(name, tree, top, Path())
        sets = results / "sets" / name
        prepare(resolved, sets, results)
        model = results / name / "model"
        with own_threads():
            train_run(training_slice(resolved), sets, results / "runs", model, accelerator=accelerator)
    return Model.load(model)


def listed(names: str | Sequence[str] | None) -> list[str] | None:
    """One name as a list of it."""
    return None if names is None else [names] if isinstance(names, str) else list(names)


def name_of(data: Any) -> str:
    """What a run is called where nothing is said: as the file, or `cells`."""
    if not isinstance(data, str | Path):
        return "cells"
    from gde.cli.init import name_from

    return name_from(Path(data))


def plain(value: Any) -> Any:
    """Keys as YAML would hold them: lists for tuples, text for paths, Python's numbers for numpy's."""
    if isinstance(value, Mapping):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if isinstance(value, Path):
        return str(value)
    return value.item() if type(value).__module__ == "numpy" and getattr(value, "ndim", 1) == 0 else value


def described(data: Any, given: dict[str, Any], file: Path) -> dict[str, Any]:
    """The settings of a data set, with the kind and path of `data`; an AnnData is written to `file`."""
    from gde.readers.sequence_files import ending_of

    if not isinstance(data, str | Path):
        if not (hasattr(data, "obs") and hasattr(data, "var")):
            found, remedy = f"a {type(data).__name__}", "write it to one of them"
            raise bad(f"{CALL}: data", found, "an AnnData, or the name of a file", remedy)
        write(data, file, layer=given.get("layer"), raw=bool(given.get("use_raw")))
        data = file
    path, kind = str(data), given.get("kind")
    if kind is None:
        lower = path.lower()
        kind = "h5ad" if lower.endswith(".h5ad") else "table" if lower.endswith(TABLES) else None
        if kind is None and ending_of(path) is not None:
            kind = "sequences"
        if kind is None:
            expected = f"one that ends in .h5ad, {', '.join(TABLES)}, .fasta or .fastq"
            raise bad(f"{CALL}: {path}", "a file of another kind", expected, 'say what it is: dataset={"kind": ...}')
    own = {"kind": kind, "path": path, **given}
    if kind == "h5ad" and "values" not in own:
        own["values"] = values_of(Path(path), own)
    return own


def write(data: "anndata.AnnData", file: Path, *, layer: str | None, raw: bool) -> None:
    """Write what training reads of an AnnData: the matrix, names and `obs`. An equal file stays as it is."""
    import anndata

    from gde.files.checksums import Digests
    from gde.files.io import atomic_path, storage_errors

    if layer is not None and layer not in data.layers:
        raise bad(f"{CALL}: layer", repr(layer), f"one of {', '.join(data.layers) or 'none'}", "correct the name")
    if raw and data.raw is None:
        raise bad(f"{CALL}: dataset.use_raw", "an AnnData without .raw", "one with it", "leave it out")
    part = anndata.AnnData(
        X=None if layer is not None else data.X,
        obs=data.obs.copy(),
        var=data.var[[]].copy(),
        layers=None if layer is None else {layer: data.layers[layer]},
    )
    if raw:
        part.raw = data.raw.to_adata()
    with storage_errors(file):
        file.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(file) as tmp:
        try:
            part.write_h5ad(tmp)
        except (TypeError, ValueError, NotImplementedError) as e:
            found = f"what an .h5ad cannot hold ({str(e).splitlines()[0]})"
            raise bad(f"{CALL}: data", found, "columns of text, numbers or categories", "drop that column") from e
        if file.is_file() and Digests.of(file).sha256 == Digests.of(tmp).sha256:
            file.replace(tmp)  # as it was, with its time: what was made from it is not out of date


def values_of(path: Path, given: Mapping[str, Any]) -> str:
    """What the numbers of an .h5ad are, judged by the first cells; told in the log."""
    from gde.cli.init import CELLS_LOOKED_AT, guess_values
    from gde.readers.anndata import read_cells

    options = {"layer": given.get("layer"), "use_raw": bool(given.get("use_raw"))}
    with read_cells(path, values="scaled", **options) as cells:
        guessed = guess_values(next(cells.chunks())[1][:CELLS_LOOKED_AT])
    logging.getLogger("gde").info("%s: its numbers look like values=%r", path, guessed)
    return guessed


def prepare(resolved: Mapping[str, Any], sets: Path, results: Path) -> None:
    """Write the set store of an experiment, unless it is there and newer than the files that it is made from."""
    from gde.config.inputs import input_files
    from gde.definitions.digest import code_digest
    from gde.fetch.lockfile import check_inputs
    from gde.files.io import SUMS, read_json, sha256_json
    from gde.files.lock import LOCKS
    from gde.files.sole_writer import sole_writer
    from gde.prepare import prepare_store
    from gde.runs.code_digest import prepare_roots
    from gde.sets.store.layout import PROVENANCE

    settings = {key: resolved[key] for key in PREPARED}
    files = [Path(file) for file in input_files(resolved["dataset"]).values()]
    check_inputs(map(str, files))
    remedy = "wait for it to end, or stop it"
    with sole_writer(results / LOCKS / f"sets+{sets.name}", sets, "a job in progress that writes it", remedy):
        if (sets / SUMS).is_file() and (sets / PROVENANCE).is_file():
            record, written = read_json(sets / PROVENANCE), (sets / SUMS).stat().st_mtime
            same = record.get("config") == sha256_json(settings)
            same = same and record.get("code") == code_digest(prepare_roots(resolved))
            if same and all(file.is_file() and file.stat().st_mtime <= written for file in files):
                return
        prepare_store(settings, sets)


@contextmanager
def told() -> Iterator[None]:
    """What gde says goes to stderr, as that of the command, unless the program has a place for it."""
    log = logging.getLogger("gde")
    if log.hasHandlers():
        yield
        return
    handler, level = logging.StreamHandler(sys.stderr), log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(level)


@contextmanager
def own_threads() -> Iterator[None]:
    """Training sets the threads of torch; the program's own number comes back."""
    import torch

    threads = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(threads)
