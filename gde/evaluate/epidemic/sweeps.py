"""Mutations that rise and fall: their share of the generated sequences of every month against that of the real ones."""

from typing import Any

import numpy as np
import pandas as pd

from gde.evaluate.epidemic.frame import Frame, name_of, named, site_counts
from gde.evaluate.epidemic.population import Population, protocol
from gde.evaluate.shared import correlation
from gde.evaluate.shared.context import Context, Results
from gde.evaluate.shared.metrics import centred_bootstrap, record

SEEN = 2  # sequences that a mutation must be seen in before its share counts
DRAWN = 40  # times that as many sequences are drawn from the embedded ones as were generated, for the ceiling
Mutation = tuple[int, int]


class Shares:
    """Counts of some mutations by group: `with_it` and `known`, of each side (k, m), and the groups' months (k,)."""

    def __init__(self, found: Population, mutations: list[Mutation]):
        site, token = (np.array(x) for x in zip(*mutations, strict=True))
        self.month, self.months = found.month, np.unique(found.month)
        self.with_it = {side: x[:, site, token].astype(float) for side, x in found.counts.items()}
        self.known = {side: x.sum(2)[:, site].astype(float) for side, x in found.counts.items()}
        self.made = np.array([len(x) for x in found.tokens["generated"]])

    def by_month(self, side: str, index: Any = slice(None)) -> np.ndarray:
        """Share (months, m) of the groups `index`, NaN in months without a known token; 0 where there are generated
        sequences, but none with a known token."""
        month = self.month[index]
        a, b = (np.stack([x[side][index][month == m].sum(0) for m in self.months]) for x in (self.with_it, self.known))
        share = np.divide(a, b, out=np.full_like(a, np.nan), where=b > 0)
        if side == "generated":
            made = np.array([self.made[index][month == m].sum() for m in self.months])
            share[(made > 0)[:, None] & (b == 0)] = 0.0
        return share

    def drawn_again(self, rng: np.random.Generator) -> np.ndarray:
        """Shares (months, m) of as many sequences as were generated, drawn with replacement from those embedded."""
        share = np.nan_to_num(self.by_month("embedded"))
        n = np.stack([self.known["generated"][self.month == m].sum(0) for m in self.months]).astype(np.int64)
        return np.where(n > 0, rng.binomial(n, share.clip(0, 1)) / np.maximum(n, 1), np.nan)


def chosen_mutations(ctx: Context, found: Population, frame: Frame) -> tuple[list[Mutation], list[Mutation]]:
    """The mutations that are asked for by name, and all that reach `common` in some month."""
    asked, options = [], ctx.options
    for name in options["mutations"]:
        mutation = named(frame, name)
        if mutation is None:
            why = f"{frame.name} has no {name[0]} at site {name[1:-1]}: {name}; see evaluation.reference"
            ctx.leave_out("sweeps/named_error", why)
        else:
            asked.append(mutation)
    common = set(asked)
    counts = found.counts["real"]
    for month in np.unique(found.month):
        own = counts[found.month == month].sum(0)
        known = own.sum(1, keepdims=True)
        passing = (own >= options["common"] * known) & (own >= SEEN)
        passing[np.arange(frame.sites), frame.reference.clip(max=own.shape[1] - 1)] = False
        passing[frame.reference > frame.alphabet.known] = False  # the reference itself is unknown there
        common |= {(int(s), int(t)) for s, t in np.argwhere(passing)}
    return asked, sorted(common)


def sweeps(ctx: Context, found: Population, frame: Frame, trained: np.ndarray) -> Results:
    """`sweeps/*` and the table of shares.   trained (R, tokens + 1) : counts in the training sequences.

    Baselines: the share in all training sequences, `all_months`; the real share in the month before, `month_before`,
    and where that is not known the former. Ceiling: as many of the sequences that were embedded. Intervals draw the
    groups of the metric's months again. Months held out whole have a metric of their own: no model draws a mutation
    that it has never seen.
    """
    asked, common = chosen_mutations(ctx, found, frame)
    if not common:
        ctx.leave_out("sweeps", "no mutation reaches evaluation.common in any month")
        return {}, {}
    shares = Shares(found, common)
    real, made = shares.by_month("real"), shares.by_month("generated")
    usual = np.array([trained[s, t] / max(trained[s].sum(), 1) for s, t in common])
    others = {
        "all_months": np.broadcast_to(usual, real.shape),
        "month_before": month_before(shares.months, real, usual),
    }
    again = [shares.drawn_again(ctx.rng) for _ in range(DRAWN)]
    picked, past = [common.index(m) for m in asked], ~np.isin(shares.months, found.month[found.future])
    metrics = {}
    for name, rows, columns, score, better in (
        ("named_error", past, picked, largest, False),
        ("error", past, slice(None), average, False),
        ("largest_error", past, slice(None), largest, False),
        ("pearson", past, slice(None), pearson, True),
        ("error_future", ~past, slice(None), average, False),
    ):
        if not rows.any():
            why = "no month is held out whole" if name == "error_future" else "every month is held out whole"
            ctx.leave_out(f"sweeps/{name}", why)
            continue
        if name == "named_error" and not picked:
            if not ctx.options["mutations"]:
                ctx.leave_out(f"sweeps/{name}", "evaluation.mutations names none")
            continue

        def scored(x: np.ndarray, y: np.ndarray, part: Any = (rows, columns), score: Any = score) -> float:
            return score(*(v[part[0]][:, part[1]] for v in (x, y)))

        value, bounds = scored(made, real), (-1.0 if better else 0.0, 1.0)
        metrics[f"sweeps/{name}"] = record(
            value, n=real[rows][:, columns].size, higher_is_better=better, chance=0.0 if better else None,
            ci=interval(ctx, shares, scored, value, shares.months[rows], bounds),
            baselines={who: scored(x, real) for who, x in others.items()},
            ceiling=float(np.mean([scored(x, real) for x in again])),
            protocol=protocol(ctx.options), units=int(rows.sum()),  # months
        )  # fmt: skip
    table = share_table(shares, [name_of(frame, *m) for m in common], real, made)
    return metrics, {"sweeps": table.assign(frame=frame.name)}


def month_before(months: np.ndarray, real: np.ndarray, usual: np.ndarray) -> np.ndarray:
    """Shares (months, m) of the month before each of `months`, `usual` (m,) where that is not among them."""
    before = np.vstack([usual, real[:-1]])
    known = np.diff(months, prepend=-np.inf) == 1
    return np.where(known[:, None], before, usual)


def interval(
    ctx: Context, shares: Shares, score: Any, value: float, months: np.ndarray, bounds: tuple[float, float]
) -> tuple[float, float] | None:
    """Bootstrap over the groups of `months`; None of one."""
    own = np.flatnonzero(np.isin(shares.month, months))

    def again(index: np.ndarray) -> float:
        return score(*(shares.by_month(side, own[index]) for side in ("generated", "real")))

    return centred_bootstrap(again, value, len(own), ctx.rng, repeats=ctx.repeats, bounds=bounds)


def largest(made: np.ndarray, real: np.ndarray) -> float:
    """Greatest difference of shares (months, m), of those known on both sides."""
    gap = np.abs(made - real)
    return float(gap[np.isfinite(gap)].max(initial=0.0))


def average(made: np.ndarray, real: np.ndarray) -> float:
    gap = np.abs(made - real)
    gap = gap[np.isfinite(gap)]
    return float(gap.mean()) if len(gap) else 0.0


def pearson(made: np.ndarray, real: np.ndarray) -> float:
    """Over months and mutations; 0 where one side does not vary."""
    known = np.isfinite(made) & np.isfinite(real)
    return correlation.pearson(made[known], real[known])


def share_table(shares: Shares, names: list[str], real: np.ndarray, made: np.ndarray) -> pd.DataFrame:
    """A row for each mutation, month and side, with the number of sequences in which the token is known."""
    rows = []
    for side, share in (("real", real), ("generated", made)):
        n = np.stack([shares.known[side][shares.month == m].sum(0) for m in shares.months])
        rows += [
            (name, side, month, share[i, j], int(n[i, j]))
            for j, name in enumerate(names)
            for i, month in enumerate(shares.months)
            if np.isfinite(share[i, j])
        ]
    return pd.DataFrame(rows, columns=["label", "source", "month [months]", "share [share of sequences]",
                                       "n_samples [1]"])  # fmt: skip


def sites(ctx: Context, found: Population, frame: Frame, trained: np.ndarray, months: np.ndarray) -> Results:
    """`sites/*`: share of the sequences that differ from the reference, site by site, generated against real: the mean
    over months. Of the sites that vary among training or real sequences: chosen by the generated ones they would have a
    negative correlation by themselves.

    trained (m, R, tokens + 1) : counts in the training sequences of `months` (m,), which are the baseline. Ceiling: as
    many of the embedded sequences, drawn again.
    """
    mutated = {side: changed(frame, x) for side, x in found.counts.items()}
    mutated["again"] = changed(frame, drawn_again(found, frame, ctx.rng))

    def share(side: str, index: Any = slice(None)) -> np.ndarray:
        return mean_share(*(x[index] for x in mutated[side]), found.month[index])

    real, made, again = (share(side) for side in ("real", "generated", "again"))
    usual = mean_share(*changed(frame, trained), months)
    varies = (usual + real) > 0
    table = pd.DataFrame(
        {
            "label": [f"{frame.alphabet.symbols[frame.reference[s] - 1]}{s + 1}" for s in np.flatnonzero(varies)],
            "frame": frame.name,
            "site [1]": np.flatnonzero(varies) + 1,
            "real [share of sequences]": real[varies],
            "generated [share of sequences]": made[varies],
        }
    )
    metrics = {}
    for name, score in (("pearson", correlation.pearson), ("spearman", correlation.spearman)):

        def over(index: Any, score: Any = score) -> float:
            return score(share("generated", index)[varies], share("real", index)[varies])

        value = score(made[varies], real[varies])
        metrics[f"sites/{name}"] = record(
            value, n=int(varies.sum()), higher_is_better=True, chance=0.0,
            ci=centred_bootstrap(
                over, value, len(found.group), ctx.rng, repeats=ctx.repeats, bounds=(-1.0, 1.0)
            ),
            baselines={"training": score(usual[varies], real[varies])},
            ceiling=score(again[varies], real[varies]),
            protocol=protocol(ctx.options), units=len(found.group),
        )  # fmt: skip
    return metrics, {"sites": table} if varies.any() else {}


def changed(frame: Frame, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of counts (k, R, tokens + 1): sequences that differ from the reference, and those known, at each site (k, R)."""
    known = counts.sum(2)
    as_reference = counts[:, np.arange(frame.sites), frame.reference.clip(max=counts.shape[2] - 1)]
    unknown = frame.reference > frame.alphabet.known
    return np.where(unknown, 0, known - as_reference), np.where(unknown, 0, known)


def mean_share(differ: np.ndarray, known: np.ndarray, month: np.ndarray) -> np.ndarray:
    """Share (R,) of counts (k, R), the mean over months: real ones have more sequences in some than in others."""
    total, months = np.zeros(differ.shape[1]), np.zeros(differ.shape[1])
    for m in np.unique(month):
        a, b = differ[month == m].sum(0), known[month == m].sum(0)
        total += a / np.maximum(b, 1)
        months += b > 0
    return total / np.maximum(months, 1)


def drawn_again(found: Population, frame: Frame, rng: np.random.Generator) -> np.ndarray:
    """Counts (k, R, tokens + 1) of embedded sequences drawn with replacement, of each group as many as generated."""
    out = np.zeros_like(found.counts["real"])
    for i, (seen, made) in enumerate(zip(found.placed["embedded"], found.placed["generated"], strict=True)):
        if len(seen):
            out[i] = site_counts(frame, seen[rng.integers(len(seen), size=len(made))])
    return out
