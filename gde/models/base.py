"""The contract of every kind of model, and what they share: the units of the data, and their files."""

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from gde.errors import GdeError, bad
from gde.files.io import SUMS, atomic_dir, read_json, verify_sums, write_json
from gde.files.sniffing import check_file, kind_of, other_file
from gde.models import kind_of_model, model_class
from gde.sets.types import type_of_model

if TYPE_CHECKING:
    import numpy as np

    from gde.encoders.base import Encoder
    from gde.features.pipeline import FeaturePipeline
    from gde.sets.batch import Batch
    from gde.sets.random import ShardRandom

WEIGHTS, CONFIG, FEATURES = "model.safetensors", "config.json", "features"
FILES = "language_model"  # what parts that started from a published model need of it besides its weights


class Model(nn.Module):
    """What training, embedding, sampling and evaluation ask of a model.

    A kind of model is a subclass that is constructed with the arguments below, builds its parts and has
    PARTS : names of the parts that published weights initialise, that are fitted to training samples (`fit`), told of
        the samples to come (`remember`) and compiled, each where it has the method, in this order.
    loss(batch, rng) : what is minimised. encode(x, mask, weight) and `encoder` : sets to embeddings.
    sample(z, n, generator) : optional.
    `gde.config.models` says which sections of an experiment it is made from, so that the digests of code know its
    parts.

    config : resolved experiment, which travels along.
    mean, scale : standardisation constants (d,), of images one for each channel (c,), fitted on training samples;
        networks work on (x - mean) / scale, everything outside in the units of the data. For types without a scale, as
        tokens, they are 0 and 1.
    features : how raw data (an AnnData, a table) becomes samples, where that is known.
    files : directory with what the parts wrote beside a trained model, by their names; None = they have nothing there.

    sample_type : what its samples are.   digest : SHA-256 of the weights' file; "" for a model that was not loaded.
    """

    PARTS: tuple[str, ...]
    encoder: "Encoder"  # through whose stages groups of any size are embedded exactly (`gde.embed`)

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
        self.config, self.features, self._files = config, features, files
        self.digest = ""
        self.register_buffer("x_mean", torch.as_tensor(mean, dtype=torch.float32).clone())
        self.register_buffer("x_scale", torch.as_tensor(scale, dtype=torch.float32).clone())
        self.sample_type = type_of_model(config, len(self.x_mean))
        self.dim, self.latent_dim = self.sample_type.dim, config["latent_dim"]

    @property
    def device(self) -> torch.device:
        return self.x_mean.device

    @property
    def alphabet(self):
        """Of sequences (`gde.sets.types.alphabet`), else None."""
        return self.sample_type.alphabet

    def parts(self) -> list[nn.Module]:
        """The parts named in PARTS."""
        return [getattr(self, name) for name in self.PARTS]

    def files_of(self, name: str) -> dict[str, Path]:
        """{files: directory} that a part is constructed with, where it wrote something; else nothing."""
        if self._files is None or not (self._files / name).is_dir():
            return {}
        return {"files": self._files / name}

    def standardise(self, x: Tensor) -> Tensor:
        """Samples (..., d) in the units of the data, as networks take them."""
        return self.sample_type.standardise(x, self.x_mean, self.x_scale)

    def restore(self, x: Tensor) -> Tensor:
        """The inverse of `standardise`."""
        return self.sample_type.restore(x, self.x_mean, self.x_scale)

    def loss(self, batch: "Batch", rng: "ShardRandom") -> dict[str, Tensor]:
        """Scalars: `loss`, what is minimised, mean over the real samples, and its terms by name where it has several.

        All randomness is of `rng`. Validation calls it in the same way, without gradients.
        """
        raise NotImplementedError

    def encode(self, x: Tensor, *, mask: Tensor | None = None, weight: Tensor | None = None) -> Tensor:
        """Embeddings (b, l) of sets x (b, n, d) that fit in memory, in data units; mask (b, n) bool, weight (b, n).

        ValueError for another shape, GdeError for values that no sample may have (`SampleType.check`).
        """
        self.sample_type.check(x, mask)
        x = self.sample_type.placed(x, self.x_mean)
        return self.encoder(self.standardise(x), mask=mask, weight=weight)

    def sample(self, z: Tensor, n: int, *, generator: torch.Generator | None = None) -> Tensor:
        """n samples (b, n, d), in data units, of each distribution of embeddings z (b, l). GdeError where the kind of
        model cannot."""
        kind = kind_of_model(self.config)
        raise bad("model", f"one of kind {kind!r}", "one that generates samples", "use it for its embeddings")

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
        for name, part in zip(self.PARTS, self.parts(), strict=True):
            if hasattr(part, "write_files"):
                part.write_files(directory / FILES / name)

    @classmethod
    def load(cls, path: str | os.PathLike, *, device: str | torch.device = "cpu") -> Self:
        """Read what `save` wrote, as a model of the kind that its config.json names.

        Raises GdeError naming the file that is missing, damaged or of another config, and for a kind that is not the
        class it is called on.
        """
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
        kind = model_class(config)
        if not issubclass(kind, cls):
            found = f"a model of kind {kind_of_model(config)!r}"
            raise bad(path, found, f"one of class {cls.__name__}", f"load it with {kind.__name__}.load")
        state = load_tensors(path / WEIGHTS)
        features = None
        if (path / FEATURES).is_dir():
            from gde.features.pipeline import FeaturePipeline

            features = FeaturePipeline.load(path / FEATURES)
        try:
            files = path / FILES if (path / FILES).is_dir() else None
            model = kind(config, mean=state["x_mean"], scale=state["x_scale"], features=features, files=files)
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
