"""Training log: what a run says while it trains: log.jsonl, TensorBoard (and W&B on request), a progress bar or a line
a minute."""

import json
import logging
import os
import sys
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gde.files.io import atomic_write, storage_errors

log = logging.getLogger(__name__)
SECONDS_BETWEEN_LINES = 60


class TrainingLog:
    """Collects per-step values on the device and writes their mean every `log_every` steps, one transfer each.

    On resuming at `step`, lines of later steps (of the process that was killed) are dropped, and the values of steps
    that were not yet written come from the checkpoint (`pending`): wherever a run was stopped, log.jsonl tells the
    story of the run that never was.
    """

    def __init__(self, run_dir: Path, step: int, cfg: dict[str, Any], *, enabled: bool, pending: Tensor | None = None):
        self.cfg, self.enabled = cfg, enabled
        self.pending = [] if pending is None else list(pending)
        if not enabled:
            return
        self.path = path = run_dir / "log.jsonl"
        kept = _lines_until(path, step)
        with atomic_write(path) as f:
            f.writelines(line + "\n" for line in kept)
        self.file = path.open("a", buffering=1)
        self.step = self.step_at_start = step
        self.since = self.started = self.last_line = time.monotonic()
        self.writers, self.flushers, self.closers = _writers(run_dir, step, cfg)
        self.bar = None
        if sys.stderr.isatty():
            from tqdm import tqdm

            self.bar = tqdm(total=cfg["steps"], initial=step, unit="step", dynamic_ncols=True)

    def add(self, step: int, values: dict[str, Tensor], lr: float, *, flush: bool) -> None:
        """Note one step; `values` are scalars on the device."""
        if not self.enabled:
            return
        self.pending.append(torch.stack([v.detach().float() for v in values.values()]))
        if not (flush or step % self.cfg["log_every"] == 0):
            return
        means = dict(zip(values, torch.stack(self.pending).mean(0).tolist(), strict=True))
        now = time.monotonic()
        rate = (step - self.step) * self.cfg["n_sets"] / max(now - self.since, 1e-9)
        self.write(step, {**means, "lr": lr, "sets_per_s": rate})
        if self.bar is not None:
            self.bar.update(step - self.step)
            self.bar.set_postfix(loss=f"{means['loss']:.4g}")
        elif now - self.last_line > SECONDS_BETWEEN_LINES:
            left = (now - self.started) / (step - self.step_at_start) * (self.cfg["steps"] - step)
            log.info("step %d of %d, loss %.4g, %.0f s left", step, self.cfg["steps"], means["loss"], left)
            self.last_line = now
        self.pending, self.since, self.step = [], now, step

    def add_validation(self, step: int, loss: float) -> None:
        """Note a validation loss."""
        if self.enabled:
            self.write(step, {"validation": loss})

    def write(self, step: int, values: dict[str, float]) -> None:
        with storage_errors(self.path):
            self.file.write(json.dumps({"step": step, **values}) + "\n")
            for writer in self.writers:
                writer(step, values)

    def save(self) -> dict[str, Tensor]:
        """Bring everything written to the disk; returns the values not yet written, (steps, values), to be kept.

        For a checkpoint: what is resumed from it must find the lines before it.
        """
        if not self.enabled:
            return {}
        with storage_errors(self.path):
            self.file.flush()
            os.fsync(self.file.fileno())
            for flush in self.flushers:
                flush()
        return {"log/pending": torch.stack(self.pending)} if self.pending else {}

    def close(self) -> None:
        if self.enabled:
            if self.bar is not None:
                self.bar.close()
            with storage_errors(self.path):
                for close in self.closers:
                    close()
                self.file.close()


def _lines_until(path: Path, step: int) -> list[str]:
    """Lines of no later step; one that is broken is left out, and told unless it is the last one, cut by a kill."""
    kept, lines = [], path.read_text(errors="replace").splitlines() if path.exists() else []
    for number, line in enumerate(lines, 1):
        try:
            if json.loads(line)["step"] <= step:
                kept.append(line)
        except (json.JSONDecodeError, KeyError, TypeError):
            if number < len(lines):
                log.warning("%s:%d: left out a damaged line", path, number)
    return kept


def _writers(run_dir: Path, step: int, cfg: dict[str, Any]) -> tuple[list, list, list]:
    """Functions of (step, values), those that flush, and those that end them: TensorBoard holds back what it is given.

    TensorBoard's readers drop what stands at `purge_step` and later in the files of earlier processes.
    """
    writers, flushers, closers = [], [], []
    if cfg["tensorboard"]:
        from torch.utils.tensorboard import SummaryWriter

        board = SummaryWriter(run_dir / "tensorboard", flush_secs=10, purge_step=step + 1)
        writers.append(lambda step, values: [board.add_scalar(k, v, step) for k, v in values.items()])
        flushers.append(board.flush)
        closers.append(board.close)
    if cfg["wandb"]:
        import wandb  # optional extra: pip install wandb

        run = wandb.init(project="gde", dir=run_dir, name=run_dir.name, id=run_dir.name, resume="allow")
        writers.append(lambda step, values: run.log(values, step=step))
        closers.append(run.finish)
    return writers, flushers, closers
