"""Classifier: a small network of our own that tells classes of images apart, and the features that it tells them by.

What generated images are compared in: distances of pixels say little, and no published network is needed.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gde.errors import bad
from gde.evaluate.shared.columns import first_label, group_names
from gde.evaluate.shared.context import Context
from gde.nets.stem import Stem

HIDDEN, FEATURES = 32, 64
STEPS, BATCH, RATE = 600, 128, 2e-3
AT_ONCE = 1 << 19  # pixels
MOST = 64  # classes; of more groups as many at random


class Network(nn.Module):
    """Stem, a hidden layer of FEATURES numbers, logits."""

    def __init__(self, shape: tuple[int, int, int], classes: int):
        super().__init__()
        self.stem = Stem(shape, HIDDEN)
        h, w, f = self.stem.map
        self.hidden = nn.Sequential(nn.Dropout(0.2), nn.Linear(h * w * f, FEATURES), nn.SiLU())
        self.out = nn.Linear(FEATURES, classes)

    def features(self, x: Tensor) -> Tensor:
        """x : (m, c, h, w) standardised.   returns (m, FEATURES)."""
        return self.hidden(self.stem(x).flatten(1))

    def forward(self, x: Tensor) -> Tensor:
        """Logits (m, k)."""
        return self.out(self.features(x))


@dataclass(frozen=True)
class Classifier:
    """classes : names, in the order of probabilities.   accuracy : on test images of these classes, each class
    weighing alike; None where there are none.   tested : how many images."""

    model: Any
    network: Network
    classes: list[str]
    accuracy: float | None
    tested: int

    @torch.no_grad()
    def __call__(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Features (m, f) and probabilities (m, k) of images (m, c, h, w), float64."""
        step, parts = max(1, AT_ONCE // int(np.prod(images.shape[1:]))), []
        for start in range(0, len(images), step):
            x = standardised(self.model, images[start : start + step])
            features = self.network.features(x)
            probability = self.network.out(features).softmax(-1)
            parts.append(tuple(v.double().cpu().numpy() for v in (features, probability)))
        features, probability = (np.concatenate(part) for part in zip(*parts, strict=True))
        return features, probability


def standardised(model: Any, images: np.ndarray) -> Tensor:
    """Images as networks are given them, on the model's device."""
    kind = model.sample_type
    return model.standardise(kind.placed(kind.tensor(images), model.x_mean))


def classes_of(store: Any) -> np.ndarray:
    """The class (g,) of each group: the first of the store's labels, or its name where there is none."""
    label = first_label(store)
    return group_names(store) if label is None else store.groups[label].astype(str).to_numpy()


def train_classifier(ctx: Context) -> Classifier:
    """Trained on training images alone, STEPS batches in which classes weigh alike; seeded, so that it is a part of the
    evaluation. GdeError for fewer than two classes that train."""
    store, rng = ctx.store, ctx.random("classifier")
    of, split = classes_of(store), store.groups["split"].to_numpy()
    names = sorted(set(of[split == "train"]))
    if len(names) < 2:
        raise bad(store.path, f"one class that trains, {names}", "two or more", "name labels, or groups, that differ")
    names = sorted(rng.permutation(names)[:MOST].tolist())
    rows = [_rows(store, (of == name) & (split == "train")) for name in names]
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(int(rng.integers(2**31)))
        network = Network(store.sample_type.shape, len(names)).to(ctx.device).train()
        optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=0.05)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=STEPS)
        for _ in range(STEPS):
            label = rng.integers(len(names), size=BATCH)
            chosen = np.array([rows[c][rng.integers(len(rows[c]))] for c in label])
            x = standardised(ctx.model, np.asarray(store.x[np.sort(chosen)]))
            target = torch.from_numpy(label[np.argsort(chosen, kind="stable")]).to(ctx.device)
            loss = nn.functional.cross_entropy(network(x), target, label_smoothing=0.05)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
    network.eval()
    right, guess = [], Classifier(ctx.model, network, names, None, 0)
    for c, name in enumerate(names):
        if len(own := _rows(store, (of == name) & (split == "test"))):
            right.append(guess(np.asarray(store.x[own]))[1].argmax(1) == c)
    accuracy = float(np.mean([part.mean() for part in right])) if right else None
    return Classifier(ctx.model, network, names, accuracy, sum(map(len, right)))


def _rows(store: Any, groups: np.ndarray) -> np.ndarray:
    own = [np.arange(store.starts[g], store.starts[g] + store.sizes[g]) for g in np.flatnonzero(groups)]
    return np.concatenate([np.zeros(0, np.int64), *own])
