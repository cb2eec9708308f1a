"""Set encoder of texts behind BERT."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from gde.encoders.language_model import LanguageModel, LanguageModelOptions
from gde.encoders.protein_lm import mean_inside
from gde.encoders.published import Bert
from gde.errors import bad
from gde.files.sniffing import read_text
from gde.sets.types.alphabet import ALPHABETS

TEXT = ALPHABETS["text"]
TOKENIZER, VOCABULARY, SETTINGS = Bert.further
MARKS = ("[CLS]", "[SEP]", "[PAD]", "[UNK]")


@dataclass(frozen=True, kw_only=True)
class TextLmOptions(LanguageModelOptions):
    """Options of `TextLm`.

    positions : tokens of a text that are read, both marks included; a text is cut behind.   pooling : cls or mean.
    """

    positions: int = 512
    pooling: str = "cls"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.positions < 3 or self.pooling not in ("cls", "mean"):
            found = f"positions, pooling: found {self.positions}, {self.pooling!r}"
            raise ValueError(f"{found}, expected 3 or more, cls or mean")


class TextLm(LanguageModel):
    """BERT's last state at the mark before the text ([CLS]), or its mean over the text.

    A published model brings its WordPiece tokenizer (tokenizer.json, or vocab.txt); one from scratch reads bytes.
    """

    Options = TextLmOptions
    alphabet, published = "text", Bert

    def __init__(self, options: TextLmOptions, **sizes: Any):
        if options.weights is None:
            sizes["positions"] = options.positions
        super().__init__(options, **sizes)
        self.positions = min(options.positions, self.config["max_position_embeddings"])
        self.pooling, self.marks = options.pooling, (TEXT.size + 1, TEXT.size + 2)
        if options.weights is not None:
            self.marks = tuple(self.tokenizer.token_to_id(mark) for mark in MARKS[:2])

    def tokenise(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        most, (first, last) = self.positions - 2, self.marks
        if self.source is None:
            parts = [row[row != 0][:most] for row in rows]
        else:
            found = self.tokenizer.encode_batch(TEXT.decode(rows), add_special_tokens=False)
            parts = [encoding.ids[:most] for encoding in found]
        length = np.array([len(part) for part in parts])
        out = np.full((len(rows), length.max() + 2), self.config["pad_token_id"])
        out[:, 0] = first
        for row, part in zip(out, parts, strict=True):
            row[1 : len(part) + 1], row[len(part) + 1] = part, last
        return out, np.arange(out.shape[1]) < (length + 2)[:, None]

    def pool(self, states: Tensor, there: Tensor) -> Tensor:
        return states[:, 0] if self.pooling == "cls" else mean_inside(states, there)

    def reading(self) -> list[Any]:
        words = self.tokenizer.to_str() if self.source is not None else ""
        return [self.config, self.pooling, self.positions, words]

    @cached_property
    def tokenizer(self) -> Any:
        """The WordPiece tokenizer beside the published weights. GdeError where there is none, or another one."""
        return read_tokenizer(self.source, self.config["vocab_size"])


def read_tokenizer(path: Path, size: int) -> Any:
    """The tokenizer in the directory of a BERT with `size` tokens; GdeError where it is missing, damaged or another."""
    from tokenizers import Tokenizer

    remedy = "fetch it beside the weights, or encoder.weights: null"
    if (file := path / TOKENIZER).is_file():
        try:
            tokenizer = Tokenizer.from_str(read_text(file, "a tokenizer", remedy))
        except Exception as e:  # the library raises nothing narrower
            raise bad(file, f"no tokenizer ({e})", "tokenizer.json of the published model", remedy) from e
        tokenizer.no_truncation()
        tokenizer.no_padding()
    elif (file := path / VOCABULARY).is_file():
        tokenizer = word_pieces(file, lower_case(path, remedy))
    else:
        raise bad(path, f"neither {TOKENIZER} nor {VOCABULARY}", "the tokenizer of the published model", remedy)
    if missing := [mark for mark in MARKS if tokenizer.token_to_id(mark) is None]:
        raise bad(file, f"no token {missing[0]}", f"a tokenizer with {', '.join(MARKS)}", remedy)
    if tokenizer.get_vocab_size() > size:
        found = f"{tokenizer.get_vocab_size()} tokens"
        raise bad(file, found, f"at most {size}, those of config.json", "give the tokenizer of these weights")
    return tokenizer


def word_pieces(file: Path, lower: bool) -> Any:
    """BERT's tokenizer from its list of tokens, one per line."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    text = read_text(file, "a list of tokens", "fetch it again")
    words = [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")]  # tokens may be other separators
    tokenizer = Tokenizer(models.WordPiece({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lower)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer


def lower_case(path: Path, remedy: str) -> bool:
    """Whether the published tokenizer makes tokens small, as it does where its settings do not say."""
    if not (file := path / SETTINGS).is_file():
        return True
    try:
        return bool(json.loads(read_text(file, "JSON", remedy)).get("do_lower_case", True))
    except (ValueError, AttributeError) as e:
        raise bad(file, f"no settings of a tokenizer ({e})", "a JSON mapping", remedy) from e
