"""Evaluation on methylation: tissues of held-out samples, and reads generated for them against their own."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch

from gde.errors import bad
from gde.evaluate.methylation.reads import Patterns, group_patterns, join, patterns
from gde.evaluate.methylation.tissues import head_accuracy, replicates
from gde.evaluate.methylation.views import views
from gde.evaluate.shared.columns import Labelled, column_of, group_names
from gde.evaluate.shared.context import Context, Results
from gde.evaluate.shared.generation import generate
from gde.evaluate.shared.held_out_labels import label_metrics
from gde.evaluate.shared.metrics import mean_interval, record
from gde.evaluate.shared.pieces import cut
from gde.evaluate.shared.rows import draw_weighted, rows_of
from gde.evaluate.shared.tables import embedding_table, left_out_table

LABELS = {"": "tissue", "_coarse": "tissue_coarse"}
SCORES = {"rate": "share of CpGs", "concordance": "share of reads", "entropy": "bits per CpG"}
AT_ONCE = 256  # reads generated together
RESAMPLES = 40  # of the real reads, for what chance alone makes of a score
BINS = 10
SHOWN = 6


@dataclass(frozen=True)
class Samples:
    """The groups (g,) of a store that are looked at: their numbers, tissues, the sample each is of, and splits."""

    groups: np.ndarray
    tissue: np.ndarray
    unit: np.ndarray
    split: np.ndarray

    @property
    def tested(self) -> np.ndarray:
        return self.split == "test"


def evaluate(ctx: Context) -> Results:
    """Records and tables. What the data cannot tell stands in `left_out`."""
    ctx = ctx.drawing("methylation")
    store, options = ctx.store, ctx.options
    if "context" not in store.meta or "cpg" not in store.fields:
        found = f"a set store of kind {store.meta.get('kind')!r}"
        raise bad(store.path, found, "one of methylation reads", "choose another evaluation.kind")
    groups = evaluated(store)
    split, unit = store.groups["split"].astype(str).to_numpy()[groups], group_names(store)[groups]
    tested = split == "test"
    pieces = cut(store, groups, ~tested, repeats=options["repeats"], most=options["reads"], rng=ctx.rng)
    found = views(ctx, groups, pieces, ~tested)
    metrics, tables = {}, {}
    for suffix, column in LABELS.items():
        names = column_of(store, column, f"groups: {column}")[groups]
        if len(set(names[tested])) < 2 or len(set(names[~tested])) < 2:
            for score in ("accuracy", "macro_f1"):
                ctx.leave_out(f"tissue/{score}{suffix}", f"samples of {len(set(names))} {column} only")
            continue
        own, result = label_metrics(ctx, found, pieces, Labelled(names, unit, tested))
        metrics |= {f"tissue/{name}{suffix}": value for name, value in own.items()}
        tables[f"tissues{suffix}"] = result.table()
    if set(unit[tested]) & set(unit[~tested]):
        ctx.leave_out("tissue/held_out", "reads are held out, not samples: a sample that is tested has also trained")
    whole = found["gde"][0]
    samples = Samples(groups, column_of(store, "tissue", "groups: tissue")[groups], unit, split)
    if "classifier" in ctx.model.heads and ctx.config["objective"]["label"] in LABELS.values():
        told = column_of(store, ctx.config["objective"]["label"], "objective.label")[groups]
        metrics["tissue/head_accuracy"] = head_accuracy(ctx, whole[tested], told[tested], unit[tested])
    else:
        ctx.leave_out("tissue/head_accuracy", "no classifier of tissues was trained: objective is not classification")
    if own := replicates(ctx, found, samples.tissue, tested):
        metrics |= own
    else:
        ctx.leave_out("replicates", "no tissue with a held-out sample and another one")
    own, more = generated(ctx, samples, whole)
    if "sites" not in more:
        ctx.leave_out("sites", "the generator cannot begin with given tokens")
    for name in ("methylation", "sites"):
        if name in more and more[name].empty:
            del more[name]
            ctx.leave_out(name, "no generated read has the form of a read")
    metrics, tables = metrics | own, tables | more
    part, sizes = np.where(tested, "target", "context"), store.sizes[groups]
    tables["embedding"] = embedding_table(whole, group=unit, label=samples.tissue, part=part, sizes=sizes)
    tables["left_out"] = left_out_table(ctx.left)
    return metrics, tables


def evaluated(store: Any) -> np.ndarray:
    """The groups that are looked at: all but validating reads of samples that train, which are few."""
    split, unit = store.groups["split"], store.groups["group"]
    trained = set(unit[split == "train"])
    return np.flatnonzero((split != "validation") | ~unit.isin(trained))


def generated(ctx: Context, samples: Samples, z: np.ndarray) -> Results:
    """Reads generated for each tested sample against its own, pooled by tissue.

    A read is generated from the embedding of all reads of the sample; where reads are held out, of those that trained.
    What does not have the form of a read says nothing of methylation: it counts in `valid`, and in no score.
    `methylation/*` : whole reads, genomic context and all.   `sites/*` : CpGs behind the contexts of the sample's own
    reads, drawn by their weights; of generators that draw token by token.
    """
    store, rng, draw = ctx.store, ctx.rng, ctx.generator("methylation/generated")
    groups, names, unit, split = samples.groups, samples.tissue, samples.unit, samples.split
    n, context = ctx.options["generated"], store.meta["context"]
    sources = ("methylation", "sites") if ctx.model.begins else ("methylation",)
    real: dict[str, list[Patterns]] = {}
    made: dict[str, dict[str, list[Patterns]]] = {source: {} for source in sources}
    for i in np.flatnonzero(samples.tested):
        own = np.flatnonzero((unit == unit[i]) & (split == "train"))
        embedding = z[own[0] if len(own) else i]
        real.setdefault(names[i], []).append(group_patterns(store, groups[i]))
        for source in sources:
            begin = None
            if source == "sites":  # the tokens before the CpGs of the sample's own reads
                begin = draw_weighted(store, rows_of(store, groups[i]), n, rng)[:, :context]
            made[source].setdefault(names[i], []).append(read_patterns(ctx, embedding, draw, begin))
    tissues = sorted(real)
    truth = {t: join(real[t]) for t in tissues}
    trained = join([group_patterns(store, g) for g in groups[split == "train"]])
    metrics, tables = {}, {}
    for source in sources:
        reads = {t: join(made[source][t]) for t in tissues}
        valid, drawn = (np.array([f(reads[t].valid) for t in tissues]) for f in (np.mean, len))
        reads = {t: some.take(some.valid) for t, some in reads.items()}
        for score in SCORES:
            error = score_error(ctx, score, truth, reads, int(drawn.min()), trained)
            if error is None:
                ctx.leave_out(f"{source}/{score}_error", "no held-out read has enough known CpGs")
            else:
                metrics[f"{source}/{score}_error"] = error
        metrics[f"{source}/valid"] = record(
            valid.mean(), n=len(tissues), higher_is_better=True, ceiling=1.0,
            ci=mean_interval(valid, rng, repeats=ctx.repeats),
        )  # fmt: skip
        tables[source] = score_table(truth, reads)
        if source == "methylation":
            tables["methylation_levels"] = level_table(truth, reads)
    return metrics, tables


def read_patterns(ctx: Context, z: np.ndarray, draw: torch.Generator, begin: np.ndarray | None) -> Patterns:
    """Patterns of reads generated from one embedding (l,); `begin` (n, context) : what they begin with."""
    n, context = ctx.options["generated"], ctx.store.meta["context"]
    return patterns(generate(ctx.model, z, n, draw, at_once=AT_ONCE, given=begin), context)


def score_error(
    ctx: Context, score: str, truth: dict[str, Patterns], made: dict[str, Patterns], n: int, trained: Patterns
) -> dict[str, Any] | None:
    """Mean over tissues of the absolute difference of a score between generated and real reads.

    Baselines: the score of all training reads, for every tissue; reads generated for the other tissues. Ceiling: n
    reads drawn again from the real ones. None where no tissue has the score. A tissue whose generated reads lack it
    counts with the whole range, 1.
    """
    tissues = [t for t in truth if getattr(truth[t], score) is not None]
    if not tissues:
        return None
    real = np.array([getattr(truth[t], score) for t in tissues])
    ours = np.array([np.nan if (v := getattr(made[t], score)) is None else v for t in tissues])
    gap = np.where(np.isnan(ours), 1.0, np.abs(ours - real))
    every = np.where(np.isnan(ours), 1.0, np.abs(ours - real[:, None]))
    others = ~np.eye(len(tissues), dtype=bool)
    again = [resampled_gap(truth[t], n, score, ctx.rng) for t in tissues]
    baselines = {"training_mean": np.abs((getattr(trained, score) or 0.0) - real).mean()}
    if len(tissues) > 1:
        baselines["other_tissue"] = every[others].mean()
    return record(
        gap.mean(), n=len(tissues), higher_is_better=False, baselines=baselines, ceiling=float(np.mean(again)),
        ci=mean_interval(gap, ctx.rng, repeats=ctx.repeats),
    )  # fmt: skip


def resampled_gap(real: Patterns, n: int, score: str, rng: np.random.Generator) -> float:
    """Mean absolute difference of a score between real reads and n drawn from them."""
    share, value, gaps = real.weight / real.weight.sum(), getattr(real, score), []
    for _ in range(RESAMPLES):
        drawn = real.take(rng.choice(len(real), n, p=share))
        drawn = Patterns(drawn.methylated, drawn.known, drawn.pattern, np.ones(n), drawn.valid)
        again = getattr(drawn, score)
        gaps.append(1.0 if again is None else abs(again - value))
    return float(np.mean(gaps))


def score_table(truth: dict[str, Patterns], made: dict[str, Patterns]) -> pd.DataFrame:
    """Long table: label, quantity, value of the real and of the generated reads; those that both have."""
    rows = []
    for tissue in truth:
        for score, unit in SCORES.items():
            pair = getattr(truth[tissue], score), getattr(made[tissue], score)
            if None not in pair:
                rows.append((tissue, f"{score} ({unit})", *pair, truth[tissue].weight.sum(), len(made[tissue])))
    columns = ["label", "quantity", "truth [1]", "generated [1]", "reads [1]", "generated_reads [1]"]
    return pd.DataFrame(rows, columns=columns)


def level_table(truth: dict[str, Patterns], made: dict[str, Patterns]) -> pd.DataFrame:
    """Share of the reads by their methylation, real and generated, for tissues that differ most in it."""
    order = sorted(truth, key=lambda t: truth[t].rate)
    shown = [order[i] for i in np.unique(np.linspace(0, len(order) - 1, min(SHOWN, len(order))).round().astype(int))]
    parts = []
    for tissue in shown:
        for source, reads in (("truth", truth[tissue]), ("generated", made[tissue])):
            share = reads.levels(BINS)
            level = (np.arange(BINS) + 0.5) / BINS
            parts.append(pd.DataFrame({"label": tissue, "source": source, "level [methylated share of a read]": level,
                                       "share [of reads]": share}))  # fmt: skip
    return pd.concat(parts, ignore_index=True)
