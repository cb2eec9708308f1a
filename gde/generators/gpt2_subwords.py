"""GPT-2's subwords: byte pairs that were joined in a fixed order, as numbers that travel with the model."""

import json
import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gde.errors import GdeError, bad
from gde.files.sniffing import read_text
from gde.pretrained.weights import TOKENIZERS

(VOCABULARY, MERGES), (WHOLE,) = TOKENIZERS["gpt2"]
BYTES, END_MARKS = 256, 1
EXPECTED = "subwords of GPT-2's kind: 256 bytes, then joined pairs in their order, then the end mark"
REMEDY = "give the directory of a model with GPT-2's subwords"
PRINTED = [*range(33, 127), *range(161, 173), *range(174, 256)]  # bytes that stand for themselves in the files
TOKENS = {b: chr(b) for b in PRINTED} | {
    b: chr(256 + i) for i, b in enumerate(b for b in range(256) if b not in PRINTED)
}
CUT = re.compile("([\udc80-\udcff]+)")  # bytes that are no UTF-8, as `surrogateescape` decodes them


class BytePairs(nn.Module):
    """Texts as subwords and back, without loss: whatever the bytes, `text(subwords(bytes))` is them.

    A subword is a byte or two joined subwords, so two tables hold the vocabulary: `single`, the byte of each of the
    first 256 subwords, and `pairs` (subwords - 257, 2), the parts of the others. They are saved with a model like its
    weights. The last subword of a published vocabulary is its end mark, which no text contains and these tables do not.

    subwords : of the published vocabulary, the end mark included.
    """

    def __init__(self, subwords: int):
        super().__init__()
        self.register_buffer("single", torch.zeros(BYTES, dtype=torch.uint8))
        self.register_buffer("pairs", torch.zeros(subwords - BYTES - END_MARKS, 2, dtype=torch.int32))
        self._made: tuple[Any, list[bytes]] | None = None
        self._nul: list[int] | None = None

    @torch.no_grad()
    def read(self, directory: Path) -> None:
        """Take the subwords of a published model: vocab.json and merges.txt, or tokenizer.json. GdeError names a
        flaw."""
        single, pairs = read_subwords(directory)
        if len(pairs) != len(self.pairs):
            found = f"{len(pairs) + BYTES + END_MARKS} subwords"
            raise bad(
                directory,
                found,
                str(len(self.pairs) + BYTES + END_MARKS),
                "give vocab.json, merges.txt and config.json of one model",
            )
        self.single.copy_(single)
        self.pairs.copy_(pairs)
        self._made = self._nul = None

    def subwords(self, text: bytes) -> list[int]:
        """The subwords of a text; bytes that are no UTF-8 are subwords of their own."""
        tokenizer, _ = self._tables()
        out: list[int] = []
        for i, part in enumerate(CUT.split(text.decode("utf-8", "surrogateescape"))):
            if i % 2:  # bytes as characters
                byte = {b: i for i, b in enumerate(self.single.tolist())}
                out += [byte[ord(c) - 0xDC00] for c in part]
            elif part:
                out += tokenizer.encode(part, add_special_tokens=False).ids
        return out

    def text(self, subwords: list[int]) -> bytes:
        """The text of subwords."""
        _, spelled = self._tables()
        return b"".join([spelled[subword] for subword in subwords])

    @property
    def with_nul(self) -> list[int]:
        """The subwords in which the byte 0 occurs, which stands for the end of a text in a set store."""
        if self._nul is None:
            self._nul = [i for i, subword in enumerate(self._tables()[1]) if 0 in subword]
        return self._nul

    def _tables(self) -> tuple[Any, list[bytes]]:
        """The tokenizer and the bytes of every subword, made when they are first needed."""
        if self._made is None:
            from tokenizers import Tokenizer, models, pre_tokenizers

            if not self.single.any():
                raise ValueError("subwords: found none, expected those of a published model; call `read`")
            spelled = [bytes([b]) for b in self.single.tolist()]
            pairs = self.pairs.tolist()
            for a, b in pairs:
                spelled.append(spelled[a] + spelled[b])
            printed = ["".join(TOKENS[b] for b in subword) for subword in spelled]
            merges = [(printed[a], printed[b]) for a, b in pairs]
            tokenizer = Tokenizer(models.BPE(vocab={subword: i for i, subword in enumerate(printed)}, merges=merges))
            tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
            self._made = tokenizer, spelled
        return self._made

    def _load_from_state_dict(self, *arguments: Any) -> None:
        self._made = self._nul = None
        super()._load_from_state_dict(*arguments)


def read_subwords(directory: Path) -> tuple[Tensor, Tensor]:
    """Byte (256,) uint8 of the single subwords and parts (m, 2) int32 of the joined ones, from a published
    directory."""
    if (file := directory / VOCABULARY).is_file():
        vocabulary, merges = _json(file), read_text(directory / MERGES, EXPECTED, REMEDY).splitlines()
        merges = [line for line in merges if line.strip() and not line.startswith("#version")]
    else:
        file = directory / WHOLE
        model = _json(file).get("model")
        model = model if isinstance(model, dict) else {}
        vocabulary, merges = model.get("vocab"), model.get("merges")
    try:
        return _tables_of(vocabulary, merges)
    except (LookupError, ValueError, TypeError, AttributeError) as e:
        raise bad(file, f"other subwords ({type(e).__name__} {e})", EXPECTED, REMEDY) from e


def _tables_of(vocabulary: dict[str, int], merges: list[str | list[str]]) -> tuple[Tensor, Tensor]:
    byte = {token: b for b, token in TOKENS.items()}
    by_number = {number: subword for subword, number in vocabulary.items()}
    single = [byte[by_number[i]] for i in range(BYTES)]
    parts = [pair.split(" ") if isinstance(pair, str) else pair for pair in merges]
    if len(vocabulary) != BYTES + len(parts) + END_MARKS:
        raise ValueError(f"{len(vocabulary)} subwords, {len(parts)} joined pairs")
    for number, (a, b) in enumerate(parts, BYTES):
        if vocabulary[a + b] != number:
            raise ValueError(f"{a + b!r} is subword {vocabulary[a + b]}, pair {number}")
    pairs = torch.tensor([[vocabulary[a], vocabulary[b]] for a, b in parts], dtype=torch.int32).view(-1, 2)
    if (pairs >= torch.arange(BYTES, BYTES + len(parts))[:, None]).any():
        raise ValueError("a pair of subwords that come after it")
    return torch.tensor(single, dtype=torch.uint8), pairs


def _json(file: Path) -> dict[str, Any]:
    try:
        value = json.loads(read_text(file, EXPECTED, REMEDY))
    except json.JSONDecodeError as e:
        raise bad(file, f"no JSON ({e})", EXPECTED, REMEDY) from e
    if not isinstance(value, dict):
        raise _other(file, value)
    return value


def _other(file: Path, value: object) -> GdeError:
    return bad(file, f"JSON of a {type(value).__name__}", EXPECTED, REMEDY)
