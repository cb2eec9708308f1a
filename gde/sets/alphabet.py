"""Letters as numbers: the tokens that sequences are stored, read and generated as."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

END = 0  # the token of no letter: behind the end of a sequence
ILLEGAL = 255  # what `Alphabet.table` says of a byte that is no letter


@dataclass(frozen=True)
class Alphabet:
    """The letters of a kind of sequences; token i + 1 is letters[i], and 0 stands behind the end."""

    name: str
    letters: str

    @property
    def size(self) -> int:
        """Number of letters; tokens are 0..size."""
        return len(self.letters)

    @cached_property
    def table(self) -> np.ndarray:
        """Token of each ASCII byte (256,) uint8, in either case; ILLEGAL for those that are no letter."""
        table = np.full(256, ILLEGAL, np.uint8)
        for token, letter in enumerate(self.letters, 1):
            table[[ord(letter.upper()), ord(letter.lower())]] = token
        return table

    @cached_property
    def characters(self) -> np.ndarray:
        """ASCII byte of each token (size + 1,) uint8; that of token 0 is 0."""
        return np.frombuffer(b"\0" + self.letters.encode(), np.uint8)

    def encode(self, text: str | bytes) -> np.ndarray:
        """Tokens (n,) uint8 of a sequence. ValueError naming the first character that is no letter, and its place."""
        given = text.encode("utf-8", "replace") if isinstance(text, str) else text
        tokens = self.table[np.frombuffer(given, np.uint8)]
        wrong = tokens == ILLEGAL
        if wrong.any():
            place = int(wrong.argmax())
            letter = given[place : place + 1].decode("latin-1")
            raise ValueError(f"found {letter!r} at position {place + 1}, expected one of {', '.join(self.letters)}")
        return tokens

    def pad(self, texts: Iterable[str | bytes], length: int) -> np.ndarray:
        """Tokens (m, length) uint8 of sequences of at most `length` letters, zeros behind. ValueError as `encode`."""
        rows = [self.encode(text) for text in texts]
        out = np.zeros((len(rows), length), np.uint8)
        for i, (row, tokens) in enumerate(zip(out, rows, strict=True)):
            if len(tokens) > length:
                raise ValueError(f"sequence {i + 1}: found {len(tokens)} letters, expected at most {length}")
            row[: len(tokens)] = tokens
        return out

    def decode(self, tokens: np.ndarray) -> list[str]:
        """The sequences of tokens (..., L), in order; each stops at its first 0. ValueError for a token too large."""
        tokens = np.asarray(tokens)
        if tokens.size and not 0 <= tokens.min() <= tokens.max() <= self.size:
            raise ValueError(f"found token {tokens.max()}, expected 0..{self.size} of alphabet {self.name!r}")
        rows = self.characters[tokens.reshape(-1, tokens.shape[-1])]
        return [row.tobytes().split(b"\0", 1)[0].decode() for row in rows]


ALPHABETS = {"dna": Alphabet("dna", "ACGTN")}


def lengths(tokens: np.ndarray) -> np.ndarray:
    """Letters of each sequence of tokens (m, L): (m,) int64, the place of the first 0."""
    ended = tokens == END
    return np.where(ended.any(-1), ended.argmax(-1), tokens.shape[-1])
