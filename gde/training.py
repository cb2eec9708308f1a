"""The training loop. Read it from top to bottom; everything random in step t derives from (seed, t, shard)."""

import contextlib
import copy
import logging
import time
from pathlib import Path
from typing import Any

import torch

from gde.checkpoint import (
    clear_leftovers,
    flatten_optimizer,
    load_checkpoint,
    load_latest,
    prune_checkpoints,
    restore_optimizer,
)
from gde.checkpoint import save_checkpoint as write_checkpoint
from gde.cluster.device import autocast
from gde.cluster.processes import Processes
from gde.cluster.signals import sigterm_into
from gde.errors import GdeError, bad
from gde.models import model_class
from gde.models.base import Model, load_state
from gde.objectives.shrinkage import shrink_new_conditions
from gde.optim import build_optimizer, clip_gradients, ema_decay, lr_factor, update_ema
from gde.sets.batch import Batch
from gde.sets.random import ShardRandom
from gde.sets.source import (
    describe_conditions,
    load_features,
    make_sampler,
    model_sections,
    training_samples,
    validation_batch,
)
from gde.sets.store.set_store import SetStore
from gde.training_log import TrainingLog

log = logging.getLogger(__name__)


class Interrupted(SystemExit):
    """SIGTERM arrived (time limit, preemption): a checkpoint is written; run again to continue."""


def train(
    config: dict[str, Any], store: SetStore, run_dir: Path, *, device: torch.device
) -> tuple[Model, dict[str, Any]]:
    """Train, or continue, the run in `run_dir`; returns the averaged weights that validated best, and the budget used.

    config : resolved experiment. Under torchrun or srun each process draws its part of the fixed shards, and
    gradients are averaged: the loss curve does not depend on the number of processes.

    Raises GdeError when the loss is not finite (naming step, groups and last good checkpoint), Interrupted after
    SIGTERM.
    """
    cfg = config["training"]
    processes = Processes()
    if processes.world > cfg["shards"]:
        found, expected = f"{cfg['shards']} for {processes.world} processes", "at least one shard for each process"
        raise bad("training.shards", found, expected, "raise it, or start fewer processes")
    if not len(store.select(split="validation")):
        raise bad(store.path, "no validation groups", "one or more", "raise dataset.split.fractions[1]")
    torch.set_num_threads(cfg["torch_threads"])
    model, average = build_models(config, store, device)
    parameters, names = list(model.parameters()), [name for name, _ in model.named_parameters()]
    optimizer = build_optimizer(parameters, cfg["optimizer"])
    only = range(processes.rank, cfg["shards"], processes.world)
    sampler = make_sampler(store, config, only=only, device=device)
    validation = validation_batch(store, config, device=device)
    checkpoints = run_dir / "checkpoints"
    if processes.rank == 0:
        clear_leftovers(checkpoints)

    # best: step and loss of the best validation; stale: validations since; drops: plateaus of the schedule
    state = {"step": 0, "best_step": None, "best": float("inf"), "stale": 0, "drops": 0, "seconds": 0.0, "samples": 0}
    if (latest := load_latest(checkpoints)) is not None:
        tensors, saved = latest
        state |= {k: saved[k] if saved[k] is not None else state[k] for k in state}
        load_state(model, sub_state(tensors, "model/"), checkpoints)
        load_state(average, sub_state(tensors, "average/"), checkpoints)
        restore_optimizer(optimizer, names, tensors)
        log.info("resumed at step %d of %d", state["step"], cfg["steps"])
    if cfg["compile"] == "on" or (cfg["compile"] == "auto" and device.type == "cuda"):
        for part in model.parts():
            part.compile()

    def save() -> None:
        state["seconds"] = elapsed()
        if processes.rank == 0:
            tensors = {f"model/{k}": v for k, v in model.state_dict().items()}
            tensors |= {f"average/{k}": v for k, v in average.state_dict().items()}
            tensors |= flatten_optimizer(optimizer, names) | journal.save()
            finite = {k: v if v != float("inf") else None for k, v in state.items()}
            write_checkpoint(checkpoints, state["step"], tensors, finite)
            prune_checkpoints(checkpoints, best=state["best_step"], keep_every=cfg["keep_every"])

    started, seconds_before = time.monotonic(), state["seconds"]

    def elapsed() -> float:
        return seconds_before + time.monotonic() - started

    def exhausted() -> bool:
        return bool(cfg["early_stopping"]) and state["stale"] >= cfg["early_stopping"]

    stop_requested = []
    listened = contextlib.ExitStack()
    listened.enter_context(sigterm_into(stop_requested))
    first_bad = torch.full((), -1, device=device)  # first step with NaN or infinity; read only when logging
    pending = tensors["log/pending"].to(device) if latest is not None and "log/pending" in tensors else None
    journal = TrainingLog(run_dir, state["step"], cfg, enabled=processes.rank == 0, pending=pending)
    try:
        while state["step"] < cfg["steps"] and not exhausted():
            step = state["step"]
            lr = cfg["optimizer"]["lr"] * lr_factor(cfg["scheduler"], step, cfg["steps"], state["drops"])
            for group in optimizer.param_groups:
                group["lr"] = lr
            batch = sampler(step)
            rng = ShardRandom(config["seed"], step, stream="loss", shards=cfg["shards"], only=only, device=device)
            with autocast(device, cfg["precision"]):
                losses = model.loss(batch, rng)
            optimizer.zero_grad(set_to_none=True)
            losses["loss"].backward()
            processes.average(parameters, losses, batch)
            grad_norm = clip_gradients(parameters, cfg["grad_clip"])
            optimizer.step()
            update_ema(average, model, ema_decay(cfg["ema"], step))
            bad_now = ~torch.isfinite(losses["loss"].detach() + grad_norm) & (first_bad < 0)
            first_bad = torch.where(bad_now, step, first_bad)
            state["step"] = step = step + 1
            state["samples"] += cfg["n_sets"] * cfg["set_size"]

            last, stop = step == cfg["steps"], processes.any(bool(stop_requested))
            validate_now = step % cfg["validate_every"] == 0 or last
            save_now = step % cfg["checkpoint_every"] == 0 or last or stop
            journal.add(step, {**losses, "grad_norm": grad_norm}, lr, flush=validate_now or last)
            if (step % cfg["log_every"] == 0 or validate_now or save_now) and first_bad >= 0:
                raise not_finite(int(first_bad), sampler, store, checkpoints)
            if validate_now:
                loss = processes.first(validate(average, validation, config, device))
                journal.add_validation(step, loss)
                improved = loss < state["best"]
                state |= {"best": loss, "best_step": step, "stale": 0} if improved else {"stale": state["stale"] + 1}
                if (
                    cfg["scheduler"]["kind"] == "plateau"
                    and state["stale"]
                    and (state["stale"] % cfg["scheduler"]["patience"] == 0)
                ):
                    state["drops"] += 1
                save_now = save_now or improved or exhausted()
            if save_now:
                save()
            if stop and not last and not exhausted():
                log.warning("SIGTERM: checkpoint written at step %d; run again to continue", step)
                raise Interrupted(143)
    finally:
        journal.close()
        listened.close()

    if exhausted():
        log.info("stopped at step %d: no better validation loss since step %s", state["step"], state["best_step"])
    if state["best_step"] is None:
        raise GdeError(f"{run_dir}: the validation loss was never finite; lower training.optimizer.lr")
    processes.wait()
    tensors, _ = load_checkpoint(checkpoints / f"step-{state['best_step']:09d}")
    load_state(average, sub_state(tensors, "average/"), checkpoints)
    shrink_new_conditions(average.eval(), store, config)
    budget = {"steps": state["step"], "seconds": round(elapsed(), 2), "samples_seen": state["samples"]}
    return average, budget | {"best_step": state["best_step"]}


def build_models(config: dict[str, Any], store: SetStore, device: torch.device) -> tuple[Model, Model]:
    """The model, initialised from the seed alone, and its running average."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config["seed"])
        config = config | model_sections(store, config)
        kind = model_class(config)
        model = kind(config, mean=store.meta["mean"], scale=store.meta["scale"], features=load_features(store))
        describe_conditions(model, store, config)
    for part in model.parts():
        if hasattr(part, "initialise"):  # from published weights
            part.initialise()
    model.to(device)
    for part in model.parts():
        if hasattr(part, "remember"):
            part.remember(store.chunks())
    fitted = [part for part in model.parts() if hasattr(part, "fit")]
    if fitted:
        x = model.standardise(training_samples(store, config, device=device))
        for part in fitted:
            part.fit(x)
    average = copy.deepcopy(model).requires_grad_(False)
    return model, average


def sub_state(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


@torch.no_grad()
def validate(model: Model, batch: Batch, config: dict[str, Any], device: torch.device) -> float:
    """Loss on the validation batch with fixed noise, so that only the weights change it."""
    noise = ShardRandom(config["seed"], 0, stream="validation noise", device=device)
    with autocast(device, config["training"]["precision"]):
        return float(model.loss(batch, noise)["loss"])


def not_finite(step: int, sampler, store: SetStore, checkpoints: Path) -> GdeError:
    """The message for a loss that is NaN or infinite: where, on what, and how to go on."""
    batch = sampler(step)
    if batch.mix is not None:
        groups = sampler.groups[batch.mix.any(0).cpu().numpy()]
    else:
        groups = batch.group.unique().tolist()
    names = ", ".join(store.groups["group"].iloc[g] for g in groups[:5] if g >= 0) or "synthetic sets"
    good = [p for p in sorted(checkpoints.glob("step-*")) if int(p.name.removeprefix("step-")) <= step]
    return GdeError(
        f"training: found a loss or gradient that is not finite at step {step} (batch of {names}), expected numbers; "
        f"last good checkpoint: {good[-1] if good else 'none'}; lower training.optimizer.lr or check the data"
    )
