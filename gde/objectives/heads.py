"""Prediction heads: what is read off an embedding besides samples: a label, the next embedding, the mean, the effect of
a condition.

Constructed with `dim` and `latent_dim` and the sizes that were found in the training data (`gde.sets.companions`).
"""

import torch
from torch import Tensor, nn

from gde.errors import bad
from gde.nets.mlp import mlp


class Classifier(nn.Module):
    """Linear logits of the classes, names in the order of the columns."""

    def __init__(self, dim: int, latent_dim: int, *, classes: list[str]):
        super().__init__()
        self.classes = classes
        self.linear = nn.Linear(latent_dim, len(classes))

    def forward(self, z: Tensor) -> Tensor:
        """z : (b, l).   returns logits (b, c)."""
        return self.linear(z)


class MeanPredictor(nn.Module):
    """The mean of the samples, standardised; linear, so that a step in z has one effect on it wherever it starts."""

    def __init__(self, dim: int, latent_dim: int):
        super().__init__()
        self.linear = nn.Linear(latent_dim, dim)

    def forward(self, z: Tensor) -> Tensor:
        """z : (b, l).   returns (b, d)."""
        return self.linear(z)


class Conditions(nn.Module):
    """A vector of length `size` for each condition, by name: learned for each, or a map of given vectors.

    vectors : their length, 0 for learned ones. The given ones are set once (`describe`) and saved with the model; the
    map has a linear and a small non-linear part.
    """

    def __init__(self, names: list[str], size: int, *, vectors: int = 0):
        super().__init__()
        self.names = names
        if vectors:
            self.register_buffer("given", torch.zeros(len(names), vectors))
            self.linear, self.rest = nn.Linear(vectors, size), mlp([vectors, size, size])
        else:
            self.table = nn.Embedding(len(names), size)

    def describe(self, vectors: Tensor) -> None:
        """Set the given vectors (n, k), in the order of `names`."""
        self.given.copy_(vectors)

    def extend(self, names: list[str], vectors: Tensor) -> None:
        """Know further conditions by their vectors (m, k), behind those of `names`."""
        self.names = [*self.names, *names]
        self.given = torch.cat([self.given, vectors.to(self.given)])

    def forward(self, code: Tensor) -> Tensor:
        """code : (b,) int64.   returns (b, size)."""
        if not hasattr(self, "given"):
            return self.table(code)
        vector = self.given[code]
        return self.linear(vector) + self.rest(vector)

    def codes(self, condition: str | list[str], z: Tensor) -> Tensor:
        """Numbers (b,) of one condition, or of b of them. GdeError for a name that was not trained."""
        given = [condition] * len(z) if isinstance(condition, str) else list(condition)
        if len(given) != len(z):
            raise bad("condition", f"{len(given)} conditions", f"1 or {len(z)}", "give one per embedding")
        for name in given:
            if name not in self.names:
                raise bad("condition", repr(name), f"one of {listed(self.names)}", "only those were trained")
        return torch.tensor([self.names.index(name) for name in given], device=z.device)


class OrderedNext(nn.Module):
    """The step E(next) - E(current) from E(current), and from a condition where `conditions` are named."""

    def __init__(self, dim: int, latent_dim: int, *, hidden: int, conditions: list[str] | None):
        super().__init__()
        self.conditions = None if conditions is None else Conditions(conditions, hidden)
        self.first = nn.Linear(latent_dim, hidden)
        self.rest = nn.Sequential(nn.SiLU(), mlp([hidden, hidden, latent_dim]))

    def forward(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """z : (b, l); condition : (b,) int64 or None.   returns (b, l)."""
        h = self.first(z)
        return self.rest(h if self.conditions is None else h + self.conditions(condition))

    def codes(self, condition: str | list[str] | None, z: Tensor) -> Tensor | None:
        """Numbers of the conditions; GdeError where the head has none and one is given, or the other way round."""
        if (condition is None) != (self.conditions is None):
            known = "none" if self.conditions is None else f"one of {', '.join(self.conditions.names)}"
            raise bad("condition", repr(condition), known, "give what objective.condition was trained with")
        return None if condition is None else self.conditions.codes(condition, z)


class Perturbation(nn.Module):
    """The embedding under a condition, z + O((A z + a) * c): the control's embedding z and the condition's vector c
    interact through `rank` products, instead of a tensor of all their products.

    A condition that never trained has the vector `common` m + `own` (c - m) instead, m the mean vector of those that
    did: two factors from 0 to 1 that `gde.objectives.shrinkage` finds on validation conditions; 1 until then.
    """

    def __init__(self, dim: int, latent_dim: int, *, rank: int, conditions: list[str], vectors: int = 0):
        super().__init__()
        self.conditions = Conditions(conditions, rank, vectors=vectors)
        self.inward = nn.Linear(latent_dim, rank)
        self.outward = nn.Linear(rank, latent_dim, bias=False)
        if vectors:
            self.register_buffer("trained", torch.ones(len(conditions), dtype=torch.bool))
            self.register_buffer("factors", torch.ones(2))  # common, own

    def forward(self, z: Tensor, condition: Tensor) -> Tensor:
        """z : (b, l) of controls; condition : (b,) int64.   returns (b, l)."""
        c = self.conditions(condition)
        if not self.training and hasattr(self, "trained"):
            c = torch.where(self.trained[condition, None], c, sum(self.parts(condition)))
        return self.moved(z, c)

    def moved(self, z: Tensor, c: Tensor) -> Tensor:
        """z (b, l) under conditions of vectors c (b, rank): the shift is linear in c."""
        return z + self.outward(self.inward(z) * c)

    def parts(self, condition: Tensor) -> tuple[Tensor, Tensor]:
        """Of conditions (b,) what is common to those that trained, and what is their own: (b, rank) each, shrunk."""
        c, common = self.conditions(condition), self.conditions(self.trained.nonzero()[:, 0]).mean(0)
        return self.factors[0] * common.expand_as(c), self.factors[1] * (c - common)

    def shrink(self, trained: Tensor, factors: Tensor) -> None:
        """Predict conditions other than the `trained` (n,) bool by (common, own) `factors` (2,) of their vectors."""
        self.trained.copy_(trained)
        self.factors.copy_(factors)

    def extend(self, names: list[str], vectors: Tensor) -> None:
        """Know further conditions, that did not train, by their vectors (m, k)."""
        self.conditions.extend(names, vectors)
        self.trained = torch.cat([self.trained, self.trained.new_zeros(len(names))])

    def codes(self, condition: str | list[str], z: Tensor) -> Tensor:
        """Numbers of the conditions; GdeError for one that was not trained."""
        return self.conditions.codes(condition, z)


def listed(names: list[str], shown: int = 20) -> str:
    """The names, the first twenty and how many more where there are thousands."""
    return ", ".join(names[:shown]) + (f" and {len(names) - shown} more" if len(names) > shown else "")


HEADS = {
    "classifier": Classifier,
    "ordered_next": OrderedNext,
    "mean_predictor": MeanPredictor,
    "perturbation": Perturbation,
}
