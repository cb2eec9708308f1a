"""What publishers' pickles hold: tensors, and what runs when it is read by whoever trusts it."""

import os
from pathlib import Path

import torch


class Runs:
    """Unpickled by whoever trusts it, this makes a file."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def tensors() -> dict[str, torch.Tensor]:
    w = torch.arange(6.0).view(2, 3)
    return {"w": w, "tied": w, "turned": w.T, "half": w.half()}
