"""What a run says while it trains: log.jsonl, TensorBoard (and W&B on request), a progress bar or a line a minute."""

import json
import logging
import sys
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gde.io import atomic_write, storage_errors

log = logging.getLogger(__name__)
SECONDS_BETWEEN_LINES = 60


class TrainingLog:
    """Collects per-step values on the device and writes their mean every `log_every` steps, one transfer each.

    On resuming at `step`, lines of later steps (of the process that was killed) are dropped, so that log.jsonl
    always tells one story.
    """

    def __init__(self, run_dir: Path, step: int, cfg: dict[str, Any], *, enabled: bool):
        self.cfg, self.enabled, self.pending = cfg, enabled, []
        if not enabled:
            return
        self.path = path = run_dir / "log.jsonl"
        kept = [line for line in path.read_text().splitlines() if _step(line) <= step] if path.exists() else []
        with atomic_write(path) as f:
            f.writelines(line + "\n" for line in kept)
        self.file = path.open("a", buffering=1)
        self.step = self.step_at_start = step
        self.since = self.started = self.last_line = time.monotonic()
        self.writers, self.closers = _writers(run_dir, step, cfg)
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
        rate = len(self.pending) * self.cfg["n_sets"] / max(now - self.since, 1e-9)
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

    def close(self) -> None:
        if self.enabled:
            if self.bar is not None:
                self.bar.close()
            for close in self.closers:
                close()
            with storage_errors(self.path):
                self.file.close()


def _step(line: str) -> int:
    try:
        return json.loads(line)["step"]
    except json.JSONDecodeError:  # the line a killed process was writing
        return sys.maxsize


def _writers(run_dir: Path, step: int, cfg: dict[str, Any]) -> tuple[list, list]:
    """Functions of (step, values), and those that end them: TensorBoard loses what it has not flushed."""
    writers, closers = [], []
    if cfg["tensorboard"]:
        from torch.utils.tensorboard import SummaryWriter

        board = SummaryWriter(run_dir / "tensorboard", flush_secs=10, purge_step=step + 1)
        writers.append(lambda step, values: [board.add_scalar(k, v, step) for k, v in values.items()])
        closers.append(board.close)
    if cfg["wandb"]:
        import wandb  # optional extra: pip install wandb

        run = wandb.init(project="gde", dir=run_dir, name=run_dir.name, id=run_dir.name, resume="allow")
        writers.append(lambda step, values: run.log(values, step=step))
        closers.append(run.finish)
    return writers, closers
