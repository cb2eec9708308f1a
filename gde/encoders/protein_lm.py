"""Set encoder of proteins behind ESM-2."""

from typing import Any

import numpy as np
from torch import Tensor

from gde.encoders.language_model import LanguageModel
from gde.encoders.published import Esm2
from gde.sets.types.alphabet import ALPHABETS

# ESM-2's number of each token of the alphabet `protein`, behind that of padding.
NUMBER = {token: i for i, token in enumerate("LAGVSERTIDPKQNFYMHWCX", 4)}
TABLE = np.array([Esm2.PAD, *(NUMBER[token] for token in ALPHABETS["protein"].symbols)])


class ProteinLm(LanguageModel):
    """Mean of ESM-2's last states over the residues; the marks of begin and end have no part in it."""

    alphabet, published = "protein", Esm2

    def tokenise(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        length = (rows != 0).sum(1)
        out = np.full((len(rows), length.max() + 2), Esm2.PAD)
        out[:, 0] = Esm2.CLASS
        out[:, 1:-1] = TABLE[rows[:, : length.max()]]
        out[np.arange(len(rows)), length + 1] = Esm2.END
        return out, np.arange(out.shape[1]) < (length + 2)[:, None]

    def pool(self, states: Tensor, there: Tensor) -> Tensor:
        return mean_inside(states, there)

    def reading(self) -> list[Any]:
        return [self.config, "mean over residues"]


def mean_inside(states: Tensor, there: Tensor) -> Tensor:
    """Mean (m, h) of states (m, t, h) where a sequence stands, there (m, t), without its first and last position."""
    inside = there[:, 2:, None].to(states.dtype)  # position i + 1 is inside while i + 2 is there
    return (states[:, 1:-1] * inside).sum(1) / inside.sum(1).clamp(min=1.0)
