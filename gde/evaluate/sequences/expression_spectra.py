"""Generated sequences as sequences: kmers, motifs, unknown tokens, and how near the training data they are."""

from typing import Any

import numpy as np
import pandas as pd

from gde.evaluate.sequences.expression_generated import Achieved
from gde.evaluate.sequences.motifs import motif_hits, read_motifs
from gde.evaluate.sequences.windows import WindowSets
from gde.evaluate.shared.context import Context, Results
from gde.evaluate.shared.correlation import pearson
from gde.evaluate.shared.kmers import kmer_counts, kmer_distance, nearest_identity
from gde.evaluate.shared.metrics import bootstrap, mean_interval, record
from gde.evaluate.shared.rows import drawn

NUCLEOTIDES = "ACGT"
COMPARED = 500  # sequences of each source whose nearest training sequence is looked for
N = 5  # the token


Parts = dict[str, list[np.ndarray]]  # by source, tokens (n, L) of each set


def spectra(ctx: Context, made: Achieved, sets: WindowSets, training: np.ndarray) -> Results:
    """`kmers/distance`, `motifs/pearson`, `novelty/identity`, `composition/n_error`, over the sets that are held out by
    sequence: as many of each set from every source, so that sources are compared at equal noise."""
    options, rng, tokens = ctx.options, ctx.rng, sets.tokens
    own = np.flatnonzero(~sets.top)
    half = [min(len(tokens["test"][i]) // 2, options["generated"], len(tokens["train"][i])) or 1 for i in own]
    order = {i: rng.permutation(len(tokens["test"][i])) for i in own}
    sources = {"generated": made.tokens["generated"], "independent_tokens": made.tokens["independent_tokens"]}
    parts = {name: [x[i][:h] for i, h in zip(own, half, strict=True)] for name, x in sources.items()}
    parts["training"] = [tokens["train"][i][rng.permutation(len(tokens["train"][i]))[:h]]
                         for i, h in zip(own, half, strict=True)]  # fmt: skip
    parts["real"] = [tokens["test"][i][order[i][-h:]] for i, h in zip(own, half, strict=True)]
    metrics, tables = kmers(parts, options["kmer"])
    if options["motifs"] is None:
        ctx.leave_out("motifs", "evaluation.motifs names no file")
    else:
        found, tables["motifs"] = motif_metric(ctx, parts)
        metrics |= found
    metrics |= novelty(ctx, parts, training)
    metrics |= unknown_tokens(ctx, parts)
    return metrics, tables


def jackknife(value: float, without: list[float]) -> tuple[float, float]:
    """95 % interval of a value from those without one set each. Sets drawn twice, as by the bootstrap, would make any
    two spectra more different than they are."""
    n = len(without)
    error = 1.96 * float(np.sqrt((n - 1) * np.var(without)))
    return max(0.0, value - error), min(1.0, value + error)


def kmers(parts: Parts, k: int) -> tuple[dict, dict[str, pd.DataFrame]]:
    """`kmers/distance`: total variation between the spectra of generated and real sequences, all sets together."""
    counts = {name: np.array([kmer_counts(x, k, 4) for x in sets]) for name, sets in parts.items()}

    def gap(name: str, index: Any = slice(None)) -> float:
        spectrum = [counts[source][index].sum(0) for source in (name, "real")]
        return kmer_distance(*spectrum) if all(s.sum() > 0 for s in spectrum) else 1.0

    n = len(parts["real"])
    metric = record(
        gap("generated"), n=n, higher_is_better=False, ceiling=gap("training"),
        ci=jackknife(gap("generated"), [gap("generated", np.arange(n) != i) for i in range(n)]),
        baselines={"independent_tokens": gap("independent_tokens")},
    )  # fmt: skip
    share = {name: c.sum(0) / max(c.sum(), 1.0) for name, c in counts.items()}
    kmer = ["".join(NUCLEOTIDES[i // 4 ** (k - 1 - j) % 4] for j in range(k)) for i in range(4**k)]
    table = pd.DataFrame({"label": kmer, "real [share of k-mers]": share["real"],
                          "generated [share of k-mers]": share["generated"]})  # fmt: skip
    return {"kmers/distance": metric}, {"kmers": table}


def motif_metric(ctx: Context, parts: Parts) -> tuple[dict[str, dict], pd.DataFrame]:
    """`motifs/pearson`: over motifs, of the logarithms of hits per sequence in generated and in real sequences."""
    motifs = read_motifs(ctx.options["motifs"])
    joined = {name: np.concatenate(sets) for name, sets in parts.items()}
    hits = {name: np.array([motif_hits(m, x) for m in motifs]) / len(x) for name, x in joined.items()}
    floor = 1 / len(joined["real"])
    level = {name: np.log10(h + floor) for name, h in hits.items()}

    def r(name: str, index: Any = slice(None)) -> float:
        return pearson(level[name][index], level["real"][index])

    metric = record(
        r("generated"), n=len(motifs), higher_is_better=True, chance=0.0, ceiling=r("training"),
        ci=bootstrap(lambda i: r("generated", i), len(motifs), ctx.rng, repeats=ctx.repeats),
        baselines={"independent_tokens": r("independent_tokens")},
    )  # fmt: skip
    table = pd.DataFrame({"label": [m.name for m in motifs], "real [hits per sequence]": hits["real"],
                          "generated [hits per sequence]": hits["generated"]})  # fmt: skip
    return {"motifs/pearson": metric}, table


def novelty(ctx: Context, parts: Parts, training: np.ndarray) -> dict[str, dict]:
    """`novelty/identity`: share of positions at which a generated sequence agrees with the nearest that trains. The
    target is what real held-out sequences have: above it the generator copies."""
    rng = ctx.rng
    reference = training[drawn(np.arange(len(training)), ctx.options["known"], rng)]
    near = {}
    for name in ("generated", "real", "independent_tokens"):
        x = np.concatenate(parts[name])
        near[name] = nearest_identity(x[drawn(np.arange(len(x)), COMPARED, rng)], reference, 5)
    metric = record(
        near["generated"].mean(), n=len(near["generated"]), target=near["real"].mean(),
        ci=mean_interval(near["generated"], rng, repeats=ctx.repeats),
        baselines={"independent_tokens": near["independent_tokens"].mean()},
    )  # fmt: skip
    return {"novelty/identity": metric}


def unknown_tokens(ctx: Context, parts: Parts) -> dict[str, dict]:
    """`composition/n_error`: absolute difference of the share of N among the tokens of generated and real sequences."""
    unknown = {name: np.array([[(x == N).sum(), (x > 0).sum()] for x in sets]) for name, sets in parts.items()}

    def gap(name: str, index: Any = slice(None)) -> float:
        a, b = (unknown[source][index].sum(0) for source in (name, "real"))
        return abs(a[0] / max(a[1], 1) - b[0] / max(b[1], 1))

    n = len(parts["real"])
    metric = record(
        gap("generated"), n=n, higher_is_better=False, ceiling=gap("training"),
        ci=bootstrap(lambda i: gap("generated", i), n, ctx.rng, repeats=ctx.repeats),
        baselines={"independent_tokens": gap("independent_tokens")},
    )  # fmt: skip
    return {"composition/n_error": metric}
