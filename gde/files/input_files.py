"""The files that the settings of a data set name: the configuration says of them what is read, and `prepare` reads
them. Light: read at once."""

from collections.abc import Mapping
from glob import glob
from pathlib import Path
from typing import Any

from gde.files.product import product_file

LINEAGE = {
    "counts": "stateFate_inVitro_normed_counts.mtx.gz",
    "genes": "stateFate_inVitro_gene_names.txt.gz",
    "clones": "stateFate_inVitro_clone_matrix.mtx.gz",
    "metadata": "stateFate_inVitro_metadata.txt.gz",
}
REFERENCES = Path("resources/references")  # come with the product
# Where the files of a virus are unless told
VIRUS = {
    "nextstrain": {
        "sequences": "resources/virus/aligned.fasta.zst",
        "metadata": "resources/virus/metadata.tsv.zst",
    },
    "gisaid": {"sequences": "resources/gisaid/spikeprot.fasta"},
}

# The folder that Cell Ranger writes; genes.tsv until its version 2
TENX = {"matrix": ("matrix.mtx",), "features": ("features.tsv", "genes.tsv"), "barcodes": ("barcodes.tsv",)}


def expand(path: str) -> str:
    """A path with the home directory in the place of ~; of a shipped reference, the product's where there is no own."""
    given = Path(path).expanduser()
    return str(product_file(given) if given.parent == REFERENCES else given)


def lineage_files(dataset: Mapping[str, Any]) -> dict[str, str]:
    """The four files of the lineage-tracing release, by what they hold."""
    return {key: f"{expand(dataset['folder'])}/{name}" for key, name in LINEAGE.items()}


def screen_files(dataset: Mapping[str, Any]) -> dict[str, str]:
    """The file of each cell line of a screen; those set to null are left out."""
    return {line: expand(file) for line, file in dataset["files"].items() if file}


def vectors_file(dataset: Mapping[str, Any]) -> str | None:
    """The file of vectors that describe the perturbed genes of a screen; None where they are from elsewhere."""
    vectors = dataset["vectors"] or {}
    return expand(vectors["path"]) if "path" in vectors else None


def condition_files(dataset: Mapping[str, Any]) -> dict[str, str]:
    """The file of each condition in which promoters were measured."""
    return {condition: expand(file) for condition, file in dataset["files"].items()}


def virus_files(dataset: Mapping[str, Any]) -> dict[str, str]:
    """The file of sequences, and of Nextstrain the table that tells of them, by the key that names them."""
    given = {key: dataset[key] or file for key, file in VIRUS[dataset["source"]].items()}
    return {key: expand(file) for key, file in given.items()}


def baseline_listing(dataset: Mapping[str, Any]) -> Path | None:
    """Where the names of PubMed's files stand, found when they are fetched; None where the settings name files."""
    return None if dataset["files"] else Path(f"resources/pubmed/baseline_{dataset['baseline']}.json")


def tenx_files(path: Path) -> dict[str, Path]:
    """The file of Cell Ranger's matrix, or of a folder of it the three files, packed or not, by what they hold; the
    usual name of one that is not there."""
    if not path.is_dir():
        return {"matrix": path}
    files = {key: [path / f"{name}{end}" for name in names for end in (".gz", "")] for key, names in TENX.items()}
    return {key: next((file for file in some if file.is_file()), some[0]) for key, some in files.items()}


def cifar_files(dataset: Mapping[str, Any]) -> dict[str, str]:
    """The archive of CIFAR-10, or the files of pictures in the folder that came out of it."""
    path = Path(expand(dataset["path"]))
    files = sorted(path.glob("*.bin")) if path.is_dir() else []
    return {f"path ({file.name})": str(file) for file in files} or {"path": str(path)}


def is_pattern(file: str) -> bool:
    """Whether a name of `dataset.files` stands for all files like it."""
    return bool(set("*?[") & set(file))


def pattern_files(dataset: Mapping[str, Any]) -> dict[str, str]:
    """The files of `dataset.files`: those named, and those that patterns find, sorted; a pattern that finds none
    stands for itself."""
    out: dict[str, str] = {}
    for given in map(expand, dataset["files"]):
        found = sorted(glob(given)) if is_pattern(given) else [given]
        for file in found or [given]:
            name = Path(file).name
            if file not in out.values():
                out[f"files ({name})" if f"files ({name})" not in out else f"files ({file})"] = file
    return out
