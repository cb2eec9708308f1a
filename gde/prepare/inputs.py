"""Which files a data set is made from: what the workflow fetches and checks before `prepare`. Light: read at once."""

import os
from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase
from glob import glob
from pathlib import Path
from typing import Any

LINEAGE = {
    "counts": "stateFate_inVitro_normed_counts.mtx.gz",
    "genes": "stateFate_inVitro_gene_names.txt.gz",
    "clones": "stateFate_inVitro_clone_matrix.mtx.gz",
    "metadata": "stateFate_inVitro_metadata.txt.gz",
}
# Where the files of a virus are unless told
VIRUS = {
    "nextstrain": {
        "sequences": "resources/virus/aligned.fasta.zst",
        "metadata": "resources/virus/metadata.tsv.zst",
    },
    "gisaid": {"sequences": "resources/gisaid/spikeprot.fasta"},
}


def lineage_files(dataset: Mapping[str, Any]) -> dict[str, str]:
    """The four files of the lineage-tracing release, by what they hold."""
    return {key: f"{_expand(dataset['folder'])}/{name}" for key, name in LINEAGE.items()}


def screen_files(dataset: Mapping[str, Any]) -> dict[str, str]:
    """The file of each cell line of a screen; those set to null are left out."""
    return {line: _expand(file) for line, file in dataset["files"].items() if file}


def pattern_files(dataset: Mapping[str, Any]) -> dict[str, str]:
    """The files of `dataset.files`: those named, and those that patterns find, sorted; a pattern that finds none
    stands for itself."""
    out: dict[str, str] = {}
    for given in map(_expand, dataset["files"]):
        found = sorted(glob(given)) if is_pattern(given) else [given]
        for file in found or [given]:
            name = Path(file).name
            if file not in out.values():
                out[f"files ({name})" if f"files ({name})" not in out else f"files ({file})"] = file
    return out


def condition_files(dataset: Mapping[str, Any]) -> dict[str, str]:
    """The file of each condition in which promoters were measured."""
    return {condition: _expand(file) for condition, file in dataset["files"].items()}


def listed_files(dataset: Mapping[str, Any]) -> Path | None:
    """Where the names of those files stand that are found in a listing when they are fetched; None for other data."""
    if dataset["kind"] != "pubmed" or dataset["files"]:
        return None
    return Path(f"resources/pubmed/baseline_{dataset['baseline']}.json")


def virus_files(dataset: Mapping[str, Any]) -> dict[str, str]:
    """The file of sequences, and of Nextstrain the table that tells of them, by the key that names them."""
    given = {key: dataset[key] or file for key, file in VIRUS[dataset["source"]].items()}
    return {key: _expand(file) for key, file in given.items()}


def is_pattern(file: str) -> bool:
    """Whether a name of `dataset.files` stands for all files like it."""
    return bool(set("*?[") & set(file))


def input_files(dataset: Mapping[str, Any]) -> dict[str, str]:
    """Key of the data set's settings -> file, for every file it is made from; {} for simulated and bundled ones."""
    if dataset["kind"] == "lineage_tracing":
        return {f"folder ({key})": file for key, file in lineage_files(dataset).items()}
    if dataset["kind"] == "perturb_seq":
        files = {f"files.{line}": file for line, file in screen_files(dataset).items()}
        vectors = dataset["vectors"] or {}
        return files | ({"vectors.path": _expand(vectors["path"])} if "path" in vectors else {})
    if dataset["kind"] == "methylation":
        more = {key: _expand(dataset[key]) for key in ("genome", "samples") if dataset[key]}
        return pattern_files(dataset) | more
    if dataset["kind"] == "pubmed":
        return pattern_files(dataset) if dataset["files"] else {}
    if dataset["kind"] == "gpra":
        return {f"files.{condition}": file for condition, file in condition_files(dataset).items()}
    if dataset["kind"] == "virus":
        return virus_files(dataset)
    return {"path": _expand(dataset["path"])} if "path" in dataset else {}


def named(dataset: Mapping[str, Any]) -> Callable[[str], bool]:
    """Whether a path is a file that the settings name, or that one of their patterns would find."""
    files = set(map(os.path.normpath, input_files(dataset).values()))
    given = (dataset["files"] or ()) if dataset["kind"] in ("methylation", "pubmed") else ()
    patterns = [os.path.normpath(_expand(file)) for file in given if is_pattern(file)]
    return lambda path: os.path.normpath(path) in files or any(fnmatchcase(path, p) for p in patterns)


def own_files(dataset: Mapping[str, Any], published: Iterable[str]) -> dict[str, str]:
    """`input_files` without those at the `published` paths, and without patterns that these fit."""
    paths = set(map(os.path.normpath, published))
    return {
        key: file
        for key, file in input_files(dataset).items()
        if os.path.normpath(file) not in paths
        and not (is_pattern(file) and any(fnmatchcase(path, os.path.normpath(file)) for path in paths))
    }


def evaluation_files(evaluation: Mapping[str, Any]) -> dict[str, str]:
    """Key and path of the files that metrics are computed with."""
    return {key: _expand(evaluation[key]) for key in ("motifs", "reference") if evaluation.get(key)}


def _expand(path: str) -> str:
    return str(Path(path).expanduser())
