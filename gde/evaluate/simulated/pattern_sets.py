"""Mixtures of held-out sequences of known kmers: their shares, what is drawn of them, and embeddings."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from gde.distances.exact import solve_ot
from gde.errors import bad
from gde.evaluate.shared.context import Context
from gde.evaluate.shared.embedding import embed_rows
from gde.evaluate.shared.kmers import kmer_profile
from gde.evaluate.shared.rows import tokens_of
from gde.evaluate.shared.simplex_grid import STEPS, simplex_grid
from gde.sets.motifs import Motifs
from gde.sets.patterns import Patterns

MIXED = 3  # k-mers of a random mixture
DISTRIBUTIONS = {distribution.alphabet: distribution for distribution in (Patterns, Motifs)}
Distribution = Patterns | Motifs


@dataclass(frozen=True)
class Cases:
    """Mixtures: share (c, k) of each k-mer; rows of the store's groups that hold the k-mers' test sequences (k,), -1
    for k-mers that have none."""

    share: np.ndarray
    group: np.ndarray


def distribution_of(store: Any) -> Distribution:
    """The distribution of the simulated sequences of a store. GdeError for a store of others."""
    if "patterns" not in store.meta or store.alphabet is None or store.alphabet.name not in DISTRIBUTIONS:
        found = f"a set store of kind {store.meta.get('kind')!r}"
        raise bad(store.path, found, "one of simulated patterns", "choose another evaluation.kind")
    about = store.meta["patterns"]
    kmers = np.stack([store.alphabet.encode(kmer) for kmer in about["kmers"]])
    return DISTRIBUTIONS[store.alphabet.name](kmers, about["length"], about["substitutions"])


def cases_of(store: Any, patterns: Distribution, mixtures: int, rng: np.random.Generator) -> Cases:
    """The simplex's grid with three kmers, else every held-out k-mer alone and random mixtures of MIXED of them."""
    row = {name: g for g, name in enumerate(store.groups["group"]) if store.groups["split"][g] == "test"}
    group = np.array([row.get(name, -1) for name in store.meta["patterns"]["kmers"]])
    if len(patterns) == 3 and (group >= 0).all():
        return Cases(simplex_grid() / STEPS, group)
    held = np.flatnonzero(group >= 0)
    share = [np.eye(len(patterns))[w] for w in held]
    for _ in range(mixtures):
        mixed = np.zeros(len(patterns))
        chosen = rng.choice(held, min(MIXED, len(held)), replace=False)
        mixed[chosen] = rng.dirichlet(np.ones(len(chosen)))
        share.append(mixed)
    if len(share) < 3:
        raise bad(store.path, f"{len(share)} mixtures of held-out k-mers", "three or more", "raise evaluation.mixtures")
    return Cases(np.stack(share), group)


def sets_of(
    ctx: Context, patterns: Distribution, cases: Cases
) -> tuple[np.ndarray, dict[str, np.ndarray], list[np.ndarray]]:
    """Embeddings (c, l) of evaluation.points sequences of each mixture, trivial embeddings (c, ·) of the same, and
    evaluation.scored further sequences of each.

    No sequence is twice in a mixture. GdeError where a k-mer has too few.
    """
    store, rng, points, scored = ctx.store, ctx.rng, ctx.options["points"], ctx.options["scored"]
    z, kmers, residues, rest = [], [], [], []
    for share in cases.share:
        drawn = np.zeros(len(share), np.int64)
        drawn[share > 0] = rng.multinomial(points, share[share > 0])
        further = np.zeros(len(share), np.int64)
        further[share > 0] = rng.multinomial(scored, share[share > 0])
        own, others = [], []
        for w in np.flatnonzero(drawn + further):
            wanted, there = int(drawn[w] + further[w]), int(store.sizes[cases.group[w]])
            if wanted > there:
                found = f"{there} held-out sequences of {store.groups['group'][cases.group[w]]!r}"
                remedy = "raise dataset.size, or lower evaluation.points"
                raise bad(store.path, found, f"{wanted} for a mixture", remedy)
            rows = int(store.starts[cases.group[w]]) + rng.permutation(there)[:wanted]
            own.append(rows[: drawn[w]])
            others.append(rows[drawn[w] :])
        chosen = np.concatenate(own)
        x = tokens_of(store, chosen)
        z.append(embed_rows(ctx.model, store, chosen))
        kmers.append(kmer_profile(x, patterns.kmer, patterns.residues))
        residues.append((x[:, :, None] == np.arange(1, patterns.residues + 1)).mean(0).ravel())
        rest.append(tokens_of(store, np.concatenate(others)))
    return np.stack(z), {"kmer_mean": np.stack(kmers), "one_hot_mean": np.stack(residues)}, rest


def transport(share: np.ndarray, cost: np.ndarray) -> np.ndarray:
    """Optimal transport distance (c, c) between mixtures, shares (c, k), with the cost (k, k) between their parts."""
    out = np.zeros((len(share), len(share)))
    for i in range(len(share)):
        for j in range(i + 1, len(share)):
            a, b = np.flatnonzero(share[i]), np.flatnonzero(share[j])
            part = np.ascontiguousarray(cost[np.ix_(a, b)])
            out[i, j] = out[j, i] = (solve_ot(share[i, a], share[j, b], part) * part).sum()
    return out
