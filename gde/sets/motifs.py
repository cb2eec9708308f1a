"""Random peptides with a motif somewhere in them: their distribution, exactly, and which motif a peptide has."""

from functools import cached_property

import numpy as np

from gde.errors import bad
from gde.sets.types.alphabet import ALPHABETS

RESIDUES = ALPHABETS["protein"].known
ROWS = 1 << 14  # peptides that are compared with all motifs together


class Motifs:
    """Motifs (k, u) of residues, tokens 1..20. A peptide of motif a is `length` residues, all equally likely, of which
    u in a row, at a random position, are a's, each replaced by one of the other 19 with probability `substitutions`.

    What `gde.sets.patterns.Patterns` says of repeated k-mers this says of motifs, under the same names.
    """

    alphabet, residues, kmer = "protein", RESIDUES, 2

    def __init__(self, kmers: np.ndarray, length: int, substitutions: float):
        self.kmers, self.length, self.substitutions = np.asarray(kmers, np.uint8), int(length), float(substitutions)

    def __len__(self) -> int:
        return len(self.kmers)

    @property
    def compared(self) -> int:
        """Residues of a peptide among which `nearest` counts the ones that differ."""
        return self.kmers.shape[1]

    @property
    def positions(self) -> int:
        """Positions at which a motif may begin."""
        return self.length - self.kmers.shape[1] + 1

    @classmethod
    def draw(cls, count: int, unit: int, length: int, substitutions: float, rng: np.random.Generator) -> "Motifs":
        """`count` different random motifs of `unit` residues. GdeError where there are not as many."""
        if RESIDUES**unit < count:
            raise bad("dataset.patterns", str(count), f"at most {RESIDUES**unit}", "raise dataset.unit")
        kmers = np.zeros((0, unit), np.int64)
        while len(kmers) < count:
            kmers = np.concatenate([kmers, rng.integers(1, RESIDUES + 1, (count, unit))])
            kmers = kmers[np.sort(np.unique(kmers, axis=0, return_index=True)[1])]
        return cls(kmers[:count], length, substitutions)

    @property
    def names(self) -> list[str]:
        """The motifs as text."""
        return ALPHABETS["protein"].decode(self.kmers)

    def sample(self, kmer: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """A peptide of each motif in `k-mer` (n,): (n, length) uint8."""
        n, unit = len(kmer), self.kmers.shape[1]
        tokens = rng.integers(1, RESIDUES + 1, (n, self.length), dtype=np.uint8)
        motif = self.kmers[kmer]
        changed = rng.random(motif.shape, dtype=np.float32) < self.substitutions
        step = rng.integers(1, RESIDUES, size=int(changed.sum()), dtype=np.uint8)
        motif[changed] = (motif[changed] - 1 + step) % RESIDUES + 1
        position = rng.integers(self.positions, size=n)
        tokens[np.arange(n)[:, None], position[:, None] + np.arange(unit)] = motif
        return tokens

    def log_prob(self, tokens: np.ndarray) -> np.ndarray:
        """Log-probability (n, k) in nats of tokens (n, length) under each motif's distribution, summed over its
        positions.

        -inf for what none of them makes: an end, or an unknown residue.
        """
        out = np.concatenate(
            [self._by_position(tokens[start : start + ROWS]) for start in range(0, max(len(tokens), 1), ROWS)]
        )
        top = out.max(-1, keepdims=True)
        top[~np.isfinite(top)] = 0.0
        with np.errstate(divide="ignore"):
            return np.log(np.exp(out - top).mean(-1)) + top[..., 0]

    def _by_position(self, tokens: np.ndarray) -> np.ndarray:
        """Log-probability (n, k, positions) of tokens under each motif at each position."""
        unit, s = self.kmers.shape[1], self.substitutions
        same = self._same(tokens)
        with np.errstate(divide="ignore"):
            right, wrong = np.log1p(-s), np.log(s / (RESIDUES - 1)) if s else -np.inf
        other = np.where(same < unit, (unit - same) * wrong if s else -np.inf, 0.0)
        out = same * right + other - (self.length - unit) * np.log(RESIDUES)
        real = ((tokens >= 1) & (tokens <= RESIDUES)).all(1)
        return np.where(real[:, None, None], out, -np.inf)

    def _same(self, tokens: np.ndarray) -> np.ndarray:
        """Residues (n, k, positions) that agree with each motif at each position."""
        windows = np.lib.stride_tricks.sliding_window_view(tokens, self.kmers.shape[1], axis=1)  # (n, positions, u)
        return (windows[:, None] == self.kmers[None, :, None]).sum(-1)

    def nearest(self, tokens: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The likeliest motif (n,) of each of tokens (n, length), all alike beforehand, which no other rule tells more
        often; and how many of its residues (n,) differ where it fits best."""
        kmer, differ = np.empty(len(tokens), np.int64), np.empty(len(tokens), np.int64)
        for start in range(0, len(tokens), ROWS):
            part = tokens[start : start + ROWS]
            same = self._same(part).max(-1)  # (n, k)
            distribution = self.log_prob(part)
            best = np.where(np.isfinite(distribution).any(1), distribution.argmax(1), same.argmax(1))
            kmer[start : start + ROWS] = best
            differ[start : start + ROWS] = self.kmers.shape[1] - same[np.arange(len(part)), best]
        return kmer, differ

    @cached_property
    def cost(self) -> np.ndarray:
        """Wasserstein distance between the peptides of every two motifs, in residues that differ (Hamming), where the
        motif's position is known: (k, k).

        At given positions residues are independent, and the distance is the sum of their total variations; the
        positions are coupled by the best assignment.
        """
        from scipy.optimize import linear_sum_assignment

        s, unit = self.substitutions, self.kmers.shape[1]
        with_random, with_other = 1 - s - 1 / RESIDUES, 1 - s - s / (RESIDUES - 1)  # total variations of two residues
        positions = np.arange(self.positions)
        clean = np.zeros((len(self), self.positions, self.length), np.uint8)  # 0: a random residue
        for position in positions:
            clean[:, position, position : position + unit] = self.kmers
        out = np.zeros((len(self), len(self)))
        for a in range(len(self)):
            for b in range(a + 1, len(self)):
                x, y = clean[a][:, None], clean[b][None]  # (positions, positions, length)
                one = (x == 0) != (y == 0)
                cost = with_random * one.sum(-1) + with_other * ((x != y) & ~one).sum(-1)
                rows, columns = linear_sum_assignment(cost)
                out[a, b] = out[b, a] = cost[rows, columns].mean()
        return out

    def best_likelihood(self, share: np.ndarray, tokens: np.ndarray) -> float:
        """Mean log-likelihood in nats per residue of tokens (n, length) under the mixture (k,) they are from."""
        some = share > 0
        distribution = self.log_prob(tokens)[:, some] + np.log(share[some])
        top = distribution.max(1, keepdims=True)
        return float((np.log(np.exp(distribution - top).sum(1)) + top[:, 0]).mean() / self.length)
