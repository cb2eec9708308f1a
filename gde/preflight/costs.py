"""Costs: what a run of the workflow will ask for: disk, memory, GPU hours. Estimates from the sizes that are known."""

import math
import re
import shutil
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from gde.config.datasets import kind_of_data, sample_type_of
from gde.config.datasets.base import Simulated
from gde.config.inputs import input_files
from gde.files.io import canonical_json, read_json
from gde.files.product import product_file
from gde.sets.types import type_of_model
from gde.sets.types.base import SampleType

FLOAT = 4  # bytes
LIBRARIES = 450_000_000  # of a process that trains, measured with torch 2.13 on a CPU
MOST_SAMPLES = 500  # that the workflow generates of a set
RULE = re.compile(r"^rule (\w+):\n(.*?)(?=^rule |\Z)", re.M | re.S)
RUNTIME = re.compile(r"^ +runtime=(?:lambda wildcards, attempt: )?(\d+)( \* attempt)?,", re.M)
GPU = re.compile(r"^ +gpu=(?!0,)", re.M)


def disk(resolved: dict[str, Any], store: Path, *, trains: bool) -> dict[str, int | None]:
    """Bytes that an experiment will write: its set store, checkpoints and model, embeddings and samples.

    store : where the set store is, or will be.   trains : whether the training is still to be done.
    A user's files count with their sizes where a head does not tell more; None where a size is unknown before the
    data are read.
    """
    rows, features = shape(resolved, store)
    data = resolved["dataset"]
    kind = kind_of_data(data)
    if rows is not None and features is not None:
        values = rows * features * sample_type_of(data).itemsize
    else:
        files = [Path(file) for file in input_files(data).values()]
        values = sum(f.stat().st_size for f in files) if files and all(f.is_file() for f in files) else None
    out = {"set store": 0 if (store / "SHA256SUMS").is_file() else values, "checkpoints and model": None}
    if not trains:
        out["checkpoints and model"] = 0
    elif features is not None:
        sizes = model_sizes(canonical_json(model_of(resolved, features)), features)
        if sizes is not None:
            out["checkpoints and model"] = checkpoints(resolved["training"], sizes[0])
    if issubclass(kind, Simulated):
        test, validation = kind.held_out(data), data["validation_sets"]
        samples = test * min(data["test_size"], MOST_SAMPLES) * features * 2  # as they are and as features
        out["embeddings and samples"] = FLOAT * (2 * (test + validation) * resolved["latent_dim"] + samples)
    else:  # at most as many samples as there are data
        out["embeddings and samples"] = values and 2 * values
    return out


def shape(resolved: dict[str, Any], store: Path) -> tuple[int | None, int | None]:
    """Samples and features of a set store: of the one that is there, or as far as the settings and the file's own
    head tell."""
    if (store / "meta.json").is_file():
        import pandas as pd

        rows = pd.read_parquet(store / "groups.parquet", columns=["stop"])["stop"].max()
        return int(rows), read_json(store / "meta.json")["dim"]
    return kind_of_data(resolved["dataset"]).shape(resolved["dataset"])


def type_of(resolved: dict[str, Any], features: int) -> SampleType:
    """The type of samples of so many features."""
    data = resolved["dataset"]
    return replace(sample_type_of(data), shape=kind_of_data(data).sample_shape(data, features))


def units_of(config: dict[str, Any], features: int) -> dict[str, list[float]]:
    """Constants of a model (`model_of`) of samples of so many features, for building it."""
    n = type_of_model(config, features).constants
    return {"mean": [0.0] * n, "scale": [1.0] * n}


def model_of(resolved: dict[str, Any], features: int) -> dict[str, Any]:
    """The part of an experiment that its number of parameters depends on, but for what only the data tell."""
    own = type_of(resolved, features).section
    return {key: resolved[key] for key in ("model", "encoder", "generator", "latent_dim")} | own


@cache
def model_sizes(model: str, features: int) -> tuple[int, int] | None:
    """Trainable numbers of a model (canonical JSON of `model_of`) and outputs of all its layers for one position of a
    sample; built without memory, heads left out. None before the published model that it starts from is there, and
    when that is no such model."""
    import json

    import torch
    from torch import nn

    from gde.errors import GdeError
    from gde.models import model_class
    from gde.models.base import n_parameters as count

    config = json.loads(model)
    published = any(config[part].get("weights") for part in ("encoder", "generator"))
    try:
        with torch.device("meta"):
            built = model_class(config)(config, **units_of(config, features))
        layers = (nn.Linear, nn.modules.conv._ConvNd)
        widths = (m.weight.shape[0] for m in built.modules() if isinstance(m, layers))
        return count(built), sum(widths)
    except GdeError:
        if not published:
            raise
        return None  # its files are looked at, and named, where they are fetched and read


def memory(resolved: dict[str, Any], store: Path) -> int | None:
    """Bytes of memory that training takes, about: libraries, the store's pages, weights with gradients, average and the
    optimiser's slots, and what a batch makes in every layer, kept for the gradient. None where a size is unknown."""
    rows, features = shape(resolved, store)
    if features is None:
        return None
    sizes = model_sizes(canonical_json(model_of(resolved, features)), features)
    if sizes is None:
        return None
    parameters, width = sizes
    type_ = type_of(resolved, features)
    training = resolved["training"]
    values = (rows or 0) * features * type_.itemsize
    images = "images" in type_.names  # whose layers see an eighth of the pixels, on average
    positions = type_.positions // 8 if images else type_.positions
    batch = training["n_sets"] * training["set_size"] * (positions * width * 2 + features)
    return LIBRARIES + values + FLOAT * ((3 + slots(training["optimizer"])) * parameters + batch)


def slots(optimizer: dict[str, Any]) -> int:
    """Numbers that an optimiser keeps of each parameter."""
    return 2 if optimizer["kind"] != "sgd" else int(optimizer["momentum"] > 0)


def checkpoints(training: dict[str, Any], parameters: int) -> int:
    """Bytes of the checkpoints kept (the newest, the best, every `keep_every`-th and one being written), each with
    weights, their average and the optimiser's slots; and of the model, which is kept and published."""
    from gde.checkpoint import NEWEST_KEPT

    kept = min(NEWEST_KEPT + 2, math.ceil(training["steps"] / training["checkpoint_every"]) + 1)
    kept += training["steps"] // training["keep_every"] if training["keep_every"] else 0
    return FLOAT * parameters * ((2 + slots(training["optimizer"])) * kept + 2)


def free(path: Path) -> int:
    """Bytes free where `path` is or will be."""
    return shutil.disk_usage(next(p for p in (path, *path.absolute().parents) if p.exists())).free


def time_limits(root: Path) -> dict[str, tuple[int, bool]]:
    """GPU rule -> minutes of its time limit, and whether that grows with the attempt, from workflow/rules."""
    limits = {}
    for file in sorted(product_file("workflow/rules", root).glob("*.smk")):
        for name, body in RULE.findall(file.read_text()):
            if GPU.search(body) and (match := RUNTIME.search(body)):
                limits[name] = int(match[1]), bool(match[2])
    return limits


def most_hours(rule: str, limits: dict[str, tuple[int, bool]], attempts: int) -> float | None:
    """Hours that one job can be charged at most, all its attempts together; None for a rule without a limit."""
    if rule not in limits:
        return None
    minutes, grows = limits[rule]
    return minutes * (attempts * (attempts + 1) / 2 if grows else attempts) / 60
