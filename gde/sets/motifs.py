"""Random peptides with a motif somewhere in them: their law, exactly, and which motif a peptide has."""

from functools import cached_property

import numpy as np

from gde.errors import bad
from gde.sets.types.alphabet import ALPHABETS

LETTERS = ALPHABETS["protein"].known
ROWS = 1 << 14  # peptides that are compared with all motifs together


class Motifs:
    """Motifs (k, u) of residues, tokens 1..20. A peptide of motif a is `length` residues, all equally likely, of which
    u in a row, at a random place, are a's, each replaced by one of the other 19 with probability `substitutions`.

    What `gde.sets.patterns.Patterns` says of repeated words this says of motifs, under the same names.
    """

    alphabet, letters, kmer = "protein", LETTERS, 2

    def __init__(self, words: np.ndarray, length: int, substitutions: float):
        self.words, self.length, self.substitutions = np.asarray(words, np.uint8), int(length), float(substitutions)

    def __len__(self) -> int:
        return len(self.words)

    @property
    def compared(self) -> int:
        """Residues of a peptide among which `nearest` counts the ones that differ."""
        return self.words.shape[1]

    @property
    def places(self) -> int:
        """Places at which a motif may begin."""
        return self.length - self.words.shape[1] + 1

    @classmethod
    def draw(cls, count: int, unit: int, length: int, substitutions: float, rng: np.random.Generator) -> "Motifs":
        """`count` different random motifs of `unit` residues. GdeError where there are not as many."""
        if LETTERS**unit < count:
            raise bad("dataset.patterns", str(count), f"at most {LETTERS**unit}", "raise dataset.unit")
        words = np.zeros((0, unit), np.int64)
        while len(words) < count:
            words = np.concatenate([words, rng.integers(1, LETTERS + 1, (count, unit))])
            words = words[np.sort(np.unique(words, axis=0, return_index=True)[1])]
        return cls(words[:count], length, substitutions)

    @property
    def names(self) -> list[str]:
        """The motifs as text."""
        return ALPHABETS["protein"].decode(self.words)

    def sample(self, word: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """A peptide of each motif in `word` (n,): (n, length) uint8."""
        n, unit = len(word), self.words.shape[1]
        tokens = rng.integers(1, LETTERS + 1, (n, self.length), dtype=np.uint8)
        motif = self.words[word]
        changed = rng.random(motif.shape, dtype=np.float32) < self.substitutions
        step = rng.integers(1, LETTERS, size=int(changed.sum()), dtype=np.uint8)
        motif[changed] = (motif[changed] - 1 + step) % LETTERS + 1
        place = rng.integers(self.places, size=n)
        tokens[np.arange(n)[:, None], place[:, None] + np.arange(unit)] = motif
        return tokens

    def log_prob(self, tokens: np.ndarray) -> np.ndarray:
        """Log-probability (n, k) in nats of tokens (n, length) under each motif's law, summed over its places.

        -inf for what none of them makes: an end, or an unknown residue.
        """
        out = np.concatenate(
            [self._by_place(tokens[start : start + ROWS]) for start in range(0, max(len(tokens), 1), ROWS)]
        )
        top = out.max(-1, keepdims=True)
        top[~np.isfinite(top)] = 0.0
        with np.errstate(divide="ignore"):
            return np.log(np.exp(out - top).mean(-1)) + top[..., 0]

    def _by_place(self, tokens: np.ndarray) -> np.ndarray:
        """Log-probability (n, k, places) of tokens under each motif at each place."""
        unit, s = self.words.shape[1], self.substitutions
        same = self._same(tokens)
        with np.errstate(divide="ignore"):
            right, wrong = np.log1p(-s), np.log(s / (LETTERS - 1)) if s else -np.inf
        other = np.where(same < unit, (unit - same) * wrong if s else -np.inf, 0.0)
        out = same * right + other - (self.length - unit) * np.log(LETTERS)
        real = ((tokens >= 1) & (tokens <= LETTERS)).all(1)
        return np.where(real[:, None, None], out, -np.inf)

    def _same(self, tokens: np.ndarray) -> np.ndarray:
        """Residues (n, k, places) that agree with each motif at each place."""
        windows = np.lib.stride_tricks.sliding_window_view(tokens, self.words.shape[1], axis=1)  # (n, places, u)
        return (windows[:, None] == self.words[None, :, None]).sum(-1)

    def nearest(self, tokens: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The likeliest motif (n,) of each of tokens (n, length), all alike beforehand, which no other rule tells more
        often; and how many of its residues (n,) differ where it fits best."""
        word, differ = np.empty(len(tokens), np.int64), np.empty(len(tokens), np.int64)
        for start in range(0, len(tokens), ROWS):
            part = tokens[start : start + ROWS]
            same = self._same(part).max(-1)  # (n, k)
            law = self.log_prob(part)
            best = np.where(np.isfinite(law).any(1), law.argmax(1), same.argmax(1))
            word[start : start + ROWS] = best
            differ[start : start + ROWS] = self.words.shape[1] - same[np.arange(len(part)), best]
        return word, differ

    @cached_property
    def cost(self) -> np.ndarray:
        """Wasserstein distance between the peptides of every two motifs, in residues that differ (Hamming), where the
        motif's place is known: (k, k).

        At given places residues are independent, and the distance is the sum of their total variations; the places
        are coupled by the best assignment.
        """
        from scipy.optimize import linear_sum_assignment

        s, unit = self.substitutions, self.words.shape[1]
        with_random, with_other = 1 - s - 1 / LETTERS, 1 - s - s / (LETTERS - 1)  # total variations of two residues
        places = np.arange(self.places)
        clean = np.zeros((len(self), self.places, self.length), np.uint8)  # 0: a random residue
        for place in places:
            clean[:, place, place : place + unit] = self.words
        out = np.zeros((len(self), len(self)))
        for a in range(len(self)):
            for b in range(a + 1, len(self)):
                x, y = clean[a][:, None], clean[b][None]  # (places, places, length)
                one = (x == 0) != (y == 0)
                cost = with_random * one.sum(-1) + with_other * ((x != y) & ~one).sum(-1)
                rows, columns = linear_sum_assignment(cost)
                out[a, b] = out[b, a] = cost[rows, columns].mean()
        return out

    def best_likelihood(self, share: np.ndarray, tokens: np.ndarray) -> float:
        """Mean log-likelihood in nats per residue of tokens (n, length) under the mixture (k,) they are from."""
        some = share > 0
        law = self.log_prob(tokens)[:, some] + np.log(share[some])
        top = law.max(1, keepdims=True)
        return float((np.log(np.exp(law - top).sum(1)) + top[:, 0]).mean() / self.length)
