"""Settings that come back from a file of gde's own: a resolved experiment, or the configuration beside a model."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from gde.config.base import LARGEST_SEED, Count, Positive, Section
from gde.config.encoders import Encoder
from gde.config.experiment import Experiment, evaluation_of, wrong_kind
from gde.config.generators import Generator
from gde.config.loading import Mark, Tree
from gde.config.messages import explain, show
from gde.config.models import Gde, Model
from gde.config.resolve import MODEL, TRAINING
from gde.errors import bad
from gde.sets.types import sample_type
from gde.sets.types.alphabet import ALPHABETS

HEADS = ("classifier", "ordered_next", "mean_predictor", "perturbation")


class Tokens(Section):
    """What a model of sequences knows of its samples."""

    alphabet: Literal[tuple(ALPHABETS)]
    length: Count


class Images(Section):
    """What a model of images knows of its samples."""

    shape: Annotated[list[Count], Field(min_length=3, max_length=3)]
    dtype: Literal["uint8", "uint16"]
    channels: list[str]
    pixel_size: Positive | None


class Architecture(Section):
    """The settings that the shapes of a model's weights follow from."""

    model: Model = Gde(kind="gde")
    encoder: Encoder
    generator: Generator
    latent_dim: Count
    tokens: Tokens | None = None
    images: Images | None = None


def check_architecture(config: Any, where: Path) -> None:
    """GdeError unless `config` (config.json of a model) holds a possible encoder, generator, latent_dim and, of
    sequences, alphabet and length, of images what they are."""
    remedy = "give the configuration that the model was trained with, or train again"
    _check_mapping(config, where, remedy)
    part = {key: config[key] for key in Architecture.model_fields if key in config}
    kinds = _check(Architecture, part, where)
    if kinds.images is not None:
        samples = sample_type("images")
    else:
        samples = sample_type("vectors" if kinds.tokens is None else kinds.tokens.alphabet)
    if wrong := wrong_kind(kinds.encoder.kind, kinds.generator.kind, samples):
        section, kind, expected = wrong
        found = f"{kind!r} in a model of {samples.described}"
        raise bad(f"{where}: {section}.kind", found, expected, remedy)
    heads = config.get("heads", {})
    if not isinstance(heads, dict) or not all(k in HEADS and isinstance(v, dict) for k, v in heads.items()):
        raise bad(f"{where}: heads", show(heads), f"a mapping of {', '.join(HEADS)}", remedy)


def check_resolved(config: Any, where: Path) -> None:
    """GdeError unless `config` is a resolved experiment, as far as training reads it: every key there and possible."""
    remedy = "take what `gde.config.resolve` gives"
    _check_mapping(config, where, remedy)
    for key in (*TRAINING, MODEL):
        if key not in config:
            raise bad(f"{where}: {key}", "nothing", "a value", remedy)
    name, seed = config["name"], config["seed"]
    if not isinstance(name, str) or not name or Path(name).is_absolute() or ".." in Path(name).parts:
        raise bad(f"{where}: name", show(name), "the name of an experiment", remedy)
    if type(seed) is not int or not 0 <= seed <= LARGEST_SEED:
        raise bad(f"{where}: seed", show(seed), "a whole number >= 0, below 2**63", remedy)
    part = {key: config[key] for key in Experiment.model_fields if key in config and key != "presets"}
    if "evaluation" not in part and isinstance(part["dataset"], dict):
        part["evaluation"] = {"kind": evaluation_of(str(part["dataset"].get("kind")))}
    whole = _check(Experiment, part, where).model_dump()
    for key in (k for k in part if k in config):
        if (missing := _missing(whole[key], part[key])) is not None:
            raise bad(f"{where}: {'.'.join((key, *missing))}", "nothing", "a value", remedy)


def _check_mapping(config: Any, where: Path, remedy: str) -> None:
    if not isinstance(config, dict):
        raise bad(where, show(config), "a mapping of keys", remedy)


def _check(model: type[Section], data: Mapping[str, Any], where: Path) -> Section:
    try:
        return model.model_validate(data)
    except ValidationError as e:
        raise explain(e, model, Tree(data, {(): Mark(str(where), "")})) from None


def _missing(whole: Any, given: Any) -> tuple[str, ...] | None:
    """The path of the first key that `whole` has and `given` lacks; resolved settings have them all."""
    if not isinstance(whole, dict) or not isinstance(given, dict):
        return None
    for key, value in whole.items():
        if key not in given:
            return (key,)
        if (below := _missing(value, given[key])) is not None:
            return (key, *below)
    return None
