"""Plain views of documents: their words and n-grams by frequency, without any model of language."""

from functools import cached_property

import numpy as np

from gde.sets.types.alphabet import ALPHABETS

WORDS = 20_000  # different ones at most, the commonest
BUCKETS = 4096  # that n-grams of characters are hashed into
TEXT = ALPHABETS["text"]


class TextViews:
    """Views fitted on training documents, tokens (n, L): `tf_idf`, of words; `character_trigrams`, hashed."""

    def __init__(self, training: np.ndarray):
        self._training = TEXT.decode(training)

    @cached_property
    def words(self):
        """The fitted weights of words; a word of one character is none."""
        from sklearn.feature_extraction.text import TfidfVectorizer

        return TfidfVectorizer(max_features=WORDS, sublinear_tf=True).fit(self._training)

    @cached_property
    def trigrams(self):
        from sklearn.feature_extraction.text import HashingVectorizer

        return HashingVectorizer(analyzer="char_wb", ngram_range=(3, 3), n_features=BUCKETS, alternate_sign=False)

    def tf_idf(self, sets: list[np.ndarray]) -> np.ndarray:
        """Mean weights (sets, words) of the documents of each set."""
        return self._mean(self.words, sets)

    def character_trigrams(self, sets: list[np.ndarray]) -> np.ndarray:
        """Mean frequencies (sets, BUCKETS), each document of length 1."""
        return self._mean(self.trigrams, sets)

    @staticmethod
    def _mean(vectors, sets: list[np.ndarray]) -> np.ndarray:
        return np.stack([np.asarray(vectors.transform(TEXT.decode(x)).mean(0)).ravel() for x in sets])
