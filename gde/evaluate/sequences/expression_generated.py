"""Sequences generated for each set, their expression by the oracle, and that of what they are compared with."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from gde.evaluate.sequences.expression_axis import BELOW, fewest, within
from gde.evaluate.sequences.oracle import Oracle
from gde.evaluate.sequences.windows import WindowSets
from gde.evaluate.shared.context import Context
from gde.evaluate.shared.generation import generate
from gde.evaluate.shared.metrics import bootstrap, mean_interval, record

AT_ONCE = 256  # sequences generated together
SOURCES = ("generated", "real", "independent_tokens")


@dataclass(frozen=True)
class Achieved:
    """Of each set (s,): the measured mean; of each source the tokens, and the oracle's scores of each sequence."""

    truth: np.ndarray
    tokens: dict[str, list[np.ndarray]]
    score: dict[str, list[np.ndarray]]

    def mean(self, source: str) -> np.ndarray:
        """Mean score (s,) of a source's sequences."""
        return np.array([s.mean() for s in self.score[source]])


def achieved(ctx: Context, oracle: Oracle, sets: WindowSets) -> Achieved:
    """Generate from the embeddings of held-out sets, and score it, the real sequences of these sets, and
    `independent_tokens`: as many sequences whose tokens are drawn one by one as often as the set has them there."""
    rng, draw, n = ctx.random("expression/independent"), ctx.generator("expression/generated"), ctx.options["generated"]
    made = {
        "generated": [generate(ctx.model, one, n, draw, at_once=AT_ONCE) for one in sets.z["test"]],
        "real": sets.tokens["test"],
        "independent_tokens": [independent(x, n, rng) for x in sets.tokens["test"]],
    }
    score = {
        source: [oracle.predict(x, w.condition) for x, w in zip(parts, sets.windows, strict=True)]
        for source, parts in made.items()
    }
    return Achieved(sets.truth, made, score)


def independent(tokens: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Tokens (n, L) of which each token, or the end, is that of a random sequence of `tokens` (m, L) at its place."""
    row = rng.integers(len(tokens), size=(n, tokens.shape[1]))
    out = tokens[row, np.arange(tokens.shape[1])]
    return np.where(np.logical_or.accumulate(out == 0, axis=1), 0, out).astype(np.uint8)


def generated_metrics(ctx: Context, made: Achieved, sets: WindowSets) -> tuple[dict[str, dict], pd.DataFrame]:
    """`expression/*` and `extrapolation/shift`: what the oracle says of generated sequences, against the measured mean
    of the sets that they are generated for, and against what it says of these sets' real sequences."""
    condition, rng = sets.condition, ctx.rng
    mean = {source: made.mean(source) for source in SOURCES}
    repeats, n = ctx.repeats, len(sets)

    def interval(statistic: Any, x: np.ndarray) -> tuple[float, float]:
        return bootstrap(lambda i: statistic(x[i], made.truth[i], condition[i]), n, rng, repeats=repeats)

    metrics = {
        "expression/spearman": record(
            within(mean["generated"], made.truth, condition), n=n, higher_is_better=True, chance=0.0,
            ci=interval(within, mean["generated"]), ceiling=within(mean["real"], made.truth, condition),
            units=fewest(condition),
            baselines={"independent_tokens": within(mean["independent_tokens"], made.truth, condition)},
        ),
        "expression/slope": record(
            slope(mean["generated"], made.truth, condition), n=n, target=slope(mean["real"], made.truth, condition),
            ci=interval(slope, mean["generated"]), chance=0.0,
            baselines={"independent_tokens": slope(mean["independent_tokens"], made.truth, condition)},
        ),
    }  # fmt: skip
    gap = {source: np.abs(mean[source] - mean["real"]) for source in SOURCES}
    typical = np.array([mean["real"][condition == c].mean() for c in condition])
    again = [resampled(s, ctx.options["generated"], rng) for s in made.score["real"]]
    metrics["expression/error"] = record(
        gap["generated"].mean(), n=n, higher_is_better=False, ceiling=float(np.mean(again)),
        ci=mean_interval(gap["generated"], rng, repeats=repeats),
        baselines={
            "independent_tokens": gap["independent_tokens"].mean(),
            "mean_of_condition": np.abs(mean["real"] - typical).mean(),
        },
    )  # fmt: skip
    if sets.top.any():
        metrics["extrapolation/shift"] = shift(ctx, mean, sets)
    else:
        ctx.leave_out("extrapolation/shift", "every place of the order trains")
    rows = [
        (sets.label[i], sets.part[i], source, w.value, made.truth[i],
         mean[source][i], made.score[source][i].std(), len(made.score[source][i]))
        for i, w in enumerate(sets.windows) for source in SOURCES
    ]  # fmt: skip
    columns = ["label", "part", "source", "place [1]", "measured [expression]", "oracle [expression]",
               "sd [expression]", "n_samples [1]"]  # fmt: skip
    return metrics, pd.DataFrame(rows, columns=columns)


def slope(x: np.ndarray, y: np.ndarray, condition: np.ndarray) -> float:
    """Slope of the regression of x on y (s,), with an intercept for each condition; 0 where y does not vary."""
    parts = [np.flatnonzero(condition == c) for c in np.unique(condition)]
    x, y = (np.concatenate([v[p] - v[p].mean() for p in parts]) for v in (x, y))
    return float(x @ y / (y @ y)) if (y @ y) > 0 else 0.0


def resampled(score: np.ndarray, n: int, rng: np.random.Generator) -> float:
    """What chance alone makes of the difference between the mean of scores (m,) and that of n drawn from them."""
    return float(np.abs(rng.choice(score, (40, n)).mean(1) - score.mean()).mean())


def shift(ctx: Context, mean: dict[str, np.ndarray], sets: WindowSets) -> dict[str, Any]:
    """How much higher the sequences of sets held out whole score than those of the highest that train: mean over them
    of the difference within their condition. The target is what the oracle says of the real ones."""
    chosen = np.flatnonzero(sets.top)
    below = [sets.below(i, BELOW) for i in chosen]
    step = {source: np.array([x[i] - x[b].mean() for i, b in zip(chosen, below, strict=True)])
            for source, x in mean.items()}  # fmt: skip
    return record(
        step["generated"].mean(), n=len(chosen), target=step["real"].mean(), chance=0.0,
        ci=mean_interval(step["generated"], ctx.rng, repeats=ctx.repeats),
        baselines={"independent_tokens": step["independent_tokens"].mean()},
    )  # fmt: skip
