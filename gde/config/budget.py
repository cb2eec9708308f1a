"""Budget: the numbers that an experiment leaves to its data (`auto`), found when its set store is there."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

AUTO, LONG = "auto", "long"
LONGER = 10
KEYS = ("hidden", "latent_dim", "steps", "n_sets", "set_size", "warmup", "validate_every", "checkpoint_every")
DEFAULTS = {"hidden": 128, "latent_dim": 32, "n_sets": 32, "set_size": 64, "steps": 2000}  # where no data tell
STEPS = (300, 5000)
TOKEN_STEPS = (100, 1000)
RESIDUES = 64_000_000  # that a model of sequences reads in all: some minutes on two cores
PASSES = 100  # over sequences, at most
MANY_GROUPS, MANY_FEATURES, MANY_SAMPLES = 200, 500, 10_000


@dataclass(frozen=True)
class Sizes:
    """What a budget depends on. All that trains: `samples`, `groups`, `typical` (samples in a group, third quartile);
    `features` of a sample; `positions`, residues of a sequence, 1 for vectors. None: not known, or simulated."""

    samples: int | None = None
    groups: int | None = None
    typical: int | None = None
    features: int | None = None
    positions: int = 1


def is_open(settings: Mapping[str, Any]) -> bool:
    """Whether settings, of an experiment or a section, leave a number to the data."""
    inner = (value for value in settings.values() if isinstance(value, Mapping))
    return any(settings.get(key) in (AUTO, LONG) for key in KEYS) or any(map(is_open, inner))


def settle(resolved: Mapping[str, Any], sizes: Sizes) -> dict[str, Any]:
    """A resolved experiment with numbers in the place of `auto`, as far as they concern model and training; what is
    given stays.

    The rule, of N training samples in G groups with d features:

    - set_size: the power of two that three quarters of the groups do not exceed, 8 to 64 (sequences: 32);
    - n_sets: 32 (sequences: 8);
    - hidden: 128, from d = 500 and N = 10,000 on 256;   latent_dim: 32, from G = 200 on 64, and with d = 500 128;
    - steps: 300 sqrt(N / 500), 300 to 5,000: on 490 cells of pbmc68k the validation loss is lowest after 280 steps and
      rises from there; sequences: as many as read 64 million residues, 100 to 1,000, and no sequence 100 times.
      `long`: ten times as many;
    - validate_every, checkpoint_every: a tenth of the steps;   warmup: the same, at most 100.
    """
    out = dict(resolved)
    tokens, groups, features = sizes.positions > 1, sizes.groups or 0, sizes.features or 0
    large = features >= MANY_FEATURES and (sizes.samples or 0) >= MANY_SAMPLES and not tokens
    width = (2 if large else 1) * DEFAULTS["hidden"]
    for part in ("encoder", "generator"):
        out[part] = _filled(out[part], {"hidden": width})
    if out["latent_dim"] == AUTO:
        many = (groups >= MANY_GROUPS) + (groups >= MANY_GROUPS and features >= MANY_FEATURES)
        out["latent_dim"] = DEFAULTS["latent_dim"] * 2**many
    training = out["training"]
    largest = 32 if tokens else DEFAULTS["set_size"]
    typical = largest if sizes.typical is None else 2 ** math.ceil(math.log2(max(8, min(sizes.typical, largest))))
    training = _filled(training, {"n_sets": 8 if tokens else DEFAULTS["n_sets"], "set_size": typical})
    long, steps = training["steps"] == LONG, training["steps"]
    if steps in (AUTO, LONG):
        steps = _steps(sizes, training["n_sets"] * training["set_size"]) * (LONGER if long else 1)
    tenth = max(1, steps // 10)
    training = _filled(training, {"validate_every": tenth, "checkpoint_every": tenth}) | {"steps": steps}
    out["training"] = training | {"scheduler": _filled(training["scheduler"], {"warmup": min(100, tenth)})}
    return out


def _steps(sizes: Sizes, batch: int) -> int:
    if sizes.samples is None:
        return DEFAULTS["steps"]
    if sizes.positions == 1:
        least, most = STEPS
        steps = least * math.sqrt(sizes.samples / 500)
    else:
        least, most = TOKEN_STEPS
        steps = min(RESIDUES / (batch * sizes.positions), PASSES * sizes.samples / batch)
    return int(min(most, max(least, round(steps, -1))))


def _filled(section: Mapping[str, Any], numbers: Mapping[str, int]) -> dict[str, Any]:
    """A section, and those in it, with `numbers` for what is `auto` there."""
    out = {}
    for key, value in section.items():
        inner = isinstance(value, Mapping)
        out[key] = _filled(value, numbers) if inner else numbers[key] if value == AUTO and key in numbers else value
    return out
