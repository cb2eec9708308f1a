"""Optimiser, learning-rate schedule by step, gradient clipping, averaged weights."""

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn


def build_optimizer(parameters: Iterable[nn.Parameter], cfg: dict[str, Any]) -> torch.optim.Optimizer:
    """AdamW, Adam or SGD from ``training.optimizer``."""
    kind, common = cfg["kind"], {"lr": cfg["lr"], "weight_decay": cfg["weight_decay"]}
    if kind == "sgd":
        return torch.optim.SGD(parameters, momentum=cfg["momentum"], **common)
    cls = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam}[kind]
    return cls(parameters, betas=tuple(cfg["betas"]), fused=True, **common)


def lr_factor(cfg: dict[str, Any], step: int, steps: int, drops: int) -> float:
    """Learning rate at `step` (from 0) of `steps`, relative to the configured one.

    Linear warm-up, then `cosine` to `floor`, `constant`, `step` (times `factor` every `step_every` steps) or
    `plateau` (times `factor` after each of `drops` plateaus of the validation loss).
    """
    warmup, kind = cfg["warmup"], cfg["kind"]
    if step < warmup:
        return (step + 1) / warmup
    if kind == "cosine":
        progress = (step - warmup) / max(1, steps - warmup)
        return cfg["floor"] + (1 - cfg["floor"]) * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
    if kind == "step":
        return cfg["factor"] ** (step // cfg["step_every"])
    if kind == "plateau":
        return cfg["factor"] ** drops
    return 1.0


def ema_decay(decay: float, step: int) -> float:
    """Decay of the weight average at `step`: short at first, so that the initial weights are forgotten."""
    return min(decay, (1 + step) / (10 + step))


@torch.no_grad()
def update_ema(average: nn.Module, model: nn.Module, decay: float) -> None:
    """average <- decay average + (1 - decay) model, all parameters at once."""
    torch._foreach_lerp_(list(average.parameters()), [p.detach() for p in model.parameters()], 1 - decay)


def clip_gradients(parameters: list[nn.Parameter], limit: float) -> Tensor:
    """Scale gradients to a total norm of at most `limit` (0: no limit); returns the norm before, on the device."""
    if limit:
        return nn.utils.clip_grad_norm_(parameters, limit)
    return nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
