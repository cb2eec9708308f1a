"""Samples generated from an embedding, as arrays of numpy."""

from typing import Any

import numpy as np
import torch


def generate(
    model: Any,
    z: np.ndarray,
    n: int,
    draw: torch.Generator,
    *,
    at_once: int | None = None,
    given: np.ndarray | None = None,
) -> np.ndarray:
    """n samples (n, ...) generated from one embedding z (l,), all at once or `at_once` at a time.

    given : (n, k) tokens that each sequence begins with, of models that can begin.
    """
    one = torch.from_numpy(z).float()[None].to(model.device)
    step, parts = at_once or n, []
    for start in range(0, n, step):
        begun = {} if given is None else {"given": torch.from_numpy(given[start : start + step])[None]}
        made = model.sample(one, min(step, n - start), generator=draw, **begun)
        parts.append(made[0].cpu().numpy())
    return np.concatenate(parts)
