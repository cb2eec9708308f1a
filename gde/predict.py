"""Predicted cells of perturbations, tried or not, beside the control cells that they are predicted from."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from gde.embed import default_rows, embed_store, encode_sets, origin, read_set
from gde.errors import bad
from gde.export.h5ad import write_anndata
from gde.files.io import sha256_file
from gde.models.base import Model
from gde.prepare.perturb_seq_query import CONDITION, Columns, new_vectors, screen_store, trained_controls
from gde.runs.code_digest import predict_roots
from gde.sets.companions import control_of
from gde.sets.random import seed_of
from gde.sets.store.columns import joint
from gde.sets.store.set_store import SetStore

if TYPE_CHECKING:
    import anndata

log = logging.getLogger(__name__)

CONTROLS = 2000  # of a context at most, beside the predictions; all of them are embedded
AT_MOST = 500  # cells of a prediction in the workflow
ROUNDING = 1e-5  # of expression that was scaled and back; a single count is a hundred times as much
PREDICTED = "predicted from control cells and a condition by a model that was not shown these cells"
OBSERVED = "cells of the data, as the model takes them"


@dataclass(frozen=True)
class Screen:
    """A set store whose groups are controls and perturbed cells in contexts, such as cell lines.

    condition (G,) str; control (G,) bool; context (G,) tuples, values of the columns `within`.   names : the column of
    conditions and what controls are called in it, as they are written.
    """

    store: SetStore
    condition: np.ndarray
    control: np.ndarray
    context: list[tuple[str, ...]]
    within: list[str]
    names: tuple[str, str]

    def groups(self, key: tuple[str, ...], condition: str | None = None) -> list[int]:
        """The groups of a context that have a condition, None = its controls."""
        own = self.control if condition is None else ~self.control & (self.condition == condition)
        return [g for g in np.flatnonzero(own) if self.context[g] == key]

    def contexts(self) -> list[tuple[str, ...]]:
        """The contexts that have controls, sorted."""
        return sorted({key for key, control in zip(self.context, self.control, strict=True) if control})


Wanted = Sequence[tuple[str, tuple[str, ...], int]]  # condition, context, cells


@torch.no_grad()
def predict(model: Model, screen: Screen, wanted: Wanted, *, seed: int) -> "anndata.AnnData":
    """Cells of every wanted condition in its context, generated from the embedding that the model predicts from the
    controls there; and those controls, at most CONTROLS of a context.

    Columns and rows as `observed`; obsm['X_features'] : the samples as the model makes them.
    GdeError for conditions that the model does not know.
    """
    rng, generator = np.random.default_rng(seed_of(seed, "controls")), torch.Generator(model.device).manual_seed(seed)
    parts, z = [], {}
    for key in sorted({key for _, key, _ in wanted}):
        groups = screen.groups(key)
        if not groups:
            what = ", ".join(map(str, key)) or "the file"
            raise bad(screen.store.path, f"no controls in {what}", "some", "give controls of every context")
        z[key] = torch.from_numpy(_embedding(model, screen.store, groups)).to(model.device)
        parts.append((_some(screen.store, groups, CONTROLS, rng), screen.names[1], key, False))
    for condition, key, n in wanted:
        moved = model.predict_perturbed(z[key], condition)
        parts.append((model.sample(moved, n, generator=generator)[0].cpu().numpy(), condition, key, True))
    return _as_anndata(model, screen, parts, features=True)


def observed(model: Model, screen: Screen, wanted: Wanted, *, seed: int) -> "anndata.AnnData":
    """The cells that the data have of every wanted condition, as many at most, and the controls of `predict`: what a
    prediction is compared with.

    X : (n, genes) float32 log-normalised expression, or the data's own units where they were scaled. obs : the column
    of conditions, those of contexts, and `generated`. GdeError for a condition without cells.
    """
    rng = np.random.default_rng(seed_of(seed, "controls"))
    parts = []
    for key in sorted({key for _, key, _ in wanted}):
        parts.append((_some(screen.store, screen.groups(key), CONTROLS, rng), screen.names[1], key, False))
    for condition, key, n in wanted:
        parts.append((_some(screen.store, screen.groups(key, condition), n, rng), condition, key, False))
    return _as_anndata(model, screen, parts, features=False)


def _embedding(model: Model, store: SetStore, groups: list[int]) -> np.ndarray:
    """Embedding (1, l) of the samples of some groups together."""
    if len(groups) == 1:
        return embed_store(model, store, np.array(groups), se=False)[0]
    x = np.concatenate([read_set(store, g)[0] for g in groups])
    return encode_sets(model, iter([x]), default_rows(model))


def _some(store: SetStore, groups: list[int], n: int, rng: np.random.Generator) -> np.ndarray:
    """At most n samples (m, d) of some groups, drawn without replacement, in the store's order."""
    x = np.concatenate([read_set(store, g)[0] for g in groups])
    return x if len(x) <= n else x[np.sort(rng.choice(len(x), n, replace=False))]


def _as_anndata(model: Model, screen: Screen, parts: list[tuple], *, features: bool) -> "anndata.AnnData":
    import anndata
    import pandas as pd

    counts = [len(x) for x, *_ in parts]
    of, contexts, generated = ([part[i] for part in parts] for i in (1, 2, 3))
    obs = pd.DataFrame({screen.names[0]: pd.Categorical(np.repeat(np.array(of, object), counts))})
    for i, name in enumerate(screen.within):
        obs[name] = pd.Categorical(np.repeat(np.array([key[i] for key in contexts], object), counts))
    obs["generated"] = np.repeat(generated, counts)
    named = ["|".join([condition, *key]) for condition, key in zip(of, contexts, strict=True)]
    obs.index = [f"{name}-{i}" for name, n in zip(named, counts, strict=True) for i in range(n)]
    x = np.concatenate([_expression(model, x) for x, *_ in parts])
    result = anndata.AnnData(x, obs=obs)
    result.var_names = model.features.names if model.features else [f"x{i}" for i in range(x.shape[1])]
    if features:
        result.obsm["X_features"] = np.concatenate([x for x, *_ in parts])
    return result


def _expression(model: Model, x: np.ndarray) -> np.ndarray:
    """Samples (n, d) in the units of the data (n, genes) float32; a zero that was scaled is zero again, since programs
    that rank cells would find the generated ones below."""
    if model.features is None:
        return np.asarray(x, np.float32)
    y = model.features.expression(x).astype(np.float32)
    if model.features.cfg["values"] != "scaled":
        y[y < ROUNDING] = 0
    return y


def check_predicts(model: Model) -> None:
    """GdeError for a model that predicts no perturbations."""
    if "perturbation" not in getattr(model, "heads", {}):
        found = f"one trained with objective {model.config['objective']['kind']!r}"
        raise bad("model", found, "one trained with `objective: {kind: perturbation, ...}`", "name another model")


def know(model: Model, conditions: Sequence[str]) -> None:
    """Let a model know conditions that its data did not have, by vectors of the file that it was trained with.

    GdeError where there are none.
    """
    head = model.heads["perturbation"]
    if new := sorted(set(conditions) - set(head.conditions.names)):
        head.extend(new, torch.from_numpy(new_vectors(model, new)))
        log.info("%d conditions that the model's data did not have, by their vectors", len(new))


def predict_file(
    model: Model,
    path: Path,
    conditions: Sequence[str],
    out: Path,
    *,
    columns: Columns | None = None,
    n: int = 500,
    seed: int = 0,
    compared: Path | None = None,
    **options: Any,
) -> "anndata.AnnData":
    """Write into `out` n predicted cells of every condition in every context of the controls in an .h5ad file, beside
    these, and into `compared` the cells that the file has of the conditions, with those same controls.

    options : layer, use_raw, totals. With `compared`, conditions are predicted in the contexts where the file has
    cells of them. Returns what `out` holds. GdeError as `screen_store` and `know`, and for a condition that the file
    lacks.
    """
    check_predicts(model)
    columns = columns or Columns()
    for control in (columns.control, *trained_controls(model)[1]):
        if control in conditions:
            raise bad("--condition", repr(control), "a perturbation", "leave it out: controls are written anyway")
    know(model, conditions)
    with screen_store(model, path, columns, conditions if compared else (), **options) as (store, own):
        condition = store.groups[CONDITION].astype(str).to_numpy(dtype=object)
        context = joint(store, own.within, "--within").tolist()
        names = own.condition, own.control
        screen = Screen(store, condition, condition == own.control, context, list(own.within), names)
        every = [(c, key, n) for c in dict.fromkeys(conditions) for key in screen.contexts()]
        if compared:
            every = [(c, key, n) for c, key, _ in every if screen.groups(key, c)]
            if lost := [c for c in conditions if c not in {c for c, *_ in every}]:
                where, expected = f"{path}: obs.{own.condition}", "cells of every condition to compare with"
                raise bad(where, f"no cells of {lost[0]!r}", expected, "leave it out, or --observed")
        inputs = {"data": sha256_file(path)}
        return _write(model, screen, every, inputs, seed, out, compared)


def predict_test_sets(
    model_dir: Path, store_dir: Path, out: Path, compared: Path, *, device: torch.device, at_most: int = AT_MOST
) -> None:
    """Predict, for every held-out perturbation of a set store, as many cells as it has (at most `at_most`) from the
    controls of its context, into `out`; the cells themselves go into `compared`.

    GdeError where the model can predict none of them.
    """
    model, store = Model.load(model_dir, device=device), SetStore.open(store_dir)
    check_predicts(model)
    objective = model.config["objective"]
    name, value = trained_controls(model)[0], store.meta.get("control")
    if objective["control"] is not None:
        value = objective["control"][name]
    names, control = control_of(store, {name: value})
    context = joint(store, objective["within"], "objective.within").tolist()
    held_out = ~control & (store.groups["split"] == "test").to_numpy()
    condition = np.where(held_out | control, names, "")  # what trained of a condition is no part of the comparison
    screen = Screen(store, condition, control, context, list(objective["within"]), (name, str(value)))
    test = np.flatnonzero(held_out)
    known, contexts = set(model.heads["perturbation"].conditions.names), set(screen.contexts())
    own = [g for g in test if screen.condition[g] in known and context[g] in contexts]
    if len(own) < len(test):
        left = len(test) - len(own)
        log.info("%d of %d held-out groups are not predicted: no vector, or no controls", left, len(test))
    if not own:
        found = "no held-out perturbation that the model knows, with controls"
        raise bad(store.path, found, "one or more", "set objective.conditions: vectors")
    size: dict[tuple, int] = {}
    for g in own:
        size[screen.condition[g], context[g]] = size.get((screen.condition[g], context[g]), 0) + int(store.sizes[g])
    wanted = [(condition, key, min(n, at_most)) for (condition, key), n in size.items()]
    _write(model, screen, wanted, {"store": store.digest}, model.config["seed"], out, compared)


def _write(
    model: Model, screen: Screen, wanted: Wanted, inputs: dict[str, str], seed: int, out: Path, compared: Path | None
) -> "anndata.AnnData":
    record = origin(model, inputs, seed, predict_roots)
    about = {
        "run": model.config.get("run", ""),
        "provenance": record,
        "control": dict(zip(("column", "name"), screen.names, strict=True)),
    }
    result = predict(model, screen, wanted, seed=seed)
    result.uns["gde"] = {**about, "samples": PREDICTED}
    if compared is not None:
        real = observed(model, screen, wanted, seed=seed)
        real.uns["gde"] = {**about, "samples": OBSERVED}
        write_anndata(real, compared)
    write_anndata(result, out)
    return result
