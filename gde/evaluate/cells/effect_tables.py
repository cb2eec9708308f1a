"""Source tables of held-out perturbations: one row per gene, shifts, ranks and cells to draw."""

from typing import Any

import numpy as np
import pandas as pd

from gde.evaluate.cells.effect_scores import correlation
from gde.evaluate.cells.effects import Controls, Effects, Genes
from gde.evaluate.cells.perturbation_records import Sources, own_gene
from gde.evaluate.shared.context import Context
from gde.evaluate.shared.pca import two_components
from gde.evaluate.shared.tables import principal_columns

Part = tuple[str, Effects, Sources, pd.DataFrame]  # protocol, groups, predictions, scores
CELLS = 150
GENES = 400  # genes of a scatter plot, those that shift most
EXPRESSION = "[log1p]"


def gene_table(store: Any, parts: list[Part], genes: Genes) -> pd.DataFrame:
    """One row per held-out perturbation: every score, the cells it has, and the shift of its own gene, if measured."""
    frames = []
    for protocol, effects, sources, scores in parts:
        truth, predicted = genes(effects.shift), genes(sources.shifts["model"])
        head = pd.DataFrame(
            {"group": effects.condition, "label": effects.context, "part": protocol,
             "n_samples [1]": store.sizes[effects.rows], "shift_size": np.linalg.norm(truth, axis=1),
             "shift_size_predicted": np.linalg.norm(predicted, axis=1)}
        )  # fmt: skip
        head = pd.concat([head, own_shift(store, effects, truth, predicted, genes.names)], axis=1)
        frames.append(pd.concat([head, scores.dropna(axis=1)], axis=1))
    table = pd.concat(frames, ignore_index=True, join="inner")  # some baselines exist in one protocol only
    units = {c: f"{c} [1]" for c in table if c not in ("group", "label", "part", "status") and "[" not in c}
    for name in ("shift_size", "shift_size_predicted", "target_gene", "target_gene_predicted"):
        units[name] = f"{name} {EXPRESSION}"
    return table.rename(columns=units)


def own_shift(store: Any, effects: Effects, truth, predicted, names: list[str] | None) -> pd.DataFrame:
    """Shift of the perturbed gene itself, and whether it is `measured`, `predicted` too (a feature of the samples), or
    neither; 0 where it is not. Preparation may have measured it though it is no feature."""
    n = len(effects.rows)
    status, target, guess = np.full(n, "not measured", dtype=object), np.zeros(n), np.zeros(n)
    if {"target_expression", "control_expression"} <= set(store.groups):
        own, control = (store.groups[f"{c}_expression"].to_numpy()[effects.rows] for c in ("target", "control"))
        known = np.isfinite(own) & np.isfinite(control)
        status[known], target[known] = "measured", (own - control)[known]
    own = own_gene(effects, names)
    at, gene = own.T
    status[at], guess[at] = "predicted", predicted[at, gene]
    target[at] = truth[at, gene]
    return pd.DataFrame({"status": status, "target_gene": target, "target_gene_predicted": guess})


def chosen(effects: Effects, shown: int) -> np.ndarray:
    """The groups to draw: those that shift most."""
    return np.argsort(-np.linalg.norm(effects.shift, axis=1), kind="stable")[:shown]


def shift_table(parts: list[Part], genes: Genes, shown: int) -> pd.DataFrame:
    """True and predicted shifts of the genes that shift most in some groups: protocol, group, gene, values."""
    rows = []
    for protocol, effects, sources, _ in parts:
        truth, predicted = genes(effects.shift), genes(sources.shifts["model"])
        mean = genes(sources.shifts["train_mean"])
        for i in chosen(effects, shown):
            for j in np.argsort(-np.abs(truth[i]), kind="stable")[:GENES]:
                name = genes.names[j] if genes.names else f"x_{j}"
                title = f"{effects.condition[i]} · {effects.context[i]}"
                rows.append((protocol, title, name, truth[i, j], predicted[i, j], mean[i, j]))
    columns = ["part", "group", "label", *(f"{c} {EXPRESSION}" for c in ("true", "predicted", "train_mean"))]
    return pd.DataFrame(rows, columns=columns)


def rank_table(parts: list[Part]) -> pd.DataFrame:
    """Rank of each perturbation's own true shift among those of its context, by likeness to each source's prediction:
    1 = nearest; 'of' the number of candidates."""
    frames = []
    for protocol, effects, sources, _ in parts:
        for source, shift in sources.shifts.items():
            for context in np.unique(effects.context.astype(str)):
                own = np.flatnonzero(effects.context.astype(str) == context)
                alike = np.stack([correlation(np.tile(shift[i], (len(own), 1)), effects.shift[own]) for i in own])
                rank = 1 + (alike > np.diag(alike)[:, None] + 1e-12).sum(1)
                frames.append(
                    pd.DataFrame({"part": protocol, "source": source, "group": effects.condition[own], "label": context,
                                  "rank [1]": rank, "of [1]": len(own)})
                )  # fmt: skip
    return pd.concat(frames, ignore_index=True)


def cells_table(ctx: Context, controls: dict[str, Controls], parts: list[Part]) -> pd.DataFrame:
    """Control, real and generated cells of some groups on two principal components of the real and control ones."""
    store, rng, frames = ctx.store, ctx.rng, []
    for protocol, effects, sources, _ in parts:
        picks = chosen(effects, ctx.options["shown"])
        real = [
            _some(store, np.r_[store.starts[g] : store.starts[g] + store.sizes[g]], rng) for g in effects.rows[picks]
        ]
        control = [_some(store, controls[c].rows, rng) for c in effects.context[picks]]
        centre, directions, share = two_components(np.concatenate(real + control).astype(float))
        names = (
            principal_columns("pc", "data units", share)
            if len(parts) == 1
            else ["pc_1 [data units]", "pc_2 [data units]"]
        )
        for k, i in enumerate(picks):
            for source, x in (("control", control[k]), ("truth", real[k]), ("generated", sources.cells[i][:CELLS])):
                frame = pd.DataFrame((x.reshape(len(x), -1) - centre) @ directions, columns=names)
                title = f"{effects.condition[i]} · {effects.context[i]}"
                frames.append(frame.assign(part=protocol, group=title, source=source))
    return pd.concat(frames, ignore_index=True)


def _some(store: Any, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """At most CELLS samples (n, d) of some rows."""
    rows = np.sort(rng.permutation(rows)[:CELLS])
    return np.asarray(store.x[rows], dtype=np.float32).reshape(len(rows), -1)
