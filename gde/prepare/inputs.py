"""Which files a data set is made from: what the workflow fetches and checks before `prepare`. Light: read at once."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

LINEAGE = {
    "counts": "stateFate_inVitro_normed_counts.mtx.gz",
    "genes": "stateFate_inVitro_gene_names.txt.gz",
    "clones": "stateFate_inVitro_clone_matrix.mtx.gz",
    "metadata": "stateFate_inVitro_metadata.txt.gz",
}


def lineage_files(dataset: Mapping[str, Any]) -> dict[str, str]:
    """The four files of the lineage-tracing release, by what they hold."""
    return {key: f"{_expand(dataset['folder'])}/{name}" for key, name in LINEAGE.items()}


def screen_files(dataset: Mapping[str, Any]) -> dict[str, str]:
    """The file of each cell line of a screen; those set to null are left out."""
    return {line: _expand(file) for line, file in dataset["files"].items() if file}


def input_files(dataset: Mapping[str, Any]) -> dict[str, str]:
    """Key of the data set's settings -> file, for every file it is made from; {} for simulated and bundled ones."""
    if dataset["kind"] == "lineage_tracing":
        return {f"folder ({key})": file for key, file in lineage_files(dataset).items()}
    if dataset["kind"] == "perturb_seq":
        files = {f"files.{line}": file for line, file in screen_files(dataset).items()}
        vectors = dataset["vectors"] or {}
        return files | ({"vectors.path": _expand(vectors["path"])} if "path" in vectors else {})
    return {"path": _expand(dataset["path"])} if "path" in dataset else {}


def _expand(path: str) -> str:
    return str(Path(path).expanduser())
