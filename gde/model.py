"""GDE: a set encoder and a conditional generator, with the units of the data around them."""

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from gde import encoders, generators
from gde.errors import GdeError, bad
from gde.foreign import check_file, kind_of, other_file
from gde.io import SUMS, atomic_dir, read_json, verify_sums, write_json
from gde.nets.registry import build
from gde.sets.alphabet import ALPHABETS

if TYPE_CHECKING:
    import anndata
    import numpy as np

    from gde.features import FeaturePipeline
    from gde.sets.store import SetStore

WEIGHTS, CONFIG, FEATURES = "model.safetensors", "config.json", "features"
FILES = "language_model"  # what parts that started from a published model need of it besides its weights


class GDE(nn.Module):
    """Generative distribution embedding (Fishman et al., arXiv 2505.18150).

    config : resolved experiment; `encoder`, `generator`, `latent_dim` and what only the data tell are read here:
        `heads` (what an objective predicts besides samples, with its sizes), `tokens` (alphabet and length, of
        sequences). The rest travels along.
    mean, scale : (d,) standardisation constants fitted on training samples; everything inside works on
        (x - mean) / scale, everything outside in the units of the data. Samples that are sequences stay tokens
        (..., d) uint8, zeros behind the end, d their greatest length; mean and scale are then 0 and 1.
    features : how raw data (an AnnData, a table) becomes samples, where that is known.
    files : directory with what the parts wrote beside a trained model, by their names; None = they have nothing there.
    digest : SHA-256 of the weights' file; "" for a model that was not loaded.
    """

    def __init__(
        self,
        config: dict[str, Any],
        *,
        mean: "Tensor | np.ndarray | list[float]",
        scale: "Tensor | np.ndarray | list[float]",
        features: "FeaturePipeline | None" = None,
        files: Path | None = None,
    ):
        super().__init__()
        self.config, self.features = config, features
        self.digest = ""  # SHA-256 of the weights, where they were read from a file
        self.register_buffer("x_mean", torch.as_tensor(mean, dtype=torch.float32).clone())
        self.register_buffer("x_scale", torch.as_tensor(scale, dtype=torch.float32).clone())
        self.dim, self.latent_dim = len(self.x_mean), config["latent_dim"]
        sizes = {"dim": self.dim, "latent_dim": self.latent_dim}
        tokens = config.get("tokens")
        self.alphabet = None if tokens is None else ALPHABETS[tokens["alphabet"]]
        letters = {} if tokens is None else {"vocabulary": self.alphabet.size}
        for name, registry in (("encoder", encoders.REGISTRY), ("generator", generators.REGISTRY)):
            own = {} if files is None or not (files / name).is_dir() else {"files": files / name}
            setattr(self, name, build(registry, config[name], **sizes, **letters, **own))
        self.heads = nn.ModuleDict()
        if "heads" in config:  # the objectives that predict something besides samples
            from gde.objectives.heads import HEADS

            self.heads.update({name: HEADS[name](**sizes, **options) for name, options in config["heads"].items()})

    @property
    def device(self) -> torch.device:
        return self.x_mean.device

    def standardise(self, x: Tensor) -> Tensor:
        """(x - mean) / scale; (..., d) in data units -> standardised. Tokens stay as they are."""
        return (x - self.x_mean) / self.x_scale if self.alphabet is None else x

    def encode(self, x: Tensor, *, mask: Tensor | None = None, weight: Tensor | None = None) -> Tensor:
        """Embeddings of sets that fit in memory: x (b, n, d) in data units, or tokens uint8 -> (b, l).

        Raises ValueError for another number of features, GdeError for values that are not finite or no tokens.
        """
        if x.ndim != 3 or x.shape[-1] != self.dim:
            raise ValueError(f"x: found shape {tuple(x.shape)}, expected (sets, samples, {self.dim})")
        real = x if mask is None else x[mask]
        if self.alphabet is None:
            if not torch.isfinite(real).all():
                raise bad("x", "NaN or infinity", "finite samples", "remove or mask those samples")
            x = x.to(self.x_mean)
        elif x.dtype != torch.uint8 or (real > self.alphabet.size).any():
            found = f"values of type {x.dtype} up to {real.max()}"
            expected = f"tokens of type uint8, 0 to {self.alphabet.size}"
            raise bad("x", found, expected, f"encode sequences with gde.sets.alphabet ({self.alphabet.name})")
        return self.encoder(self.standardise(x.to(self.device)), mask=mask, weight=weight)

    @torch.no_grad()
    def embed(
        self, x: "Tensor | anndata.AnnData", groupby: str | list[str] | None = None
    ) -> "Tensor | anndata.AnnData":
        """Embed sets given as a tensor (b, n, d), or the groups of an AnnData (returns one row per group).

        An AnnData goes through the preprocessing the model was trained with; see `gde.embed.embed_anndata`.
        """
        if isinstance(x, Tensor):
            return self.encode(x)
        from gde.embed import embed_anndata

        return embed_anndata(self, x, groupby)

    def embed_store(self, store: "SetStore", groups: "np.ndarray | None" = None, *, se: bool = True):
        """Exact embeddings (g, l) of whole groups of any size and their standard errors (`gde.embed.embed_store`)."""
        from gde.embed import embed_store

        return embed_store(self, store, groups, se=se)

    @torch.no_grad()
    def sample(
        self, z: Tensor, n: int, *, generator: torch.Generator | None = None, given: Tensor | None = None
    ) -> Tensor:
        """Draw n samples of each embedded distribution: z (b, l) -> (b, n, d) in data units, or tokens uint8.

        given : (b, n, k) tokens that the samples begin with; only of generators that draw letter by letter.
        """
        if z.ndim != 2 or z.shape[1] != self.latent_dim:
            raise ValueError(f"z: found shape {tuple(z.shape)}, expected (sets, {self.latent_dim})")
        begun = {} if given is None else {"given": given.to(self.x_mean.device)}
        x = self.generator.sample(z.to(self.x_mean), n, generator=generator, **begun)
        return x * self.x_scale + self.x_mean if self.alphabet is None else x

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

    def save(self, path: str | os.PathLike) -> None:
        """Write the model's files (`write`) and SHA256SUMS into the directory `path`, all or nothing."""
        with atomic_dir(path) as tmp:
            self.write(tmp)

    def write(self, directory: Path) -> None:
        """model.safetensors, config.json, features/ and language_model/, into a directory that is being made."""
        save_file({k: v.detach().cpu().contiguous() for k, v in self.state_dict().items()}, directory / WEIGHTS)
        write_json(directory / CONFIG, self.config)
        if self.features is not None:
            self.features.save(directory / FEATURES)
        for name in ("encoder", "generator"):
            if hasattr(part := getattr(self, name), "write_files"):
                part.write_files(directory / FILES / name)

    @classmethod
    def load(cls, path: str | os.PathLike, *, device: str | torch.device = "cpu") -> "GDE":
        """Read what `save` wrote. Raises GdeError naming the file that is missing, damaged or of another config."""
        path = Path(path)
        if not os.path.isdir(path):
            raise not_a_model(path)
        sums = verify_sums(path)
        for name in (WEIGHTS, CONFIG):
            if name not in sums:
                raise bad(path / name, f"not listed in {SUMS}", "a file of every model", "train the experiment again")
        from gde.config.stored import check_architecture  # pydantic is not needed to train

        config = read_json(path / CONFIG)
        check_architecture(config, path / CONFIG)
        state = load_tensors(path / WEIGHTS)
        features = None
        if (path / FEATURES).is_dir():
            from gde.features import FeaturePipeline

            features = FeaturePipeline.load(path / FEATURES)
        try:
            files = path / FILES if (path / FILES).is_dir() else None
            model = cls(config, mean=state["x_mean"], scale=state["x_scale"], features=features, files=files)
        except (LookupError, TypeError, ValueError, RuntimeError, AttributeError, MemoryError) as e:
            found = f"{type(e).__name__} {e} when building the model"
            raise bad(path / CONFIG, found, f"the configuration that {WEIGHTS} was trained with", "train again") from e
        load_state(model, state, path / WEIGHTS)
        if not (model.x_scale > 0).all():
            raise bad(f"{path / WEIGHTS}:x_scale", "0 or less", "standard deviations above 0", "train again")
        model.digest = sums[WEIGHTS]
        return model.to(device).eval()


def not_a_model(path: Path) -> GdeError:
    """The error for a path that is no directory: says what kind of file it is instead."""
    expected, remedy = "a model directory", "give results/<experiment>/model"
    if not os.path.lexists(path):
        return bad(path, "no such directory", expected, remedy)
    check_file(path, expected, remedy)
    return other_file(path, expected, remedy)


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file; GdeError names it when it is missing, damaged or something else."""
    remedy = "delete it and train the experiment again"
    check_file(path, "a safetensors file", "train the experiment again")
    if "pickle" in kind_of(path):
        raise other_file(path, "a safetensors file", remedy)
    try:
        return load_file(path)
    except (SafetensorError, OSError, LookupError, ValueError, TypeError, RuntimeError) as e:
        raise bad(path, f"a damaged file ({e})", "safetensors", remedy) from e


def load_state(model: nn.Module, state: dict[str, Tensor], path: Path) -> None:
    """Load tensors whose names and shapes must be the model's; GdeError names the first that is not."""
    own = model.state_dict()
    for name in sorted(own.keys() | state.keys()):
        found = tuple(state[name].shape) if name in state else "no such tensor"
        expected = tuple(own[name].shape) if name in own else "no such tensor"
        if found == expected and state[name].dtype != own[name].dtype:
            found, expected = state[name].dtype, own[name].dtype
        if found != expected:
            remedy = "this file belongs to another configuration: train again or give the model's own config.json"
            raise bad(f"{path}:{name}", str(found), str(expected), remedy)
        if not state[name].isfinite().all():
            raise bad(f"{path}:{name}", "NaN or infinity", "finite numbers", "train the experiment again")
    model.load_state_dict(state)


def n_parameters(model: nn.Module) -> int:
    """Number of trainable numbers."""
    return sum(math.prod(p.shape) for p in model.parameters() if p.requires_grad)
