"""Context: the model, store and settings of one evaluation, its random streams, and what it could not tell."""

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import torch

from gde.sets.random import seed_of

Results = tuple[dict[str, dict], dict[str, pd.DataFrame]]  # records by metric, source tables of the figures by name


@dataclass(frozen=True)
class Context:
    """One evaluation: every kind's `evaluate` takes a Context and returns Results.

    config : the resolved experiment.   seed : every random stream follows from it and from the stream's name.
    stream : the name of the stream behind `rng`, see `drawing`.   left : what was not evaluated and why, in order.
    """

    model: Any
    store: Any
    config: dict[str, Any]
    seed: int
    stream: str = "bootstrap"
    left: list[tuple[str, str]] = field(default_factory=list)

    @property
    def options(self) -> dict[str, Any]:
        """The section `evaluation` of the config."""
        return self.config["evaluation"]

    @property
    def repeats(self) -> int:
        """How often sets are drawn again for an interval."""
        return self.options["bootstrap"]

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return self.model.device

    @cached_property
    def rng(self) -> np.random.Generator:
        """The stream that the parts of an evaluation share: draws follow the order in which they are made."""
        return self.random(self.stream)

    def drawing(self, stream: str) -> "Context":
        """The same evaluation, whose `rng` is the beginning of another stream."""
        return replace(self, stream=stream)

    def random(self, stream: str, *names: str) -> np.random.Generator:
        """The beginning of a stream of its own; names : of the part that it is for, such as a group."""
        return np.random.default_rng(seed_of(self.seed, f"evaluate/{stream}", *names))

    def generator(self, stream: str) -> torch.Generator:
        """The beginning of a stream on the model's device, for what is generated."""
        return torch.Generator(self.device).manual_seed(seed_of(self.seed, f"evaluate/{stream}") % 2**63)

    def leave_out(self, metric: str, why: str) -> None:
        """Note that a metric, or a part of the data, is not evaluated."""
        self.left.append((metric, why))
