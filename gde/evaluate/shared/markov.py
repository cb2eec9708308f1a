"""Markov chain: what a sequence model has to beat: the next token from the last few, counted in the training
sequences."""

from collections.abc import Iterable

import numpy as np

from gde.sets.types.alphabet import lengths

ROWS = 1 << 15  # sequences that are counted or scored together


def symbols(tokens: np.ndarray, ended: np.ndarray | None = None, known: int | None = None) -> np.ndarray:
    """How much a model predicts of each sequence of tokens (n, L): its tokens, but for those above `known`, and its
    end where it is shorter than L, or of these only where `ended` (n,) says so."""
    residues = lengths(tokens)
    there = residues < tokens.shape[1]
    count = residues + (there if ended is None else there & ended)
    return count if known is None else count - (tokens > known).sum(1)


class Markov:
    """Distribution of a token, or of the end (0), given up to `order` tokens before it.

    Counts of short contexts smooth those of long ones: p(x | context) = (count + s p(x | context without its first
    token)) / (total + s), s the number of symbols; below no residue at all every symbol is as likely.
    """

    def __init__(self, order: int, vocabulary: int):
        self.order, self.base = order, vocabulary + 1
        self.counts = [np.zeros((self.base**k, self.base)) for k in range(order + 1)]

    def fit(self, chunks: Iterable[tuple[np.ndarray, np.ndarray | None]]) -> "Markov":
        """Count tokens (n, L) with weights (n,) or None, a chunk of them at a time; returns itself."""
        for tokens, weight in chunks:
            for start in range(0, len(tokens), ROWS):
                part = tokens[start : start + ROWS]
                context, symbol, row = self._places(part)
                share = None if weight is None else np.asarray(weight, float)[start : start + ROWS][row]
                for k, counts in enumerate(self.counts):
                    cell = context % self.base**k * self.base + symbol
                    counts += np.bincount(cell, share, minlength=counts.size).reshape(counts.shape)
        return self

    def log_prob(
        self,
        tokens: np.ndarray,
        order: int | None = None,
        *,
        ended: np.ndarray | None = None,
        known: int | None = None,
    ) -> np.ndarray:
        """Log-probability (n,) in nats of each sequence of tokens (n, L), from at most `order` tokens before.

        ended : as of `symbols`. known : tokens above it are not predicted, and no other symbol is taken for them; None
        = there are none.
        """
        table = self._log_table(self.order if order is None else order)
        if known is not None:
            table[:, : known + 1] -= np.log(np.exp(table[:, : known + 1]).sum(1, keepdims=True))
            table[:, known + 1 :] = 0.0
        out = np.zeros(len(tokens))
        for start in range(0, len(tokens), ROWS):
            part = tokens[start : start + ROWS]
            context, symbol, row = self._places(part, None if ended is None else ended[start : start + ROWS])
            out[start : start + len(part)] = np.bincount(row, table[context % len(table), symbol], minlength=len(part))
        return out

    def best_order(self, tokens: np.ndarray, known: int | None = None) -> int:
        """The order under which sequences (n, L) that were not counted are likeliest; `known` as in `log_prob`."""
        return int(np.argmax([self.log_prob(tokens, k, known=known).sum() for k in range(self.order + 1)]))

    def _log_table(self, order: int) -> np.ndarray:
        p = np.full((1, self.base), 1 / self.base)
        for counts in self.counts[: order + 1]:
            shorter = np.tile(p, (len(counts) // len(p), 1))
            p = (counts + self.base * shorter) / (counts.sum(1, keepdims=True) + self.base)
        return np.log(p)

    def _places(self, tokens: np.ndarray, ended: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of every symbol: the number of the tokens before it, the last one as its lowest digit, 0 before the
        beginning; the symbol; and the sequence that it is in."""
        n, length = tokens.shape
        context = np.zeros((n, length), np.int64)
        for j in range(1, min(self.order, length - 1) + 1):
            context[:, j:] += tokens[:, : length - j].astype(np.int64) * self.base ** (j - 1)
        real = np.arange(length) < symbols(tokens, ended)[:, None]
        row, place = np.nonzero(real)
        return context[row, place], tokens[row, place].astype(np.int64), row
