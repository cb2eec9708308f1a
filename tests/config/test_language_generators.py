"""Options of generators that may start from published models."""

import pytest
from helpers import refusal

from gde.config import resolve_all
from gde.config.generators.language import Gpt2, ProGen2
from gde.errors import GdeError

DIGEST = "0" * 64


@pytest.mark.parametrize(
    ("kind", "options", "key", "expected"),
    [
        (ProGen2, {"prefix": 3}, "prefix", "1 with conditioning: adaln"),
        (ProGen2, {"hidden": 30, "heads": 4}, "heads", "a divisor of hidden = 30"),
        (ProGen2, {"rotary": 3}, "rotary", "an even number up to hidden / heads = 32"),
        (ProGen2, {"rotary": 34}, "rotary", "an even number up to hidden / heads = 32"),
        (ProGen2, {"hidden": 8, "heads": 4}, "heads", "at most hidden / 4 = 2"),
        (ProGen2, {"weights_sha256": DIGEST}, "weights_sha256", "null where there are no weights"),
        (Gpt2, {"weights_sha256": DIGEST}, "weights_sha256", "null where there are no weights"),
        (Gpt2, {"hidden": 30, "heads": 4}, "heads", "a divisor of hidden = 30"),
        (Gpt2, {"prefix": 2}, "prefix", "1 with conditioning: adaln"),
    ],
)
def test_refused(kind, options, key, expected):
    found = refusal(kind, options)
    assert (found["key"], found["expected"]) == (key, expected)


def test_the_digest_is_optional():
    """It is recorded when the model is fetched, and filled in when a run starts."""
    assert ProGen2(kind="progen2", weights="resources/weights/progen2_small").weights_sha256 is None
    assert Gpt2(kind="gpt2", weights="mine", weights_sha256=DIGEST).weights_sha256 == DIGEST


@pytest.mark.parametrize(
    ("generator", "said"),
    [
        ("{kind: progen2, weights: w}", "published progen2 is for residues of protein, and these are dna"),
        ("{kind: gpt2, weights: w}", "published gpt2 is for residues of text, and these are dna"),
        ("{kind: progen2}", None),
        ("{kind: gpt2}", None),
    ],
)
def test_published_weights_are_for_one_alphabet(tmp_path, generator, said):
    """From scratch the kinds take any."""
    (tmp_path / "config/experiments").mkdir(parents=True)
    (tmp_path / "config/experiments/mine.yaml").write_text(
        f"dataset: {{kind: sequences, path: a.fasta, groupby: [site]}}\ngenerator: {generator}\n"
    )
    if said is None:
        assert resolve_all({"experiments": ["mine"]}, tmp_path)["mine"]["generator"]["weights"] is None
        return
    with pytest.raises(GdeError, match=rf"mine.yaml:2: generator.weights: found 'w', expected null: {said}; train it"):
        resolve_all({"experiments": ["mine"]}, tmp_path)
