"""Sequences at once: how much goes through a language model together: as many sequences as there is memory for their
states."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch

PLACES_AT_ONCE = {"cpu": 8192, "cuda": 65_536}  # at most, padding included
BYTES_AT_ONCE = {"cpu": 1 << 30, "cuda": 1 << 32}  # of their states: fewer positions where the model is large


def cut(config: Mapping[str, Any], lengths: list[int], device: torch.device) -> list[slice]:
    """Slices of sequences of ascending `lengths` that go through a model with these sizes together, at least one; two
    marks are added to each."""
    pieces, first, of = [], 0, partial(positions_at_once, config, device.type, torch.is_grad_enabled())
    for i in range(1, len(lengths) + 1):
        if i == len(lengths) or (i + 1 - first) * (lengths[i] + 2) > of(lengths[i] + 2):
            pieces.append(slice(first, i))
            first = i
    return pieces


def positions_at_once(config: Mapping[str, Any], device: str, gradients: bool, length: int) -> int:
    """Positions that go through a model of these sizes together, of sequences with `length` of them.

    With gradients each layer keeps of a position 12 vectors of its width (norms, queries, keys, values, their
    rotations, outputs) and 4 of the width inside (ESM-2's GELU is made of several steps; BERT needs 2), four bytes a
    number. Without them it is those of one layer alone, at the worst moment 12 and 5. The mask of the attention has
    `length` numbers for each position, twice. ESM-2 8M: 41 kB, 215 kB with gradients; 650M: 164 kB and 4.7 MB.
    """
    width, inside = config["hidden_size"], config["intermediate_size"]
    numbers = config["num_hidden_layers"] * (12 * width + 4 * inside) if gradients else 12 * width + 5 * inside
    return min(PLACES_AT_ONCE[device], BYTES_AT_ONCE[device] // (4 * (numbers + 2 * length)))
