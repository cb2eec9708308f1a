"""Records of one protocol's held-out perturbations, all sources judged by the same scores."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from gde.evaluate.cells.effect_scores import correlation, discrimination, mse, pearson2, r2, recall, reliability, slope
from gde.evaluate.cells.effects import Effects, Genes
from gde.evaluate.shared.context import Context
from gde.evaluate.shared.metrics import grouped_bootstrap, record

NOT_BASELINES = ("model", "generated")


@dataclass(frozen=True)
class Sources:
    """Predicted shifts (t, d) by source, `model` first; energy distances, a row per group and a column per source;
    cells generated for each group (n, d)."""

    shifts: dict[str, np.ndarray]
    energies: pd.DataFrame
    cells: list[np.ndarray]


@dataclass(frozen=True)
class Score:
    """A score (t,) of every group by source, with its direction, chance and ceiling."""

    values: dict[str, np.ndarray]
    higher_is_better: bool
    chance: float | None
    ceiling: float | None


def records(
    ctx: Context, protocol: str, effects: Effects, sources: Sources, genes: Genes, sd: dict[str, np.ndarray]
) -> tuple[dict[str, dict], pd.DataFrame]:
    """Metrics `<protocol>/...`, and each group's scores. Intervals resample conditions.

    sd : standard deviation (genes,) of expression among the controls of each context.

    Ceilings come from split halves of the cells: what noise-free shifts would score on the shifts of all cells for
    pearson2 (reliability; pearson its root), r2 and mse (a quarter of the squared difference of halves is noise); for
    de_recall and discrimination one half predicts the other, which is less than a perfect model would reach.
    A square is blind to the sign: every squared correlation stands beside the correlation itself.
    """
    top = ctx.options["top"]
    truth, unmatched = genes(effects.shift), genes(effects.unmatched)
    first, second = genes(effects.half[0]), genes(effects.half[1])
    predicted = {name: genes(shift) for name, shift in sources.shifts.items()}
    noise = np.square(first - second) / 4
    total = np.square(truth - truth.mean(1, keepdims=True)).sum(1)
    tops = {
        name: np.concatenate(
            [recall(p[i : i + 1], truth[i : i + 1], sd[c], top) for i, c in enumerate(effects.context)]
        )
        for name, p in predicted.items()
    }
    half_tops = [recall(first[i : i + 1], second[i : i + 1], sd[c], top)[0] for i, c in enumerate(effects.context)]
    genes_n, reliable = truth.shape[1], reliability(first, second)
    scores = {
        "pearson": Score(
            {n: correlation(p, truth) for n, p in predicted.items()}, True, 0.0, np.sqrt(reliable).mean(),
        ),
        "pearson2": Score(
            {n: pearson2(p, truth) for n, p in predicted.items()}, True, 0.0, reliable.mean(),
        ),
        "r2": Score(
            {n: r2(p, truth) for n, p in predicted.items()}, True, 0.0,
            float((1 - noise.sum(1) / np.maximum(total, 1e-12)).mean()),
        ),
        "mse": Score({n: mse(p, truth) for n, p in predicted.items()}, False, None, float(noise.mean())),
        "pearson_unmatched": Score({n: correlation(p, unmatched) for n, p in predicted.items()}, True, 0.0, None),
        "pearson2_unmatched": Score({n: pearson2(p, unmatched) for n, p in predicted.items()}, True, 0.0, None),
        "r2_unmatched": Score({n: r2(p, unmatched) for n, p in predicted.items()}, True, 0.0, None),
        "de_recall": Score(tops, True, min(top, genes_n) / genes_n, float(np.mean(half_tops))),
    }  # fmt: skip
    energies = {name: sources.energies[name].to_numpy(dtype=float) for name in sources.energies}
    ceiling = energies.pop("ceiling", np.array([np.nan]))
    scores["e_distance"] = Score(energies, False, None, _mean(ceiling))
    ranks = {n: discrimination(p, truth, effects.context) for n, p in predicted.items()}
    if not np.isnan(ranks["model"]).all():
        half = _mean(discrimination(first, second, effects.context))
        scores["discrimination"] = Score(ranks, True, 0.5, half)
    else:
        ctx.leave_out(f"{protocol}/discrimination", "one held-out perturbation in each context")
    metrics = {f"{protocol}/{name}": _record(ctx, score, effects.condition) for name, score in scores.items()}
    for name, score in (("pearson", correlation), ("pearson2", pearson2)):
        made = {"model": score(predicted["generated"], truth)}
        made |= {n: v for n, v in scores[name].values.items() if n not in NOT_BASELINES}
        drawn = Score(made, True, 0.0, scores[name].ceiling)
        metrics[f"{protocol}/{name}_generated"] = _record(ctx, drawn, effects.condition)
    condition = effects.condition.astype(str)
    moving = {n: p for n, p in predicted.items() if np.abs(p).max() > 0 and n not in NOT_BASELINES}
    metrics[f"{protocol}/calibration"] = record(
        slope(predicted["model"], truth),
        n=len(truth),
        target=1.0,
        ci=grouped_bootstrap(lambda i: slope(predicted["model"][i], truth[i]), condition, ctx.rng, repeats=ctx.repeats),
        baselines={n: slope(p, truth) for n, p in moving.items()},
        ceiling=1.0,
        units=len(set(condition)),
    )
    own = own_gene(effects, genes.names)
    if len(own):
        at = (own[:, 0], own[:, 1])
        metrics[f"{protocol}/target_gene"] = record(
            predicted["model"][at].mean(),
            n=len(own),
            target=truth[at].mean(),
            baselines={n: p[at].mean() for n, p in predicted.items() if n not in NOT_BASELINES},
            chance=0.0,
        )
    else:
        ctx.leave_out(f"{protocol}/target_gene", "no perturbed gene is among the features")
    table = pd.DataFrame({name: score.values["model"] for name, score in scores.items()})
    baseline = {f"pearson2_{n}": v for n, v in scores["pearson2"].values.items() if n not in NOT_BASELINES}
    return metrics, table.assign(**baseline)


def own_gene(effects: Effects, names: list[str] | None) -> np.ndarray:
    """Pairs (k, 2): group, and the place of the gene that is perturbed in it, where it is among those measured."""
    place = {name: i for i, name in enumerate(names or ())}
    found = [(i, place[c]) for i, c in enumerate(effects.condition) if c in place]
    return np.array(found, dtype=int).reshape(-1, 2)


def _mean(values: np.ndarray) -> float | None:
    """Mean of those that are known, None where none is."""
    return float(np.nanmean(values)) if np.isfinite(values).any() else None


def _record(ctx: Context, score: Score, condition: np.ndarray) -> dict:
    """Of the groups that have the score; a condition tested in several contexts is drawn with all of them."""
    kept = np.isfinite(score.values["model"])
    own = score.values["model"][kept]
    return record(
        own.mean(),
        n=len(own),
        higher_is_better=score.higher_is_better,
        ci=grouped_bootstrap(lambda i: own[i].mean(), condition[kept].astype(str), ctx.rng, repeats=ctx.repeats),
        baselines={n: v[kept].mean() for n, v in score.values.items() if n not in NOT_BASELINES},
        chance=score.chance,
        ceiling=score.ceiling,
        units=len(set(condition[kept].astype(str))),
    )
