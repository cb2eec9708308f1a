"""Scores of sequences against counting by hand."""

from collections import Counter

import numpy as np
import pytest

from gde.evaluate.shared.kmers import (
    gc_content,
    kmer_codes,
    kmer_counts,
    kmer_distance,
    nearest_identity,
    token_fractions,
)
from gde.sets.types.alphabet import ALPHABETS, lengths

DNA = ALPHABETS["dna"]


def random_tokens(n, length, seed=0, residues=5):
    """Sequences of 1..length tokens."""
    rng = np.random.default_rng(seed)
    tokens = rng.integers(1, residues + 1, (n, length), dtype=np.uint8)
    tokens[np.arange(length) >= rng.integers(1, length + 1, n)[:, None]] = 0
    return tokens


@pytest.mark.parametrize("k", [1, 2, 3])
@pytest.mark.parametrize("size", [4, 5])
def test_counts_are_those_of_the_text(k, size):
    tokens = random_tokens(60, 12)
    weight = np.random.default_rng(1).integers(1, 9, 60).astype(float)
    residues = DNA.symbols[:size]
    counted = Counter()
    for text, w in zip(DNA.decode(tokens), weight, strict=True):
        for i in range(len(text) - k + 1):
            if set(kmer := text[i : i + k]) <= set(residues):
                counted[kmer] += w
    counts = kmer_counts(tokens, k, size, weight)
    kmers = ["".join(residues[c // size**j % size] for j in reversed(range(k))) for c in range(size**k)]
    assert {w: c for w, c in zip(kmers, counts, strict=True) if c} == dict(counted)


def test_places_without_a_word_are_marked():
    tokens = DNA.pad(["ACGT", "AC", "ANGT"], 5)
    codes = kmer_codes(tokens, 2, 4)
    assert codes.tolist() == [[1, 6, 11, -1], [1, -1, -1, -1], [-1, -1, 11, -1]]
    for k in (0, 6, 32):
        with pytest.raises(ValueError, match="k ="):
            kmer_codes(tokens, k, 4)


def test_distances():
    a, b = np.array([1.0, 3, 0]), np.array([0.0, 0, 5])
    assert kmer_distance(a, a) == 0 == kmer_distance(a, 7 * a, "js")
    assert kmer_distance(a, b) == pytest.approx(1) and kmer_distance(a, b, "js") == pytest.approx(1)
    half = np.array([1.0, 0, 1])
    assert kmer_distance(a, half) == pytest.approx(0.75)
    with pytest.raises(ValueError, match="sums"):
        kmer_distance(a, np.zeros(3))
    with pytest.raises(ValueError, match="tv or js"):
        kmer_distance(a, b, "l2")


def test_composition():
    tokens = DNA.pad(["ACGT", "GGCN", "NN", "AAT"], 6)
    assert gc_content(tokens).tolist() == [0.5, 1.0, 0.0, 0.0]
    assert token_fractions(tokens, 5) == pytest.approx(np.array([3, 2, 3, 2, 3]) / 13)


def test_the_nearest_known_sequence_is_found():
    generated, known = random_tokens(20, 15, seed=2), random_tokens(50, 15, seed=3)
    generated[7] = known[11]

    def identity(a, b):
        n = max(lengths(a[None])[0], lengths(b[None])[0])
        return ((a == b) & (a > 0)).sum() / n

    expected = [max(identity(a, b) for b in known) for a in generated]
    found = nearest_identity(generated, known, 5)
    assert found == pytest.approx(expected) and found[7] == 1
    assert nearest_identity(generated, iter(np.array_split(known, 7)), 5) == pytest.approx(expected)
