"""Scores of sequences that need no alignment: k-mer spectra, composition, and how near the closest known one is."""

from collections.abc import Iterator

import numpy as np

from gde.sets.types.alphabet import END, lengths

MOST_WORDS = 1 << 16  # different ones that are counted: all of eight known tokens of DNA
ROWS = 1 << 16  # sequences whose k-mers are numbered together
COMPARED = 1 << 22  # tokens of known sequences that are compared together


def kmer_codes(tokens: np.ndarray, k: int, alphabet_size: int) -> np.ndarray:
    """The number 0..alphabet_size^k - 1 of the k-mer at every position of tokens (n, L): (n, L - k + 1) int32; -1 where
    it has a token that is no residue 1..alphabet_size (4 leaves N out of DNA), as at the end. ValueError for impossible
    k.
    """
    tokens = np.asarray(tokens)
    if not 1 <= k <= tokens.shape[1] or alphabet_size**k >= 1 << 31:
        raise ValueError(
            f"k = {k}: expected 1..{tokens.shape[1]}, and fewer than 2^31 k-mers of {alphabet_size} tokens"
        )
    positions = tokens.shape[1] - k + 1
    code = np.zeros((len(tokens), positions), np.int32)
    fine = np.ones((len(tokens), positions), bool)
    residue = (tokens > END) & (tokens <= alphabet_size)
    for j in range(k):
        code *= alphabet_size
        code += np.where(residue, tokens, 1)[:, j : j + positions] - np.int32(1)
        fine &= residue[:, j : j + positions]
    code[~fine] = -1
    return code


def longest_kmers(k: int, alphabet_size: int, most: int = MOST_WORDS) -> int:
    """The greatest length up to k of which there are at most `most` kmers: 8 of 4 tokens, 3 of 20, 1 or 2 of 255."""
    return max([1, *(n for n in range(1, k + 1) if alphabet_size**n <= most)])


def kmer_counts(tokens: np.ndarray, k: int, alphabet_size: int, weight: np.ndarray | None = None) -> np.ndarray:
    """How often each k-mer stands in tokens (n, L), in the order of the tokens: (alphabet_size^k,) float64.

    Overlapping ones count each; those with a token that is no residue 1..alphabet_size do not.
    weight : (n,) multiplicity of each sequence.
    """
    counts = np.zeros(alphabet_size**k)
    for start in range(0, len(tokens), ROWS):
        code = kmer_codes(tokens[start : start + ROWS], k, alphabet_size)
        real = code >= 0
        share = None
        if weight is not None:
            share = np.broadcast_to(np.asarray(weight, float)[start : start + ROWS, None], code.shape)[real]
        counts += np.bincount(code[real], share, minlength=len(counts))
    return counts


def kmer_profile(tokens: np.ndarray, k: int, alphabet_size: int, weight: np.ndarray | None = None) -> np.ndarray:
    """Relative frequencies of the k-mers of a set: `kmer_counts` over their sum; zeros where there is none."""
    counts = kmer_counts(tokens, k, alphabet_size, weight)
    return counts / max(counts.sum(), 1e-300)


def kmer_distance(a: np.ndarray, b: np.ndarray, kind: str = "tv") -> float:
    """Distance of two spectra of counts or frequencies (m,), each divided by its sum.

    kind : `tv`, total variation, 0 to 1; `js`, Jensen-Shannon divergence in bits, 0 to 1. ValueError for a spectrum
    without any k-mer.
    """
    a, b = (np.asarray(v, float) for v in (a, b))
    if a.shape != b.shape or not (a.sum() > 0 and b.sum() > 0):
        raise ValueError(f"spectra of shapes {a.shape}, {b.shape} and sums {a.sum():g}, {b.sum():g}")
    a, b = a / a.sum(), b / b.sum()
    if kind == "tv":
        return float(np.abs(a - b).sum() / 2)
    if kind != "js":
        raise ValueError(f"kind: found {kind!r}, expected tv or js")
    middle = (a + b) / 2
    return float(sum((p[p > 0] * np.log2(p[p > 0] / middle[p > 0])).sum() for p in (a, b)) / 2)


def token_fractions(tokens: np.ndarray, alphabet_size: int, weight: np.ndarray | None = None) -> np.ndarray:
    """Share of each token among all tokens of tokens (n, L): (alphabet_size,) float64."""
    return kmer_profile(tokens, 1, alphabet_size, weight)


def gc_content(tokens: np.ndarray) -> np.ndarray:
    """Share of G and C among the tokens A, C, G and T of each DNA sequence of tokens (n, L): (n,) float64; 0 where
    there is none of them."""
    known = ((tokens >= 1) & (tokens <= 4)).sum(1)
    return ((tokens == 2) | (tokens == 3)).sum(1) / np.maximum(known, 1)


def nearest_identity(generated: np.ndarray, known: np.ndarray | Iterator[np.ndarray], alphabet_size: int) -> np.ndarray:
    """Share of the positions at which each sequence of `generated` (g, L) agrees with the closest of `known`: (g,) in
    [0, 1]; 1 is a copy, at random it is about 1 / alphabet_size.

    known : tokens (m, L), or chunks of them.   Sequences are laid side by side from their beginnings, without gaps;
    positions are those of the longer of the two. One product of matrices: 10^3 against 10^5 of 80 tokens take seconds.
    """
    chunks = [known] if isinstance(known, np.ndarray) else known
    own, own_length = _letters(generated, alphabet_size), lengths(generated)
    best = np.zeros(len(generated))
    step = max(1, COMPARED // max(own.shape[1], 1))
    for chunk in chunks:
        for start in range(0, len(chunk), step):
            part = chunk[start : start + step]
            positions = np.maximum(own_length[:, None], lengths(part)[None])
            same = own @ _letters(part, alphabet_size).T
            np.maximum(best, (same / np.maximum(positions, 1)).max(1), out=best)
    return best


def _letters(tokens: np.ndarray, alphabet_size: int) -> np.ndarray:
    """One-hot tokens (n, L alphabet_size) float32; nothing at an end."""
    flags = np.asarray(tokens)[:, :, None] == np.arange(1, alphabet_size + 1)
    return flags.reshape(len(tokens), -1).astype(np.float32)
