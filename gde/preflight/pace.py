"""Pace: how long a training that never ran will take on a core of this machine, from a few steps of it with random
samples."""

import json
import time
from functools import cache
from typing import TYPE_CHECKING, Any

from gde.files.io import canonical_json
from gde.preflight.costs import model_of, units_of

if TYPE_CHECKING:
    from gde.models.base import Model

SECONDS = 1.0  # that the steps of one model may take, about
IN_ALL = 20.0  # those of all models of a check
# Of the time of steps: with sets drawn, weights averaged, validation and logs; 1.6 and 1.7 with gmm and pbmc68k.
WHOLE = 1.65
LARGEST = 50_000_000  # parameters of a model that is tried
FEWEST, REPEATS = 2, 3  # sets, steps of as many


class Pace:
    """Seconds of training of experiments, each kind of step tried once; None once IN_ALL has passed."""

    def __init__(self):
        self.left = IN_ALL

    def __call__(self, resolved: dict[str, Any], features: int | None, steps: int) -> float | None:
        """For `steps` of an experiment whose samples have so many features; None where that is not known."""
        if features is None or steps == 0 or any(resolved[part].get("weights") for part in ("encoder", "generator")):
            return 0.0 if steps == 0 else None
        if self.left <= 0:
            return None
        begin = time.monotonic()
        seconds = step_seconds(canonical_json(step_of(resolved, features)), features)
        self.left -= time.monotonic() - begin
        return None if seconds is None else WHOLE * seconds * steps


def step_of(resolved: dict[str, Any], features: int) -> dict[str, Any]:
    """The part of an experiment that the time of a step depends on."""
    training = {key: resolved["training"][key] for key in ("n_sets", "set_size", "optimizer")}
    context = resolved["objective"].get("context", 0)
    return model_of(resolved, features) | {"training": training, "objective": {"context": context}}


@cache
def step_seconds(step: str, features: int) -> float | None:
    """Seconds of one optimiser step (canonical JSON of `step_of`) on one core, of processor time, which does not depend
    on what else the machine does; carried on in proportion to the sets from batches that take about SECONDS together.
    What an objective adds to reconstruction is left out. None for a model of more than LARGEST parameters."""
    import torch

    from gde.models import model_class
    from gde.models.base import n_parameters
    from gde.optim import build_optimizer

    config = json.loads(step)
    with torch.device("meta"):
        if n_parameters(model_class(config)(config, **units_of(config, features))) > LARGEST:
            return None
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            model = model_class(config)(config, **units_of(config, features))
            optimizer = build_optimizer(list(model.parameters()), config["training"]["optimizer"])
            return _carried_on(model, optimizer, config)
    finally:
        torch.set_num_threads(threads)


def _carried_on(model: "Model", optimizer: Any, config: dict[str, Any]) -> float:
    wanted = config["training"]["n_sets"]
    sets = min(wanted, FEWEST)
    _timed(model, optimizer, config, sets)  # what is done once: memory, threads
    begin = time.monotonic()

    def shortest() -> float:
        return min(_timed(model, optimizer, config, sets) for _ in range(REPEATS))

    known = [(sets, shortest())]
    while known[-1][0] < wanted and time.monotonic() - begin < SECONDS / 3:
        sets = min(2 * sets, wanted)
        known.append((sets, shortest()))
    (sets, seconds), (fewer, less) = known[-1], known[-2] if len(known) > 1 else (0, 0.0)
    return seconds + max(0.0, (seconds - less) / (sets - fewer)) * (wanted - sets)


def _timed(model: "Model", optimizer: Any, config: dict[str, Any], sets: int) -> float:
    """Seconds of a step on so many sets."""
    import torch

    from gde.objectives.terms import reconstruct
    from gde.sets.batch import Batch
    from gde.sets.random import ShardRandom

    n, type_ = config["training"]["set_size"], model.sample_type
    x = model.standardise(type_.noise(sets, n))
    batch, rng = Batch(x, group=torch.arange(sets)), ShardRandom(0, 0, stream="pace")
    begin = time.process_time()
    _, terms = reconstruct(model, x, batch, rng, isometry=0.0, context=config["objective"]["context"])
    optimizer.zero_grad(set_to_none=True)
    terms["generator"].backward()
    optimizer.step()
    return time.process_time() - begin
