"""What can be compared of two sets of sequences without an alignment, for every held-out set of a store."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from gde.evaluate.kmers import gc_content, kmer_counts
from gde.sets.alphabet import Alphabet, lengths

ROWS = 65_536  # sequences read together


@dataclass(frozen=True)
class Held:
    """A held-out set: its row in the store's groups, and numbers of rows of the store, disjoint: `context`, what it is
    embedded from, and `target`, what is compared and scored."""

    group: int
    context: np.ndarray
    target: np.ndarray


def held_sets(store: Any, most: int, sets: int, rng: np.random.Generator) -> tuple[list[Held], int]:
    """At most `sets` held-out sets, at random, and how many there are. Context and target have at most `most` rows."""
    trained, found = training_groups(store), []
    for g in np.flatnonzero(store.groups["split"] == "test"):
        context, rows = apart(store, int(g), trained)
        if len(context):
            found.append(Held(int(g), context[:most], rows[:most]))
    chosen = np.sort(rng.permutation(len(found))[:sets])
    return [found[i] for i in chosen], len(found)


def training_groups(store: Any) -> dict[str, int]:
    """From the name of a group to the number of its training part, of those that have one."""
    return {store.groups["group"][g]: int(g) for g in store.select(split="train")}


def apart(store: Any, g: int, trained: dict[str, int]) -> tuple[np.ndarray, np.ndarray]:
    """Rows that a held-out group g is embedded from, and those that it is compared with.

    The first are the group's training sequences, where it has some (sequences are held out), else the first half of the
    held-out ones: a store keeps the sequences of a group in random order.
    """
    rows, source = rows_of(store, g), trained.get(store.groups["group"][g])
    return (rows[: len(rows) // 2], rows[len(rows) // 2 :]) if source is None else (rows_of(store, source), rows)


def rows_of(store: Any, g: int) -> np.ndarray:
    return np.arange(store.starts[g], store.starts[g] + store.sizes[g])


def drawn_rows(store: Any, split: str, n: int, rng: np.random.Generator) -> np.ndarray:
    """Rows (n,) of the store, drawn with replacement from all of a split."""
    groups = store.select(split=split)
    stops = np.cumsum(store.sizes[groups])
    drawn = rng.integers(stops[-1], size=n)
    of = np.searchsorted(stops, drawn, side="right")
    return store.starts[groups][of] + drawn - (stops[of] - store.sizes[groups][of])


def read_rows(store: Any, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Tokens (n, L) at rows (n,) of the store, and their weights (n,) or None."""
    weight = store.weights(rows[None])
    return store.gather(rows[None])[0][0].numpy(), None if weight is None else weight[0].numpy()


def read_split(store: Any, split: str, most: int | None = None) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
    """Chunks of tokens and weights of all sequences of a split; of about `most` of them, of each group by its size and
    at least one."""
    groups = store.select(split=split)
    yield from read_groups(store, groups, 1.0 if most is None else min(1.0, most / store.sizes[groups].sum()))


def read_groups(store: Any, groups: np.ndarray, share: float) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
    """Chunks of tokens and weights of this share of each of the groups."""
    for g in groups:
        size = int(np.ceil(store.sizes[g] * share))
        for start in range(0, size, ROWS):
            part = slice(start, min(start + ROWS, size))
            yield store.read(g, part), store.read_weights(g, part)


@dataclass(frozen=True)
class Summary:
    """Of a set: counts of k-mers without unknown letters, share of G and C (of DNA), share of unknown letters, and sums
    of weights by length (L + 1,)."""

    kmers: np.ndarray
    gc: float
    unknown: float
    lengths: np.ndarray


def summarise(parts: Iterator[tuple[np.ndarray, np.ndarray | None]], alphabet: Alphabet, k: int) -> Summary:
    """Of all chunks of tokens (n, L) and weights (n,) or None together."""
    kmers, gc, total, letters, unknown, by_length = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for tokens, weight in parts:
        weight = np.ones(len(tokens)) if weight is None else np.asarray(weight, float)
        kmers = kmers + kmer_counts(tokens, k, alphabet.known, weight)
        gc += (weight * gc_content(tokens)).sum()
        total += weight.sum()
        own = lengths(tokens)
        letters += (weight * own).sum()
        unknown += (weight * (tokens > alphabet.known).sum(1)).sum()
        by_length = by_length + np.bincount(own, weight, minlength=tokens.shape[1] + 1)
    return Summary(kmers, gc / total, unknown / letters, by_length)


def gaps(a: Summary, b: Summary) -> dict[str, float]:
    """How two sets differ: total variation of k-mers, absolute differences of the shares of G and C and of unknown
    letters, and W1 between lengths, in letters."""
    p, q = (s.kmers / max(s.kmers.sum(), 1e-300) for s in (a, b))
    f, g = (s.lengths.cumsum() / s.lengths.sum() for s in (a, b))
    # a set without any k-mer is as far from one with some as can be
    variation = np.abs(p - q).sum() / 2 if (p.any() == q.any()) else 1.0
    return {
        "kmers/distance": float(variation),
        "letters/gc_error": abs(a.gc - b.gc),
        "letters/n_error": abs(a.unknown - b.unknown),
        "lengths/error": float(np.abs(f - g).sum()),
    }
