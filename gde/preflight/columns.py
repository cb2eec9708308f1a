"""Columns: what the files of a data set tell in seconds: whether their columns and names fit the settings."""

from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from gde.config.datasets import kind_of_data
from gde.config.inputs import input_files
from gde.errors import GdeError

# Of files whose columns cannot be read alone, bytes that are read in some seconds; larger ones wait for `prepare`.
MOST = 50_000_000
COLUMNS_ALONE = (".h5ad", ".parquet", ".pq", ".pat.gz", ".pat", ".bam")  # or only their names are looked at


def misfits(experiments: dict[str, dict[str, Any]], stores: dict[str, Path]) -> Iterator[GdeError]:
    """What `prepare` would refuse, of each store that is not there yet and whose files are. stores : by experiment."""
    seen: set[Path] = set()
    for name, resolved in experiments.items():
        store, dataset = stores[name], resolved["dataset"]
        if store in seen or (store / "SHA256SUMS").is_file():
            continue
        seen.add(store)
        if (examine := examiner(dataset)) is not None and readable(dataset):
            try:
                examine(dataset)
            except GdeError as e:
                yield GdeError(f"config/experiments/{name.partition('/')[0]}.yaml: {e}")


def examiner(dataset: dict[str, Any]) -> Callable[[dict[str, Any]], None] | None:
    """The function that looks at the files of a kind of data, if it has one."""
    named = kind_of_data(dataset).examine
    if named is None:
        return None
    module, _, function = named.partition(":")
    return getattr(import_module(module), function)


def readable(dataset: dict[str, Any]) -> bool:
    """Whether the files are there, and their columns read in seconds."""
    if not all(Path(file).is_file() for file in input_files(dataset).values()):
        return False
    kind = kind_of_data(dataset)
    read = [Path(file) for file in kind.examined_files(dataset).values()]
    return sum(file.stat().st_size for file in read if kind.whole or not file.name.endswith(COLUMNS_ALONE)) <= MOST
