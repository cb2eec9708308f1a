"""Evaluation on methylation: tissues of held-out samples, and reads generated for them against their own."""

from typing import Any

import numpy as np
import pandas as pd
import torch

from gde.errors import bad
from gde.evaluate.donors import column_of
from gde.evaluate.held_out_labels import label_metrics
from gde.evaluate.lineage import left_out_table
from gde.evaluate.methylation_reads import Patterns, group_patterns, join, patterns
from gde.evaluate.methylation_tissues import head_accuracy, replicates
from gde.evaluate.methylation_views import views
from gde.evaluate.metrics import bootstrap, record
from gde.evaluate.pca import two_components
from gde.evaluate.pieces import cut
from gde.evaluate.tables import principal_columns
from gde.sets.random import seed_of

LABELS = {"": "tissue", "_coarse": "tissue_coarse"}
SCORES = {"rate": "share of CpGs", "concordance": "share of reads", "entropy": "bits per CpG"}
AT_ONCE = 256  # reads generated together
RESAMPLES = 40  # of the real reads, for what chance alone makes of a score
BINS = 10
SHOWN = 6


def evaluate(
    model: Any, store: Any, config: dict[str, Any], seed: int
) -> tuple[dict[str, dict], dict[str, pd.DataFrame]]:
    """Records and tables. What the data cannot tell stands in `left_out`."""
    options = config["evaluation"]
    if "context" not in store.meta or "cpg" not in store.fields:
        found = f"a set store of kind {store.meta.get('kind')!r}"
        raise bad(store.path, found, "one of methylation reads", "choose another evaluation.kind")
    groups = evaluated(store)
    split, unit = (store.groups[name].astype(str).to_numpy()[groups] for name in ("split", "group"))
    tested = split == "test"
    rng = np.random.default_rng(seed_of(seed, "evaluate/methylation"))
    pieces = cut(store, groups, ~tested, repeats=options["repeats"], most=options["reads"], rng=rng)
    found = views(model, store, groups, pieces, options["regions"], ~tested)
    left: list[tuple[str, str]] = []
    metrics, tables = {}, {}
    for suffix, column in LABELS.items():
        names = column_of(store, column, f"groups: {column}")[groups]
        if len(set(names[tested])) < 2 or len(set(names[~tested])) < 2:
            left.append((f"tissue/accuracy{suffix}", f"samples of {len(set(names))} {column} only"))
            continue
        own, result = label_metrics(found, pieces, names, unit, tested, rng, options["bootstrap"])
        metrics |= {f"tissue/{name}{suffix}": value for name, value in own.items()}
        tables[f"tissues{suffix}"] = pd.DataFrame(
            {"group": result.unit, "label": result.truth, "predicted": result.predicted,
             "probability [1]": result.probability.max(1)}
        )  # fmt: skip
    if set(unit[tested]) & set(unit[~tested]):
        left.append(("tissue/held_out", "reads are held out, not samples: a sample that is tested has also trained"))
    names, whole = column_of(store, "tissue", "groups: tissue")[groups], found["gde"][0]
    if "classifier" in model.heads and config["objective"]["label"] in LABELS.values():
        told = column_of(store, config["objective"]["label"], "objective.label")[groups]
        metrics["tissue/head_accuracy"] = head_accuracy(
            model, whole[tested], told[tested], unit[tested], rng, options["bootstrap"]
        )
    if own := replicates(found, names, tested, rng, options["bootstrap"]):
        metrics |= own
    else:
        left.append(("replicates", "no tissue with a held-out sample and another one"))
    own, more = generated(model, store, groups, whole, names, unit, split, options, seed, rng)
    if "sites" not in more:
        left.append(("sites", "the generator cannot begin with given letters"))
    for name in ("methylation", "sites"):
        if name in more and more[name].empty:
            del more[name]
            left.append((name, "no generated read has the form of a read"))
    metrics, tables = metrics | own, tables | more
    tables["embedding"] = embedding_table(whole, unit, names, tested, store.sizes[groups])
    tables["left_out"] = left_out_table(left)
    return metrics, tables


def evaluated(store: Any) -> np.ndarray:
    """The groups that are looked at: all but validating reads of samples that train, which are few."""
    split, unit = store.groups["split"], store.groups["group"]
    trained = set(unit[split == "train"])
    return np.flatnonzero((split != "validation") | ~unit.isin(trained))


def embedding_table(z: np.ndarray, unit, names, tested: np.ndarray, sizes: np.ndarray) -> pd.DataFrame:
    """Two principal components of the embeddings with tissue, and whether the sample was held out."""
    centre, directions, share = two_components(z)
    table = pd.DataFrame((z - centre) @ directions, columns=principal_columns("pc", "latent units", share))
    part = np.where(tested, "target", "context")
    return table.assign(**{"group": unit, "label": names, "part": part, "n_samples [1]": sizes})


def generated(
    model, store, groups, z, names, unit, split, options, seed, rng
) -> tuple[dict[str, dict], dict[str, pd.DataFrame]]:
    """Reads generated for each tested sample against its own, pooled by tissue.

    A read is generated from the embedding of all reads of the sample; where reads are held out, of those that trained.
    What does not have the form of a read says nothing of methylation: it counts in `valid`, and in no score.
    `methylation/*` : whole reads, genomic context and all.   `sites/*` : CpGs behind the contexts of the sample's own
    reads, drawn by their weights; of generators that draw letter by letter.
    """
    draw = torch.Generator(model.device).manual_seed(seed_of(seed, "evaluate/methylation/generated") % 2**63)
    n, context = options["generated"], store.meta["context"]
    sources = ("methylation", "sites") if model.begins else ("methylation",)
    real: dict[str, list[Patterns]] = {}
    made: dict[str, dict[str, list[Patterns]]] = {source: {} for source in sources}
    for i in np.flatnonzero(split == "test"):
        own = np.flatnonzero((unit == unit[i]) & (split == "train"))
        embedding = z[own[0] if len(own) else i]
        real.setdefault(names[i], []).append(group_patterns(store, groups[i]))
        for source in sources:
            begin = contexts(store, groups[i], n, rng) if source == "sites" else None
            made[source].setdefault(names[i], []).append(generate(model, embedding, n, context, draw, begin))
    tissues = sorted(real)
    truth = {t: join(real[t]) for t in tissues}
    trained = join([group_patterns(store, g) for g in groups[split == "train"]])
    metrics, tables = {}, {}
    for source in sources:
        reads = {t: join(made[source][t]) for t in tissues}
        valid, drawn = (np.array([f(reads[t].valid) for t in tissues]) for f in (np.mean, len))
        reads = {t: some.take(some.valid) for t, some in reads.items()}
        for score in SCORES:
            error = score_error(score, truth, reads, int(drawn.min()), trained, rng, options["bootstrap"])
            if error is not None:
                metrics[f"{source}/{score}_error"] = error
        metrics[f"{source}/valid"] = record(
            valid.mean(), n=len(tissues), higher_is_better=True, ceiling=1.0,
            ci=bootstrap(lambda i, v=valid: v[i].mean(), len(valid), rng, repeats=options["bootstrap"]),
        )  # fmt: skip
        tables[source] = score_table(truth, reads)
        if source == "methylation":
            tables["methylation_levels"] = level_table(truth, reads)
    return metrics, tables


def contexts(store: Any, group: int, n: int, rng: np.random.Generator) -> np.ndarray:
    """The letters (n, context) before the CpGs of n reads of a group, drawn by their weights."""
    weight = store.read_weights(group)
    share = None if weight is None else weight.astype(np.float64) / weight.sum(dtype=np.float64)
    rows = store.starts[group] + rng.choice(int(store.sizes[group]), n, p=share)
    return store.gather(rows[None])[0][0].numpy()[:, : store.meta["context"]]


def generate(
    model: Any, z: np.ndarray, n: int, context: int, draw: torch.Generator, begin: np.ndarray | None = None
) -> Patterns:
    """Patterns of n reads generated from one embedding (l,); `begin` (n, context) : what they begin with."""
    one = torch.from_numpy(z).float()[None].to(model.device)
    parts = []
    for start in range(0, n, AT_ONCE):
        part = slice(start, start + AT_ONCE)
        begun = {} if begin is None else {"given": torch.from_numpy(begin[part])[None]}
        tokens = model.sample(one, min(AT_ONCE, n - start), generator=draw, **begun)[0].cpu().numpy()
        parts.append(patterns(tokens, context))
    return join(parts)


def score_error(score: str, truth, made, n: int, trained: Patterns, rng, repeats: int) -> dict | None:
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
    again = [resampled_gap(truth[t], n, score, rng) for t in tissues]
    baselines = {"training_mean": np.abs((getattr(trained, score) or 0.0) - real).mean()}
    if len(tissues) > 1:
        baselines["other_tissue"] = every[others].mean()
    return record(
        gap.mean(), n=len(tissues), higher_is_better=False, baselines=baselines, ceiling=float(np.mean(again)),
        ci=bootstrap(lambda i: gap[i].mean(), len(gap), rng, repeats=repeats),
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
