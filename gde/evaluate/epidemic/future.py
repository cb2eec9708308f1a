"""Embeddings of months as a line in time, drawn on into the months that were held out."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from gde.evaluate.epidemic.sets import FUTURE, Keys
from gde.evaluate.shared.context import Context, Results
from gde.evaluate.shared.metrics import LEVEL, bootstrap, centred_bootstrap, record
from gde.evaluate.shared.pca import two_components
from gde.evaluate.shared.tables import principal_columns

WINDOWS = (2, 3, 4, 6, 9, 12, 10**6)  # months that a line is fitted to; one month is persistence
PENALTIES = (0.0, 0.1, 1.0, 10.0)  # of the slope, in units of the months' variance
FEWEST = 5  # months that train, below which no line can be chosen
AXES = 5  # principal components, at most, whose intervals are checked


@dataclass(frozen=True)
class Months:
    """Mean embedding (m, l) of the groups of each month, in order of time (m,)."""

    month: np.ndarray
    z: np.ndarray


def months_of(month: np.ndarray, z: np.ndarray) -> Months:
    """Of groups with months (k,) and embeddings (k, l), each group counting alike."""
    known = np.unique(month)
    return Months(known, np.stack([z[month == m].mean(0) for m in known]))


@dataclass(frozen=True)
class Line:
    """z(t) = level + slope (t - centre), of the last `window` months, its slope shrunk by `penalty`."""

    window: int
    penalty: float

    def __call__(self, past: Months, at: np.ndarray) -> np.ndarray:
        """Embeddings (n, l) at the times (n,), from the months before."""
        t, z = past.month[-self.window :], past.z[-self.window :]
        centre, level = t.mean(), z.mean(0)
        spread = np.square(t - centre).sum()
        slope = (t - centre) @ (z - level) / (spread * (1 + self.penalty)) if spread else np.zeros(z.shape[1])
        return level + (np.asarray(at, float)[:, None] - centre) * slope


PERSISTENCE = Line(1, 0.0)


def misses(line: Line, past: Months, ahead: int) -> list[tuple[int, np.ndarray]]:
    """Horizon in months and true minus predicted embedding (l,), for every month of the past that others before it
    predict, at most `ahead` of those that there are."""
    out = []
    for last in range(FEWEST - 2, len(past.month) - 1):
        known = Months(past.month[: last + 1], past.z[: last + 1])
        later = slice(last + 1, last + 1 + ahead)
        predicted = line(known, past.month[later])
        for t, true, guess in zip(past.month[later], past.z[later], predicted, strict=True):
            out.append((round(t - past.month[last]), true - guess))
    return out


def chosen_line(past: Months, ahead: int) -> Line:
    """The line, persistence among them, that would have predicted the months of the past best."""
    lines = [PERSISTENCE, *(Line(w, p) for w in WINDOWS for p in PENALTIES)]
    return min(lines, key=lambda line: sum(np.square(miss).sum() for _, miss in misses(line, past, ahead)))


def extrapolation(ctx: Context, z: np.ndarray, keys: Keys) -> Results:
    """`extrapolation/distance`: from the embedding predicted for a month that was held out whole to its own.
    `extrapolation/coverage`: how often 95 % intervals of the prediction hold it, in principal components.

    z (g, l) : embeddings of groups. The line is chosen on the months before; an interval draws the groups of these
    months again, and adds an error that the line made there over as many months ahead.
    """
    rng, repeats = ctx.rng, ctx.repeats
    later = np.flatnonzero(keys.part == FUTURE)
    before = np.flatnonzero(keys.past)
    earlier = len(np.unique(keys.month[before]))
    if not len(later) or earlier < FEWEST:
        why = "no month is held out whole" if not len(later) else f"{earlier} months before, {FEWEST} are needed"
        ctx.leave_out("extrapolation", why)
        return {}, {}
    past, true = months_of(keys.month[before], z[before]), months_of(keys.month[later], z[later])
    ahead = round(true.month.max() - past.month.max())
    line = chosen_line(past, ahead)
    guess = line(past, true.month)

    def distance(predicted: np.ndarray, of: Months) -> float:
        return float(np.linalg.norm(predicted - of.z, axis=1).mean())

    def again(chosen: np.ndarray, index: np.ndarray) -> Months:
        return months_of(keys.month[chosen[index]], z[chosen[index]])

    def resampled(index: np.ndarray) -> float:
        of = again(later, index)
        some = again(before, rng.integers(len(before), size=len(before)))
        return distance(line(some, of.month), of)

    value = distance(guess, true)
    metric = record(
        value, n=len(true.month), higher_is_better=False,
        ci=centred_bootstrap(resampled, value, len(later), rng, repeats=repeats, bounds=(0.0, np.inf)),
        baselines={
            "persistence": distance(PERSISTENCE(past, true.month), true),
            "mean_of_past": distance(np.broadcast_to(past.z.mean(0), true.z.shape), true),
        },
    )  # fmt: skip
    axes = principal_axes(z[before], AXES)
    errors = misses(line, past, ahead)
    drawn = np.stack([
        predictions(line, again(before, rng.integers(len(before), size=len(before))), true.month,
                    past.month.max(), errors, rng)
        for _ in range(repeats)
    ])  # fmt: skip
    inside = covered(drawn, true.z, axes)
    coverage = record(
        inside.mean(), n=inside.size, target=LEVEL,
        ci=bootstrap(lambda i: inside[i].mean(), len(inside), rng, repeats=repeats) if len(inside) > 1 else None,
    )  # fmt: skip
    used = {"window [months]": min(line.window, len(past.month)), "penalty [1]": line.penalty}
    paths = {
        "past": past,
        "true": true,
        "predicted": Months(true.month, guess),
        "persistence": Months(true.month, PERSISTENCE(past, true.month)),
    }
    table = path_table(paths, drawn, two_components(z[before]))
    return {"extrapolation/distance": metric, "extrapolation/coverage": coverage}, {"future": table.assign(**used)}


def predictions(
    line: Line,
    past: Months,
    at: np.ndarray,
    last: float,
    errors: list[tuple[int, np.ndarray]],
    rng: np.random.Generator,
) -> np.ndarray:
    """A prediction (n, l) with an error, of the spread of those of the same horizon, or of the nearest there is.

    The error is of Student's t with their second moments, so that what the line missed on one side counts. Errors over
    h months overlap: as many degrees of freedom as there are h-th parts of them.
    """
    out = line(past, at)
    for i, t in enumerate(at):
        horizon = min((h for h, _ in errors), key=lambda h: abs(h - (t - last)))
        known = np.stack([miss for h, miss in errors if h == horizon])
        freedom = max(1, len(known) // horizon)
        out[i] += rng.normal(size=len(known)) @ known / np.sqrt(len(known) * rng.chisquare(freedom) / freedom)
    return out


def principal_axes(z: np.ndarray, most: int) -> np.ndarray:
    """Principal directions (l, k) of embeddings, at most `most`, of those that have more than a thousandth of the
    variance."""
    _, s, v = np.linalg.svd(z - z.mean(0), full_matrices=False)
    kept = np.square(s) > 1e-3 * max(np.square(s).sum(), 1e-300)
    return v[kept][:most].T


def covered(drawn: np.ndarray, true: np.ndarray, axes: np.ndarray) -> np.ndarray:
    """Whether the interval of predictions (r, n, l) holds the true embedding (n, l), on each axis: (n, k)."""
    low, high = np.quantile(drawn @ axes, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    place = true @ axes
    return (low <= place) & (place <= high)


def path_table(paths: dict[str, Months], drawn: np.ndarray, components: tuple[np.ndarray, ...]) -> pd.DataFrame:
    """Months by source in two principal components: what they were, what is predicted with the interval of the
    predictions `drawn` (r, n, l), and the last one.   components : of `two_components`."""
    centre, directions, share = components
    low, high = np.quantile((drawn - centre) @ directions, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    columns = principal_columns("pc", "latent units", share)
    parts = []
    for source, path in paths.items():
        at = (path.z - centre) @ directions
        table = pd.DataFrame(at, columns=columns).assign(**{"source": source, "month [months]": path.month})
        edges = (low, high) if source == "predicted" else (at, at)
        for name, edge in zip(("low", "high"), edges, strict=True):
            table[[f"{name}_1 [latent units]", f"{name}_2 [latent units]"]] = edge
        parts.append(table)
    return pd.concat(parts, ignore_index=True)
