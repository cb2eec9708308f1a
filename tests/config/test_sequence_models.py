"""Options of sequence networks that do not go together are refused before anything runs."""

import pytest
import tiny
from helpers import refusal
from pydantic import TypeAdapter, ValidationError

from gde.config.encoders import Encoder
from gde.config.encoders.sequences import DnaConv
from gde.config.generators import Generator
from gde.config.generators.sequences import DnaVae, Gpt, HyenaDna


@pytest.mark.parametrize(
    ("kind", "options", "key", "expected"),
    [
        (DnaConv, {"kernel": 6}, "kernel", "an odd number"),
        (DnaVae, {"kernel": 2}, "kernel", "an odd number"),
        (HyenaDna, {"prefix": 3}, "prefix", "1 with conditioning: adaln"),
        (Gpt, {"prefix": 2, "conditioning": "additive"}, "prefix", "1 with conditioning: additive"),
        (HyenaDna, {"filter_features": 6}, "filter_features", "an odd number"),
        (HyenaDna, {"weights": "a.safetensors"}, "weights_sha256", "a digest exactly where there are weights"),
        (HyenaDna, {"weights_sha256": "0" * 64}, "weights_sha256", "a digest exactly where there are weights"),
        (Gpt, {"hidden": 30, "heads": 4}, "heads", "a divisor of hidden = 30"),
    ],
)
def test_refused(kind, options, key, expected):
    found = refusal(kind, options)
    assert (found["key"], found["expected"]) == (key, expected)


@pytest.mark.parametrize("options", [{"top_p": 0.0}, {"top_p": 1.5}, {"temperature": 0.0}, {"subsample": 0}], ids=str)
@pytest.mark.parametrize("kind", sorted(tiny.TOKEN_GENERATORS))
def test_ranges(kind, options):
    with pytest.raises(ValidationError):
        TypeAdapter(Generator).validate_python({"kind": kind} | options)


def test_prefixes_go_with_their_conditioning():
    assert HyenaDna(kind="hyenadna", conditioning="prefix", prefix=8).prefix == 8


def test_the_kinds_are_those_of_sequences():
    for kind in tiny.TOKEN_ENCODERS:
        assert TypeAdapter(Encoder).validate_python({"kind": kind}).kind == kind
    for kind in tiny.TOKEN_GENERATORS:
        assert TypeAdapter(Generator).validate_python({"kind": kind}).kind == kind
