"""Evaluation on held-out perturbations: predicted shifts and cells against true ones, noise ceilings and baselines."""

from typing import Any

import numpy as np
import pandas as pd
import torch

from gde.distances.energy import energy_distance
from gde.errors import bad
from gde.evaluate.cells.clones import embedded, samples
from gde.evaluate.cells.effect_baselines import baselines
from gde.evaluate.cells.effect_tables import cells_table, gene_table, rank_table, shift_table
from gde.evaluate.cells.effects import (
    CONTROL_CELLS,
    Controls,
    Effects,
    Genes,
    batches_of,
    genes_of,
    matched_rows,
    true_effects,
)
from gde.evaluate.cells.null_effects import null_auc
from gde.evaluate.cells.perturbation_records import Sources, records
from gde.evaluate.shared.context import Context, Results
from gde.evaluate.shared.tables import left_out_table
from gde.sets.store.annotations import has, rows_of
from gde.sets.vectors import Vectors, load_vectors

MATCHED = 1000  # controls that a prediction starts from
COMPARED = 300  # cells of a perturbation in the energy distance


def evaluate(ctx: Context) -> Results:
    """Records and tables of the held-out perturbations, each protocol apart.

    zero_shot : the condition trains in no context; transfer : it trains in other contexts (cell lines).
    Shifts are compared in units of expression (log1p) where the model knows its preprocessing.
    """
    ctx = ctx.drawing("effects")
    store, options, rng = ctx.store, ctx.options, ctx.rng
    batches = batches_of(store, options["batch"])
    effects, controls = true_effects(store, ctx.config["objective"], batches, rng)
    genes, vectors = genes_of(ctx.model), load_vectors(store)
    if options["batch"] is None or not has(store, options["batch"]):
        why = "evaluation.batch names no column" if options["batch"] is None else f"samples have no {options['batch']}"
        ctx.leave_out("matched shifts", f"{why}: shifts are against all controls")
    known = set(ctx.model.heads["perturbation"].conditions.names)
    if ctx.config["objective"]["conditions"] != "learned" and vectors is not None and vectors.lost:
        known -= set(vectors.lost)  # all of them have one vector, the mean
        number = f"{len(vectors.lost)} of {len(vectors.names)} conditions"
        ctx.leave_out("vectors", f"{number} have none: the mean stands for it, which tells nothing")
    metrics: dict[str, dict] = {}
    parts = []
    for protocol in ("zero_shot", "transfer"):
        every = np.flatnonzero(effects.protocol == protocol)
        test = np.array([i for i in every if effects.condition[i] in known], dtype=int)
        if len(every) > len(test):
            without = f"{len(every) - len(test)} of {len(every)} groups"
            ctx.leave_out(protocol, f"{without}: no vector describes their condition to the model")
        if len(test) < 2:
            ctx.leave_out(protocol, f"{len(test)} groups to predict")
            continue
        matched = [
            matched_rows(controls[effects.context[i]], batches, batches[rows_of(store, effects.rows[i])], MATCHED, rng)
            for i in test
        ]
        sources = predict(ctx, effects, matched, test, vectors)
        found, scores = records(ctx, protocol, effects.where(test), sources, genes, spread(store, controls, genes))
        metrics |= found
        parts.append((protocol, effects.where(test), sources, scores))
    if not metrics:
        remedy = "set objective.conditions: vectors, with a vector of each (dataset.vectors), or hold out others"
        found = "; ".join(f"{a}: {b}" for a, b in ctx.left)
        raise bad(store.path, found, "held-out perturbations to predict", remedy)
    if options["null"] is None:
        ctx.leave_out("effect/null_auc", "evaluation.null names no column: it is not known what does nothing")
    else:
        metrics["effect/null_auc"] = null_auc(ctx, effects, controls)
    tables = {
        "perturbations": gene_table(store, parts, genes),
        "shifts": shift_table(parts, genes, options["shown"]),
        "ranks": rank_table(parts),
        "cells": cells_table(ctx, controls, parts),
        "left_out": left_out_table(ctx.left),
    }
    return metrics, tables


def predict(
    ctx: Context, effects: Effects, matched: list[np.ndarray], test: np.ndarray, vectors: Vectors | None
) -> Sources:
    """Predictions for the groups at `test`: of the model, of the model given another condition, of the baselines; and
    the energy distances of cells.

    matched : rows of the controls that each group starts from, of the batches that its cells are from.
    """
    model, store, rng = ctx.model, ctx.store, ctx.rng
    z = torch.from_numpy(embedded(model, store, matched)).float().to(model.device)
    condition = effects.condition[test].tolist()
    moved = model.predict_perturbed(z, condition)
    # each the vector of another one: a cyclic shift of a random order has no fixed point
    order, other = rng.permutation(len(test)), np.empty(len(test), int)
    other[order] = np.roll(order, 1)
    wrong = model.predict_perturbed(z, [condition[i] for i in other])
    before = model.predict_mean(z)
    shifts = {"model": model.predict_mean(moved) - before, "shuffled_conditions": model.predict_mean(wrong) - before}
    shifts = {name: s.double().cpu().numpy() for name, s in shifts.items()}
    draw = ctx.generator("perturbed")
    n, generated, cells, energies = ctx.options["generated"], [], [], []
    shifts |= baselines(effects, test, vectors, rng)
    for j, i in enumerate(test):
        made, plain = (model.sample(e[j : j + 1], n, generator=draw)[0].cpu() for e in (moved, z))
        generated.append((made.double().mean(0) - plain.double().mean(0)).numpy())
        cells.append(made.numpy())
        energies.append(energy(store, effects.rows[i], matched[j], made, {k: v[j] for k, v in shifts.items()}, rng))
    shifts["generated"] = np.stack(generated)
    return Sources(shifts, pd.DataFrame(energies), cells)


def energy(store, group: int, matched: np.ndarray, made: torch.Tensor, shifts: dict, rng) -> dict[str, float]:
    """Energy distance of each source's cells to the real ones of a group; baselines move its controls by their shift.

    ceiling : between two halves of the real cells.
    """
    real = np.asarray(store.read(group), dtype=np.float32).reshape(-1, made.shape[1])
    real = real[rng.permutation(len(real))[:COMPARED]]
    control = samples(store, rng.permutation(matched)[:COMPARED]).reshape(-1, made.shape[1])
    sources = {"model": made}
    for name, shift in shifts.items():
        if name not in ("model", "shuffled_conditions"):
            sources[name] = torch.from_numpy(control + shift.astype(np.float32))
    target = torch.from_numpy(real)[None]
    out = {name: float(energy_distance(x[None], target, unbiased=True)) for name, x in sources.items()}
    half = len(real) // 2
    if half >= 2:
        out["ceiling"] = float(energy_distance(target[:, :half], target[:, half : 2 * half], unbiased=True))
    return out


def spread(store: Any, controls: dict[str, Controls], genes: Genes) -> dict[str, np.ndarray]:
    """Standard deviation (genes,) of expression among the controls of each context, floored at its tenth percentile."""
    out = {}
    for context, of in controls.items():
        x = np.asarray(store.x[of.rows[:CONTROL_CELLS]], dtype=float).reshape(min(len(of.rows), CONTROL_CELLS), -1)
        sd = genes(x - x.mean(0)).std(0)
        out[context] = np.maximum(sd, max(np.quantile(sd, 0.1), 1e-6))
    return out
