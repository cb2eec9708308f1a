"""Scores of sequences: what can be compared of two sets of sequences without an alignment."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from gde.evaluate.shared.kmers import gc_content, kmer_counts
from gde.evaluate.shared.rows import Chunk
from gde.sets.types.alphabet import Alphabet, lengths


@dataclass(frozen=True)
class Summary:
    """Of a set: counts of k-mers without unknown tokens, share of G and C (of DNA), share of unknown tokens, and sums
    of weights by length (L + 1,)."""

    kmers: np.ndarray
    gc: float
    unknown: float
    lengths: np.ndarray


def summarise(parts: Iterable[Chunk], alphabet: Alphabet, k: int) -> Summary:
    """Of all chunks of tokens (n, L) and weights (n,) or None together."""
    kmers, gc, total, residues, unknown, by_length = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for tokens, weight in parts:
        weight = np.ones(len(tokens)) if weight is None else np.asarray(weight, float)
        kmers = kmers + kmer_counts(tokens, k, alphabet.known, weight)
        gc += (weight * gc_content(tokens)).sum()
        total += weight.sum()
        own = lengths(tokens)
        residues += (weight * own).sum()
        unknown += (weight * (tokens > alphabet.known).sum(1)).sum()
        by_length = by_length + np.bincount(own, weight, minlength=tokens.shape[1] + 1)
    return Summary(kmers, gc / total, unknown / residues, by_length)


def gaps(a: Summary, b: Summary) -> dict[str, float]:
    """How two sets differ: total variation of k-mers, absolute differences of the shares of G and C and of unknown
    tokens, and W1 between lengths, in tokens."""
    p, q = (s.kmers / max(s.kmers.sum(), 1e-300) for s in (a, b))
    f, g = (s.lengths.cumsum() / s.lengths.sum() for s in (a, b))
    # a set without any k-mer is as far from one with some as can be
    variation = np.abs(p - q).sum() / 2 if (p.any() == q.any()) else 1.0
    return {
        "kmers/distance": float(variation),
        "composition/gc_error": abs(a.gc - b.gc),
        "composition/n_error": abs(a.unknown - b.unknown),
        "lengths/error": float(np.abs(f - g).sum()),
    }
