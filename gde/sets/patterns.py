"""Repeats of short k-mers with substitutions: the distribution of simulated sequences, and which k-mer a sequence
repeats."""

from collections.abc import Iterator
from functools import cached_property

import numpy as np

from gde.errors import bad

RESIDUES = 4  # tokens 1..4, A, C, G and T: no N
ROWS = 1 << 14  # sequences that are compared with all k-mers together


class Patterns:
    """K-mers (k, u) of tokens 1..4. A sequence of k-mer a is `length` tokens of a, a, a, ... from a random position of
    it, each token then replaced by one of the other three with probability `substitutions`."""

    alphabet, residues, kmer = "dna", RESIDUES, 4  # kmer : tokens of the k-mers of a plain embedding

    def __init__(self, kmers: np.ndarray, length: int, substitutions: float):
        self.kmers, self.length, self.substitutions = np.asarray(kmers, np.uint8), int(length), float(substitutions)

    def __len__(self) -> int:
        return len(self.kmers)

    @property
    def compared(self) -> int:
        """Tokens of a sequence among which `nearest` counts the ones that differ."""
        return self.length

    @classmethod
    def draw(cls, count: int, unit: int, length: int, substitutions: float, rng: np.random.Generator) -> "Patterns":
        """`count` random k-mers of `unit` tokens that repeat no shorter kmer, no two of them the same when turned.

        GdeError when there are not as many (60 of four tokens).
        """
        every = np.stack(np.meshgrid(*[np.arange(1, RESIDUES + 1)] * unit, indexing="ij"), -1).reshape(-1, unit)
        turns = np.stack([np.roll(every, -s, axis=1) for s in range(unit)], 1)  # (kmers, turns, u)
        number = (turns - 1) @ RESIDUES ** np.arange(unit)[::-1]
        own = number[:, 0]
        distinct = (number[:, 1:] != own[:, None]).all(1) if unit > 1 else np.ones(len(every), bool)
        kmers = every[distinct & (own == number.min(1))]
        if count > len(kmers):
            expected = f"at most {len(kmers)}, the distinct k-mers of {unit} tokens"
            raise bad("dataset.patterns", str(count), expected, "raise dataset.unit")
        return cls(kmers[rng.permutation(len(kmers))[:count]], length, substitutions)

    @property
    def names(self) -> list[str]:
        """The k-mers as text."""
        return ["".join("ACGT"[t - 1] for t in kmer) for kmer in self.kmers]

    @cached_property
    def clean(self) -> np.ndarray:
        """Every k-mer's sequences without substitutions, by the position they start at: (k, u, length) uint8."""
        unit = self.kmers.shape[1]
        position = (np.arange(unit)[:, None] + np.arange(self.length)) % unit
        return self.kmers[:, position]

    def sample(self, kmer: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """A sequence of each kmer in `k-mer` (n,): (n, length) uint8."""
        tokens = self.clean[kmer, rng.integers(self.kmers.shape[1], size=len(kmer))]
        changed = rng.random(tokens.shape, dtype=np.float32) < self.substitutions
        step = rng.integers(1, RESIDUES, size=int(changed.sum()), dtype=np.uint8)
        tokens[changed] = (tokens[changed] - 1 + step) % RESIDUES + 1
        return tokens

    def nearest(self, tokens: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The k-mer (n,) whose repeats differ at fewest positions from tokens (n, length), and at how many (n,)."""
        flat = self.clean.reshape(-1, self.length)
        known = _one_hot(flat)
        kmer, differ = np.empty(len(tokens), np.int64), np.empty(len(tokens), np.int64)
        for start in range(0, len(tokens), ROWS):
            same = _one_hot(tokens[start : start + ROWS]) @ known.T
            best = same.argmax(1)
            kmer[start : start + ROWS] = best // self.clean.shape[1]
            differ[start : start + ROWS] = self.length - same[np.arange(len(best)), best]
        return kmer, differ

    @cached_property
    def cost(self) -> np.ndarray:
        """Wasserstein distance between the sequences of every two kmers, in tokens that differ (Hamming): (k, k).

        Of a coupling only the starting positions matter: substitutions can be the same on both sides. They are coupled
        by the best assignment.
        """
        from scipy.optimize import linear_sum_assignment

        k, unit = self.kmers.shape
        flat = _one_hot(self.clean.reshape(-1, self.length))
        differ = (self.length - flat @ flat.T).reshape(k, unit, k, unit)
        out = np.zeros((k, k))
        for a, b in _pairs(k):
            rows, columns = linear_sum_assignment(differ[a, :, b])
            out[a, b] = out[b, a] = differ[a, rows, b, columns].mean()
        return out

    @property
    def entropy(self) -> float:
        """Nats per token of one k-mer's sequences: the substitutions', and the starting position spread over the
        length.

        An upper limit, reached where substitutions never make the sequences of two starting positions alike."""
        s, unit = self.substitutions, self.kmers.shape[1]
        changes = 0.0 if s == 0 else -(s * np.log(s / (RESIDUES - 1)) + (1 - s) * np.log1p(-s))
        return float(changes + np.log(unit) / self.length)

    def best_likelihood(self, share: np.ndarray, tokens: np.ndarray) -> float:
        """Nats per token that no model of the mixture (k,) exceeds: its negative entropy, whatever the tokens."""
        real = share[share > 0]
        return -(self.entropy + float(-(real * np.log(real)).sum()) / self.length)


def _one_hot(tokens: np.ndarray) -> np.ndarray:
    flags = np.asarray(tokens)[:, :, None] == np.arange(1, RESIDUES + 1)
    return flags.reshape(len(tokens), -1).astype(np.float32)


def _pairs(k: int) -> Iterator[tuple[int, int]]:
    return ((a, b) for a in range(k) for b in range(a + 1, k))
