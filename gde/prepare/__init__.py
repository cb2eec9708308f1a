"""Preparation: one module per source of data: prepare(cfg, out, *, name, seed, provenance) writes a set store, or
raises and leaves nothing."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from gde.config.datasets import DATASETS


def prepare_of(kind: str) -> Callable[..., None]:
    """The function that writes the set store of a kind of data set."""
    module, function = DATASETS[kind].prepare.split(":")
    return getattr(import_module(module), function)


def prepare_store(settings: dict[str, Any], out: Path) -> None:
    """Write the set store of an experiment at `out`, with the record of where it came from.

    settings : `name`, `seed` and `dataset` of the resolved experiment.
    """
    from gde.definitions.digest import code_digest
    from gde.runs.code_digest import prepare_roots
    from gde.runs.provenance import provenance

    dataset, seed = settings["dataset"], settings["seed"]
    seeds = {"experiment": seed} | ({"split": dataset["split"]["seed"]} if dataset.get("split") else {})
    record = provenance(settings, code=code_digest(prepare_roots(settings)), seeds=seeds, inputs={})
    prepare = prepare_of(dataset["kind"])
    prepare(dataset, Path(out), name=settings["name"], seed=seed, provenance={"dataset": dataset, **record})
