"""Texts: sequences whose tokens are the bytes of UTF-8."""

from gde.sets.types.tokens import Tokens


class Texts(Tokens):
    """A text; any character may stand in it, line ends too, so that samples are written as JSON lines."""

    SUFFIX, WRITER = ".jsonl.gz", "gde.export.samples_jsonl:write_texts"
    COLUMN = "text"
