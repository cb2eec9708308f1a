"""No key without an effect: every key of every encoder and generator changes what is computed, or is refused."""

import hashlib
from typing import Any

import pytest
import tiny
import torch
from alternatives import alternatives, shows
from pydantic import ValidationError

from gde import encoders, generators
from gde.config.encoders import ENCODERS
from gde.config.generators import GENERATORS
from gde.nets.registry import build
from gde.sets.random import ShardRandom

SMALL = {"hidden": 16, "layers": 2, "filter_hidden": 8, "code_dim": 4, "points": 9, "steps": 8, "heads": 2}
SMALL |= {"components": 2}
# What a key needs to matter; without, it is refused. (kind, key), or None for all kinds -> other settings
WITH: dict[tuple[str | None, str], dict[str, Any]] = {
    (None, "pool_parameter"): {"pool": "trimmed_mean"},
    (None, "guidance"): {"drop": 0.5},
    (None, "evaluations"): {"sampler": "ddim"},
    ("flow", "evaluations"): {},
    (None, "prefix"): {"conditioning": "prefix"},
    (None, "context_weight"): {"context": 2, "context_weight": 0.5},
    (None, "context"): {"context": 2, "context_weight": 0.5},
    ("dna_conv", "readout"): {"pool": 2},
}
# Keys that say which published files a model starts from, or that only they give a meaning, and the tests of these.
PUBLISHED = {
    "weights": "encoders/test_language_models.py, generators/test_gpt2.py, generators/test_progen2.py",
    "weights_sha256": "pretrained/test_open_weights.py",
    "mode": "test_token_laws.py: protein_lm-frozen, protein_lm-lora",
    "rank": "test_token_laws.py: protein_lm-lora",
    "max_subwords": "generators/test_gpt2.py",
}
PICTURES = {*tiny.IMAGE_ENCODERS, *tiny.IMAGE_GENERATORS} - {*tiny.VECTOR_ENCODERS, *tiny.VECTOR_GENERATORS}
KEYS = [
    (room, kind, key)
    for room, kinds in (("encoder", ENCODERS), ("generator", GENERATORS))
    for kind, section in kinds.items()
    for key in section.model_fields
    if key != "kind" and key not in PUBLISHED
]


def digest(*parts: torch.Tensor) -> str:
    out = hashlib.sha256()
    for part in parts:
        out.update(part.detach().contiguous().numpy().tobytes())
    return out.hexdigest()


def sizes_of(kind: str) -> dict[str, Any]:
    if kind in PICTURES:
        return {"dim": 200, "latent_dim": 5, "shape": (2, 10, 10)}
    if kind in tiny.VECTOR_ENCODERS or kind in tiny.VECTOR_GENERATORS:
        return {"dim": 3, "latent_dim": 5}
    return {"dim": 11, "latent_dim": 5, "vocabulary": {"protein_lm": 21, "text_lm": 255}.get(kind, 5)}


def samples(sizes: dict[str, int]) -> torch.Tensor:
    draw = torch.Generator().manual_seed(0)
    if "shape" in sizes:
        return torch.randn(4, 12, *sizes["shape"], generator=draw)
    if "vocabulary" not in sizes:
        return torch.randn(4, 70, sizes["dim"], generator=draw)
    return torch.randint(1, 6, (4, 10, sizes["dim"]), generator=draw, dtype=torch.uint8)


def effect(room: str, section: dict[str, Any]) -> str:
    """What a kind computes with these settings: embeddings, or loss, gradients and samples."""
    sizes = sizes_of(section["kind"])
    x, registry = samples(sizes), (encoders if room == "encoder" else generators).REGISTRY
    torch.manual_seed(0)
    part = tiny.moved(build(registry, section, **sizes), 0.2, torch.Generator().manual_seed(0))
    if room == "encoder":
        if hasattr(part, "fit"):
            part.fit(x.flatten(0, 1))
        return digest(part(x))
    z = torch.randn(4, sizes["latent_dim"], generator=torch.Generator().manual_seed(1), requires_grad=True)
    loss = part.loss(x, z, rng=ShardRandom(0, 0, stream="effect"))
    loss.backward()
    part.eval()
    with torch.no_grad():
        made = part.sample(z, 12, generator=torch.Generator().manual_seed(2))
    return digest(loss, z.grad, made)


@pytest.mark.parametrize(("room", "kind", "key"), KEYS, ids=["-".join(key) for key in KEYS])
def test_a_key_has_an_effect_or_is_refused(room, kind, key):
    model = (ENCODERS if room == "encoder" else GENERATORS)[kind]
    given = {k: v for k, v in SMALL.items() if k in model.model_fields}
    given |= WITH.get((kind, key), WITH.get((None, key), {}))
    section = model.model_validate({"kind": kind, **given}).model_dump()
    assert shows(model, section, key, lambda section: effect(room, section))


@pytest.mark.parametrize(
    ("kinds", "section"),
    [
        (GENERATORS, {"kind": "flow", "moment_weight": 2.0}),
        (GENERATORS, {"kind": "cvae", "moment_weight": 0.0}),
        (GENERATORS, {"kind": "gpt", "context": 3}),
        (GENERATORS, {"kind": "progen2", "context_weight": 0.1}),
        (GENERATORS, {"kind": "gpt2", "max_subwords": 8}),
        (GENERATORS, {"kind": "hyenadna", "prefix": 2}),
        (ENCODERS, {"kind": "protein_lm", "rank": 4}),
    ],
    ids=lambda value: str(value.get("kind")),
)
def test_a_key_that_others_leave_idle_is_refused(kinds, section):
    with pytest.raises(ValidationError):
        kinds[section["kind"]].model_validate(section)


def test_keys_of_published_models_are_named_where_they_are():
    known = {key for kinds in (ENCODERS, GENERATORS) for section in kinds.values() for key in section.model_fields}
    assert set(PUBLISHED) <= known


def test_an_idle_key_would_be_found():
    model = GENERATORS["flow"]
    section = model.model_validate({"kind": "flow"}).model_dump()
    assert not shows(model, section, "hidden", lambda section: 0)
    assert list(alternatives(model.model_fields["hidden"], 4))[:2] == [5, 8]
