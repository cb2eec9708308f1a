"""Readouts: the features in which a user reads samples: genes, columns, k-mers and the residues at positions."""

from typing import TYPE_CHECKING

import numpy as np

from gde.errors import bad
from gde.evaluate.shared.kmers import kmer_codes
from gde.models.base import Model
from gde.sets.types.alphabet import lengths

if TYPE_CHECKING:
    from gde.features.pipeline import FeaturePipeline

MOST_KMERS = 4096  # 4^6 of DNA, 20^2 of proteins
MOST_FEATURES = 20_000  # positions x residues besides
FEWEST = 5  # samples that have a k-mer or a residue, and that lack it
ROWS = 4096  # sequences that are read together


class Numbers:
    """Samples that are vectors: genes after the steps of preprocessing were undone, columns of a table, dimensions.

    unit : of the features.   is_expression : whether they are natural log1p of counts per 10,000.
    """

    spreads = True  # whether the spread of a feature is more than a function of its mean

    def __init__(self, features: "FeaturePipeline | None", names: list[str]):
        self.features, self.names = features, names
        self.is_expression = features is not None and features.cfg["values"] != "scaled"
        self.unit = "log1p of counts per 10,000" if self.is_expression else "units of the data"

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Features (n, g) float64 of samples (n, d)."""
        x = np.asarray(x, np.float64)
        # not clipped to what expression can be: means of clipped noise would shift where only its spread does
        return x if self.features is None else self.features.inverse(x)


class Residues:
    """Sequences: frequencies of k-mers (`TGA`: its share of a sequence's k-mers) and, where all sequences have one
    length, of residues at positions (`12:A`: whether residue 12 is A, counted from 1).

    Only those that at least FEWEST of the sequences it is made from have, and FEWEST lack, or have in other numbers.
    """

    spreads, is_expression, unit = False, False, "frequency"

    def __init__(self, model: Model, tokens: np.ndarray, k: int | None):
        self.alphabet = model.alphabet
        size, self.length = self.alphabet.known, int(lengths(tokens).max())
        longest = max((n for n in range(1, 13) if size**n <= MOST_KMERS), default=1)
        self.k = min(self.length, {"dna": 4, "protein": 2}.get(self.alphabet.name, 1) if k is None else k)
        if not 1 <= self.k <= longest:
            found, expected = f"{k}, of which there are {size**self.k}", f"1 to {longest} for {self.alphabet.name}"
            raise bad("k", found, expected, "give a smaller one")
        self.aligned = bool((lengths(tokens) == self.length).all())
        self.kept, self.names = np.arange(self._width), self._all_names()
        present, low, high, n = np.zeros(self._width), np.full(self._width, np.inf), np.zeros(self._width), len(tokens)
        for start in range(0, n, ROWS):
            values = self(tokens[start : start + ROWS])
            present += (values > 0).sum(0)
            low, high = np.minimum(low, values.min(0)), np.maximum(high, values.max(0))
        kept = np.flatnonzero((present >= FEWEST) & (high > low) & ((n - present >= FEWEST) | (low > 0)))
        if len(kept) > MOST_FEATURES:  # the commonest: rare residues have no shift that could be told
            kept = np.sort(kept[np.argsort(-np.minimum(present, n - present)[kept], kind="stable")[:MOST_FEATURES]])
        if not len(kept):
            raise bad("sequences", "no k-mer and no residue that varies", "some", "give more sequences, or a larger k")
        self.kept, self.names = kept, [self.names[i] for i in kept]

    @property
    def _width(self) -> int:
        size = self.alphabet.known
        return size**self.k + (size * self.length if self.aligned else 0)

    def _all_names(self) -> list[str]:
        symbols = self.alphabet.symbols[: self.alphabet.known]
        words = [""]
        for _ in range(self.k):
            words = [w + s for w in words for s in symbols]
        return words + ([f"{i + 1}:{s}" for i in range(self.length) for s in symbols] if self.aligned else [])

    def __call__(self, tokens: np.ndarray) -> np.ndarray:
        """Features (n, g) float64 of tokens (n, L)."""
        size, n = self.alphabet.known, len(tokens)
        code = kmer_codes(tokens, self.k, size)
        place = np.where(code >= 0, code + np.arange(n)[:, None] * size**self.k, -1)
        counts = np.bincount(place[place >= 0], minlength=n * size**self.k).reshape(n, -1).astype(np.float64)
        out = counts / np.maximum(counts.sum(1, keepdims=True), 1)
        if self.aligned:
            own = tokens[:, : self.length, None] == np.arange(1, size + 1, dtype=np.uint8)
            out = np.concatenate([out, own.reshape(n, -1)], 1)
        return out[:, self.kept]


def check_served(model: Model) -> None:
    """GdeError for a model whose generated samples have no features that a user could read, or that has no samples."""
    kind, expected = model.sample_type, "one of cells, tables, or DNA or protein sequences"
    if not {"vectors", "dna", "protein"} & {*kind.names}:
        raise bad("model", f"one of {kind.described}", expected, "compare embeddings: gde compare-groups")
    if type(model).sample is Model.sample:
        from gde.models import kind_of_model

        found = f"one of kind {kind_of_model(model.config)!r}, which generates nothing"
        raise bad("model", found, "one with a generator", "compare embeddings: gde compare-groups")
