"""Evaluation: from a model and a set store to metrics.json and the source tables of the figures."""

import json
import logging
import os
from importlib import import_module
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from gde.errors import bad
from gde.files.io import atomic_dir, read_json
from gde.files.seals import write_sealed_json

log = logging.getLogger(__name__)


def run(
    model_dir: str | os.PathLike,
    store_path: str | os.PathLike,
    resolved: dict[str, Any],
    metrics_out: str | os.PathLike,
    tables_out: str | os.PathLike,
    *,
    device: str | torch.device = "cpu",
) -> None:
    """Evaluate a trained model on a store's held-out sets; writes `metrics_out` and the directory `tables_out`.

    Either both appear whole or the last ones stay. What was left out, and why, and what makes a metric mean less than
    it seems to (`marks`) is written and logged. Raises GdeError when a metric cannot be computed: NaN is never written.
    """
    from gde.config.evaluations import EVALUATIONS
    from gde.definitions.digest import code_digest
    from gde.evaluate.shared.context import Context
    from gde.evaluate.shared.left_out import left_out
    from gde.evaluate.shared.marks import marks
    from gde.evaluate.shared.metrics import check, published
    from gde.evaluate.shared.tables import left_out_table, write_tables
    from gde.models.base import Model
    from gde.runs.code_digest import evaluation_roots
    from gde.runs.provenance import provenance
    from gde.sets.store.set_store import SetStore

    model_dir = Path(model_dir)
    kind = resolved["evaluation"]["kind"]
    if kind not in EVALUATIONS:
        raise bad("evaluation.kind", repr(kind), f"one of {', '.join(EVALUATIONS)}", "choose one of them")
    store = SetStore.open(store_path)
    model = Model.load(model_dir, device=device)
    trained = read_json(model_dir / "config.json")
    module, function = EVALUATIONS[kind].evaluate.split(":")
    as_trained = resolved | {key: trained[key] for key in ("training",) if key in trained}  # with what the data decided
    ctx = Context(model, store, as_trained, resolved["seed"])
    with torch.no_grad(), model.encoder.unchanging():
        metrics, tables = getattr(import_module(module), function)(ctx)
    check(metrics)
    for name, metric in metrics.items():
        metric["published"] = published(resolved, name)
        metric["marks"] += marks(metric)
        for mark in metric["marks"]:
            log.info("%s, %.4g: %s", name, metric["value"], mark)
    left = left_out(EVALUATIONS[kind].metrics, metrics, ctx.left)
    for one in left:
        log.info("left out: %s: %s", one["what"], one["why"])
    tables.setdefault("left_out", left_out_table(ctx.left))
    if (model_dir / "log.jsonl").is_file():
        tables["loss"] = loss_table(model_dir / "log.jsonl")
    settings = {key: value for key, value in resolved.items() if key not in ("description", "preset")}
    code, inputs = code_digest(evaluation_roots(resolved)), {"model": model.digest, "store": store.digest}
    seeds = {"experiment": resolved["seed"]}
    record = provenance(settings, code=code, seeds=seeds, inputs=inputs, device=device)
    with atomic_dir(tables_out) as tmp:
        write_tables(tmp, tables)
    write_sealed_json(
        metrics_out,
        {
            "experiment": resolved["name"],
            "run": trained["run"],
            "data": store.meta["data"],
            "seed": resolved["seed"],
            "device": str(device),
            "budget": trained["budget"],
            "held_out": held_out(store),
            "provenance": record,
            "left_out": left,
            "metrics": metrics,
        },
    )


def held_out(store: Any) -> int:
    """Held-out groups of a store, of which figures may draw some; of a family those of the training distribution."""
    return len(store.select(split="test", **({"distribution": "strict"} if "family" in store.meta else {})))


def loss_table(log: Path) -> pd.DataFrame:
    """Long table of a run's log.jsonl: step, quantity (train | validation), loss; GdeError names a broken line."""
    rows = []
    for number, line in enumerate(log.read_text().splitlines(), 1):
        try:
            entry = json.loads(line)
        except json.JSONDecodeError as e:
            raise bad(f"{log}:{number}", "a line that is not JSON", "one JSON object a line", "train again") from e
        for key, quantity in (("loss", "train"), ("validation", "validation")):
            if entry.get(key) is not None:
                rows.append((entry["step"], quantity, entry[key]))
    return pd.DataFrame(rows, columns=["step [1]", "quantity", "loss [1]"])
