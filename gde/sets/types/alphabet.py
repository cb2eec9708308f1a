"""Symbols as numbers: the tokens that sequences and texts are stored, read and generated as."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

END = 0  # the token of no residue: behind the end of a sequence
ILLEGAL = 255  # what `Alphabet.table` says of a byte that is no residue; no byte of UTF-8 has this value


@dataclass(frozen=True)
class Alphabet:
    """The symbols of a kind of sequences; token i + 1 is symbols[i], and 0 stands behind the end.

    unknown : the symbol, the last one, that stands for any other; "" where there is none.   opposite : what stands on
    the other strand, of each symbol; "" where there is no other strand.
    """

    name: str
    symbols: str
    unknown: str = ""
    opposite: str = ""

    @property
    def size(self) -> int:
        """Number of symbols; tokens are 0..size."""
        return len(self.symbols)

    @property
    def known(self) -> int:
        """Number of symbols without the one that stands for any: those of tokens 1..known."""
        return self.size - len(self.unknown)

    @property
    def described(self) -> str:
        """The symbols, for messages."""
        return f"one of {', '.join(self.symbols)}"

    @cached_property
    def table(self) -> np.ndarray:
        """Token of each byte (256,) uint8, symbols in either case; ILLEGAL for those that are no residue."""
        table = np.full(256, ILLEGAL, np.uint8)
        for token, symbol in enumerate(self.symbols, 1):
            table[[ord(symbol.upper()), ord(symbol.lower())]] = token
        return table

    @cached_property
    def characters(self) -> np.ndarray:
        """Byte of each token (size + 1,) uint8; that of token 0 is 0."""
        return np.frombuffer(b"\0" + self.symbols.encode("latin-1"), np.uint8)

    def strands(self, tokens: np.ndarray) -> np.ndarray:
        """Tokens (m, L) and, behind them, their reverse complements: (2 m, L); as they are without another strand."""
        if not self.opposite:
            return tokens
        opposite = np.concatenate([[END], self.encode(self.opposite)]).astype(np.uint8)
        place = (
            lengths(tokens)[:, None] - 1 - np.arange(tokens.shape[1])
        )  # from where each token comes; below 0: no one
        other = np.take_along_axis(opposite[tokens], np.maximum(place, 0), 1)
        return np.concatenate([tokens, np.where(place < 0, END, other).astype(np.uint8)])

    def encode(self, text: str | bytes) -> np.ndarray:
        """Tokens (n,) uint8 of a sequence. ValueError naming the first character that is no residue, and its place."""
        given = text.encode("utf-8", "replace") if isinstance(text, str) else text
        tokens = self.table[np.frombuffer(given, np.uint8)]
        wrong = tokens == ILLEGAL
        if wrong.any():
            place = int(wrong.argmax())
            symbol = given[place : place + 1].decode("latin-1")
            raise ValueError(f"found {symbol!r} at position {place + 1}, expected {self.described}")
        return tokens

    def pad(self, texts: Iterable[str | bytes], length: int) -> np.ndarray:
        """Tokens (m, length) uint8 of sequences of at most `length` symbols, zeros behind. ValueError as `encode`."""
        rows = [self.encode(text) for text in texts]
        out = np.zeros((len(rows), length), np.uint8)
        for i, (row, tokens) in enumerate(zip(out, rows, strict=True)):
            if len(tokens) > length:
                raise ValueError(f"sequence {i + 1}: found {len(tokens)} symbols, expected at most {length}")
            row[: len(tokens)] = tokens
        return out

    def decode(self, tokens: np.ndarray) -> list[str]:
        """The sequences of tokens (..., L), in order; each stops at its first 0. ValueError for a token too large."""
        tokens = np.asarray(tokens)
        if tokens.size and not 0 <= tokens.min() <= tokens.max() <= self.size:
            raise ValueError(f"found token {tokens.max()}, expected 0..{self.size} of alphabet {self.name!r}")
        rows = self.characters[tokens.reshape(-1, tokens.shape[-1])]
        return [row.tobytes().split(b"\0", 1)[0].decode("utf-8", "replace") for row in rows]


class Utf8(Alphabet):
    """Text as the bytes of its UTF-8: a token is the value of a byte, every symbol counts as many as it takes.

    Decoding replaces what is no UTF-8, as where a text was cut inside a symbol or a model drew bytes, with U+FFFD.
    """

    @property
    def described(self) -> str:
        return "bytes of UTF-8 text without NUL"

    @cached_property
    def table(self) -> np.ndarray:
        table = np.arange(256).astype(np.uint8)
        table[[0, ILLEGAL]] = ILLEGAL
        return table

    def encode(self, text: str | bytes) -> np.ndarray:
        """Tokens (n,) uint8 of a text, as many as bytes. ValueError for a NUL and for what has no UTF-8."""
        return super().encode(text.encode() if isinstance(text, str) else text)


ALPHABETS = {
    "dna": Alphabet("dna", "ACGTN", unknown="N", opposite="TGCAN"),
    "protein": Alphabet("protein", "ACDEFGHIKLMNPQRSTVWYX", unknown="X"),
    "text": Utf8("text", bytes(range(1, 256)).decode("latin-1")),
}


def lengths(tokens: np.ndarray) -> np.ndarray:
    """Symbols of each sequence of tokens (m, L): (m,) int64, the place of the first 0."""
    ended = tokens == END
    return np.where(ended.any(-1), ended.argmax(-1), tokens.shape[-1])
