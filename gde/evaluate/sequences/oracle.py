"""A regressor of expression from sequence, trained here on real training sequences alone, to score generated ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gde.sets.random import seed_of

BATCH = 128
AT_ONCE = 1024  # sequences that are predicted together
KERNEL = 9


class Regressor(nn.Module):
    """Convolutions over tokens, halving the positions, then mean and maximum over them: expression in each
    condition."""

    def __init__(self, residues: int, conditions: int, hidden: int, layers: int):
        super().__init__()
        self.residues = residues
        sizes = [residues, *[hidden] * layers]
        self.convolutions = nn.ModuleList(nn.Conv1d(a, b, KERNEL, padding=KERNEL // 2) for a, b in pairwise(sizes))
        self.norms = nn.ModuleList(nn.GroupNorm(1, hidden) for _ in range(layers))
        self.read = nn.Sequential(nn.Linear(2 * hidden, hidden), nn.GELU(), nn.Dropout(0.2))
        self.heads = nn.Linear(hidden, conditions)

    def forward(self, tokens: Tensor) -> Tensor:
        """tokens (b, L) uint8 -> (b, conditions), in standard deviations of the training sequences."""
        h = F.one_hot(tokens.long(), self.residues + 1)[..., 1:].float().mT  # (b, tokens, L): nothing behind the end
        for i, (convolve, norm) in enumerate(zip(self.convolutions, self.norms, strict=True)):
            new = F.gelu(norm(convolve(h)))
            h = F.avg_pool1d(new if i == 0 else new + h, 2, ceil_mode=True)
        return self.heads(self.read(torch.cat([h.mean(-1), h.amax(-1)], -1)))


@dataclass(frozen=True)
class Measured:
    """Sequences with their expression: tokens (m, L) uint8, condition (m,) int64, expression (m,) float."""

    tokens: np.ndarray
    condition: np.ndarray
    expression: np.ndarray

    def __len__(self) -> int:
        return len(self.tokens)


@dataclass(frozen=True)
class Oracle:
    """Regressors of different seeds, and the mean (c,) and deviation (c,) of expression in each condition."""

    copies: Sequence[Regressor]
    mean: np.ndarray
    scale: np.ndarray
    epochs: int  # of the longest training, whatever was kept of it

    @torch.no_grad()
    def predict(self, tokens: np.ndarray, condition: np.ndarray | int) -> np.ndarray:
        """Expression (m,) float64 of tokens (m, L) in condition (m,), the mean of the copies, in the data's unit."""
        condition = np.broadcast_to(np.asarray(condition), (len(tokens),))
        parts = [np.zeros(0)]
        for start in range(0, len(tokens), AT_ONCE):
            x = torch.from_numpy(np.ascontiguousarray(tokens[start : start + AT_ONCE]))
            x = x.to(self.copies[0].heads.weight.device)
            y = torch.stack([copy(x) for copy in self.copies]).mean(0).cpu().double().numpy()
            parts.append(y[np.arange(len(y)), condition[start : start + AT_ONCE]])
        return np.concatenate(parts) * self.scale[condition] + self.mean[condition]


def fit_oracle(
    train: Measured, validation: Measured, residues: int, options: dict[str, Any], seed: int, device: torch.device
) -> Oracle:
    """Train on `train`; of each copy the weights of the pass that validates best are kept.

    Every condition must be among the training sequences. ValueError where one is not.
    """
    count = int(max(train.condition.max(), validation.condition.max())) + 1
    mean, scale = np.zeros(count), np.ones(count)
    for c in range(count):
        own = train.expression[train.condition == c]
        if len(own) < 2:
            raise ValueError(f"oracle: found {len(own)} training sequences in condition {c}, expected two or more")
        mean[c], scale[c] = own.mean(), max(own.std(), 1e-6)
    told, held = (standardised(part, mean, scale, device) for part in (train, validation))
    copies, longest = [], 0
    with torch.enable_grad(), torch.random.fork_rng([device] if device.type == "cuda" else []):
        for i in range(options["copies"]):
            torch.manual_seed(seed_of(seed, "oracle", str(i)) % 2**63)
            model = Regressor(residues, count, options["hidden"], options["layers"]).to(device)
            longest = max(longest, fit(model, told, held, options))
            copies.append(model.eval())
    return Oracle(copies, mean, scale, longest)


def standardised(part: Measured, mean: np.ndarray, scale: np.ndarray, device: torch.device) -> tuple[Tensor, ...]:
    """Tokens, condition and expression in standard deviations of its condition, as tensors."""
    y = (part.expression - mean[part.condition]) / scale[part.condition]
    arrays = np.ascontiguousarray(part.tokens), np.asarray(part.condition, np.int64), y.astype(np.float32)
    return tuple(torch.from_numpy(a).to(device) for a in arrays)


def fit(model: Regressor, train: tuple[Tensor, ...], validation: tuple[Tensor, ...], options: dict[str, Any]) -> int:
    """Least squares by AdamW with a cosine schedule; leaves the best weights in `model`, returns the passes made."""
    n = len(train[0])
    batches = -(-n // BATCH)
    optimizer = torch.optim.AdamW(model.parameters(), lr=options["lr"], weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, options["lr"], total_steps=batches * options["epochs"])
    best, kept, stale, passes = error(model, validation), copy_of(model), 0, 0
    while passes < options["epochs"] and stale < options["patience"]:
        passes += 1
        model.train()
        order = torch.randperm(n).to(train[0].device)
        for start in range(0, n, BATCH):
            x, condition, y = (t[order[start : start + BATCH]] for t in train)
            predicted = model(x).gather(1, condition[:, None])[:, 0]
            optimizer.zero_grad()
            F.mse_loss(predicted, y).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
        if (now := error(model, validation)) < best:
            best, kept, stale = now, copy_of(model), 0
        else:
            stale += 1
    model.load_state_dict(kept)
    return passes


@torch.no_grad()
def error(model: Regressor, part: tuple[Tensor, ...]) -> float:
    """Mean squared error, in variances."""
    model.eval()
    x, condition, y = part
    total = 0.0
    for start in range(0, len(x), AT_ONCE):
        own = slice(start, start + AT_ONCE)
        total += float((model(x[own]).gather(1, condition[own, None])[:, 0] - y[own]).square().sum())
    return total / len(x)


def copy_of(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def kmer_regression(train: Measured, validation: Measured, test: Measured, k: int, residues: int) -> np.ndarray:
    """Expression (m,) of `test` by ridge regression on k-mer counts, a model for each condition; the penalty that
    validates best. The plain rival of the oracle."""
    from gde.evaluate.shared.kmers import kmer_codes

    def counts(part: Measured) -> np.ndarray:
        code = kmer_codes(part.tokens, k, residues)
        row, position = np.nonzero(code >= 0)
        size = residues**k
        flat = np.bincount(row * size + code[row, position], minlength=len(part) * size)
        return flat.reshape(len(part), size).astype(float)

    out = np.zeros(len(test))
    for c in np.unique(test.condition):
        own = [Measured(p.tokens[w], p.condition[w], p.expression[w]) for p in (train, validation, test)
               for w in [p.condition == c]]  # fmt: skip
        x, xv, xt = (counts(part) for part in own)
        centre, offset = x.mean(0), own[0].expression.mean()
        gram, right = (x - centre).T @ (x - centre), (x - centre).T @ (own[0].expression - offset)
        unit = np.trace(gram) / len(gram) or 1.0
        best = np.inf
        for penalty in (1e-2, 1e-1, 1.0, 1e1, 1e2):
            weight = np.linalg.solve(gram + penalty * unit * np.eye(len(gram)), right)
            wrong = np.square((xv - centre) @ weight + offset - own[1].expression).mean() if len(xv) else penalty
            if wrong < best:
                best, predicted = wrong, (xt - centre) @ weight + offset
        out[test.condition == c] = predicted
    return out
