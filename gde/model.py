"""GDE: a set encoder and a conditional generator, with the units of the data around them."""

import os
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from gde import encoders, generators, objectives
from gde.errors import bad
from gde.models.base import Model
from gde.nets.registry import build, resolve_kind

if TYPE_CHECKING:
    import anndata
    import numpy as np

    from gde.sets.batch import Batch
    from gde.sets.random import ShardRandom
    from gde.sets.store.set_store import SetStore


class GDE(Model):
    """Generative distribution embedding (Fishman et al., arXiv 2505.18150).

    Of `config` are read here: `encoder`, `generator`, `latent_dim`, `objective`, and what only the data tell: `heads`
    (what an objective predicts besides samples, with its sizes) and what the sample type says of itself.
    Otherwise as `gde.models.base.Model`.
    """

    PARTS = ("encoder", "generator")

    def __init__(self, config: dict[str, Any], **data: Any):
        super().__init__(config, **data)
        sizes = {**self.sample_type.sizes, "latent_dim": self.latent_dim}
        for name, registry in (("encoder", encoders.REGISTRY), ("generator", generators.REGISTRY)):
            setattr(self, name, build(registry, config[name], **sizes, **self.files_of(name)))
        self.heads = nn.ModuleDict()
        if "heads" in config:  # the objectives that predict something besides samples
            from gde.objectives.heads import HEADS

            sizes = {"dim": self.dim, "latent_dim": self.latent_dim}
            self.heads.update({name: HEADS[name](**sizes, **options) for name, options in config["heads"].items()})

    def loss(self, batch: "Batch", rng: "ShardRandom") -> dict[str, Tensor]:
        """What the experiment's objective says (`gde.objectives`)."""
        section = self.config["objective"]
        options = {key: value for key, value in section.items() if key != "kind"}
        return resolve_kind(objectives.REGISTRY, section["kind"])(self, batch, rng, **options)

    @torch.no_grad()
    def embed(
        self, x: "Tensor | anndata.AnnData | str | os.PathLike", groupby: str | list[str] | None = None, **options: Any
    ) -> "Tensor | anndata.AnnData":
        """Embed sets given as a tensor (b, n, d), or the groups of an AnnData or of a file (one row per group).

        Those go through the preprocessing the model was trained with; options say how they are read, as those of the
        command do: of cells `layer`, `use_raw` and `totals`, of sequences `fields`, `sequence`, `weight`, `too_long`
        and `other_residues`; see `gde.embed.embed_data`. TypeError for others.
        """
        if isinstance(x, Tensor):
            if groupby or options:
                raise TypeError(f"a tensor has no {', '.join(['groupby'] * bool(groupby) + [*options])}")
            return self.encode(x)
        from gde.embed import embed_data

        return embed_data(self, x, groupby, **options)

    def embed_store(self, store: "SetStore", groups: "np.ndarray | None" = None, *, se: bool = True):
        """Exact embeddings (g, l) of whole groups of any size and their standard errors (`gde.embed.embed_store`)."""
        from gde.embed import embed_store

        return embed_store(self, store, groups, se=se)

    @torch.no_grad()
    def sample(
        self, z: Tensor, n: int, *, generator: torch.Generator | None = None, given: Tensor | None = None
    ) -> Tensor:
        """Draw n samples of each embedded distribution: z (b, l) -> (b, n, d) in data units, or tokens uint8.

        given : (b, n, k) tokens that the samples begin with; only of generators that draw token by token.
        """
        if z.ndim != 2 or z.shape[1] != self.latent_dim:
            raise ValueError(f"z: found shape {tuple(z.shape)}, expected (sets, {self.latent_dim})")
        begun = {} if given is None else {"given": given.to(self.x_mean.device)}
        x = self.generator.sample(z.to(self.x_mean), n, generator=generator, **begun)
        return self.restore(x)

    @property
    def begins(self) -> bool:
        """Whether `sample` takes tokens that samples begin with."""
        return getattr(self.generator, "BEGINS", False)

    @torch.no_grad()
    def predict_labels(self, z: Tensor) -> Tensor:
        """Probabilities (b, c) of the classes `model.heads["classifier"].classes`, given embeddings z (b, l)."""
        return self._head("classifier")(z).softmax(-1)

    @torch.no_grad()
    def predict_next(self, z: Tensor, condition: str | list[str] | None = None) -> Tensor:
        """Embeddings (b, l) of the sets that follow those of embeddings z (b, l), under one condition or b of them."""
        head = self._head("ordered_next")
        return z + head(z, head.codes(condition, z))

    @torch.no_grad()
    def predict_perturbed(self, control_z: Tensor, condition: str | list[str]) -> Tensor:
        """Embeddings (b, l) of control sets, control_z (b, l), under one condition or b of them."""
        head = self._head("perturbation")
        return head(control_z, head.codes(condition, control_z))

    @torch.no_grad()
    def predict_mean(self, z: Tensor) -> Tensor:
        """Means (b, d), in data units, of the distributions of embeddings z (b, l)."""
        return self._head("mean_predictor")(z) * self.x_scale + self.x_mean

    def _head(self, name: str) -> nn.Module:
        if name not in self.heads:
            found = f"a model with {', '.join(self.heads) or 'no heads'}"
            raise bad("model", found, f"one with the head {name!r}", "train with the objective that has it")
        return self.heads[name]
