"""Sample types: what stores, models, files and commands need to know of one sample, and nothing else of its kind."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from gde.sets.types.alphabet import Alphabet


@dataclass(frozen=True)
class SampleType:
    """What a sample is. Whatever depends on it asks the type instead of deciding by itself.

    name : its name in `gde.sets.types.REGISTRY`.   shape : of one sample; None before the data are read.

    Subclasses say
    DTYPE : of samples in batches and in what a model takes, "float32", "uint8" or "uint16".
    PLURAL, FILE : samples and a user's file of them, in words.
    FIELDS : arrays of a set store that hold the samples themselves.
    SUFFIX, WRITER : ending of a file of generated samples, and the function that writes one
        (`gde.export.generated.Written`), as "module:function".
    READER : the context manager that makes a user's file a set store, (model, data, groupby, **options) ->
        `SetStore`, as "module:function"; OPTIONS : options of the command line that are for it.
    """

    name: str
    shape: tuple[int, ...] | None = None

    DTYPE: ClassVar[str]
    PLURAL: ClassVar[str]
    FILE: ClassVar[str]
    FIELDS: ClassVar[tuple[str, ...]] = ("x",)
    SUFFIX: ClassVar[str]
    WRITER: ClassVar[str]
    READER: ClassVar[str]
    OPTIONS: ClassVar[tuple[str, ...]]

    @property
    def names(self) -> tuple[str, ...]:
        """The names that encoders and generators may ask for, from the general to the special one."""
        return (self.name,)

    @property
    def described(self) -> str:
        """Samples of this type, in words."""
        return self.PLURAL

    @property
    def alphabet(self) -> "Alphabet | None":
        """Of sequences, else None."""
        return None

    @property
    def dim(self) -> int:
        """Numbers of one sample."""
        return math.prod(self.shape)

    @property
    def itemsize(self) -> int:
        """Bytes of one number on disk and in batches."""
        return {"uint8": 1, "uint16": 2, "float32": 4}[self.DTYPE]

    @property
    def positions(self) -> int:
        """Vectors that a network makes of one sample: what a sample costs in memory."""
        return 1

    @property
    def sizes(self) -> dict[str, Any]:
        """What an encoder or generator is constructed with to fit such samples."""
        return {"dim": self.dim}

    @property
    def constants(self) -> int:
        """Numbers of its mean and of its scale (`standardise`)."""
        return self.dim

    @property
    def section(self) -> dict[str, Any]:
        """What a model's config.json says of the type; see `gde.sets.types.type_of_model`."""
        return {}

    def noise(self, *leading: int) -> "Tensor":
        """Samples (*leading, *shape) that mean nothing, on the CPU: to see what time a model takes."""
        raise NotImplementedError

    def tensor(self, rows: "np.ndarray") -> "Tensor":
        """Samples as a model takes them, copied; on the CPU."""
        import numpy as np
        import torch

        return torch.from_numpy(np.array(rows, dtype=self.DTYPE))

    def zeros(self, *leading: int) -> "Tensor":
        """Room for samples (*leading, *shape), on the CPU."""
        import torch

        return torch.zeros(*leading, *self.shape, dtype=getattr(torch, self.DTYPE))

    def check(self, x: "Tensor", mask: "Tensor | None" = None) -> None:
        """ValueError unless x is (sets, samples, *shape), GdeError unless the real ones may be samples."""
        if x.ndim != 2 + len(self.shape) or tuple(x.shape[2:]) != self.shape:
            expected = f"(sets, samples, {', '.join(map(str, self.shape))})"
            raise ValueError(f"x: found shape {tuple(x.shape)}, expected {expected}")
        self.check_values(x if mask is None else x[mask])

    def check_values(self, real: "Tensor") -> None:
        """GdeError unless these (m, *shape) may be samples."""
        raise NotImplementedError

    def placed(self, x: "Tensor", like: "Tensor") -> "Tensor":
        """Samples where a model's constants are, `like` one of them."""
        raise NotImplementedError

    def standardise(self, x: "Tensor", mean: "Tensor", scale: "Tensor") -> "Tensor":
        """Samples (..., *shape) in the units of the data, as networks take them."""
        raise NotImplementedError

    def restore(self, x: "Tensor", mean: "Tensor", scale: "Tensor") -> "Tensor":
        """The inverse of `standardise`."""
        raise NotImplementedError

    def lengths(self, rows: int) -> dict[str, int | None]:
        """How long each of FIELDS is in a set store of so many samples; None = any length."""
        return {"x": rows}

    def check_fields(self, path: Path, fields: "Mapping[str, np.ndarray]", meta: Mapping[str, Any]) -> None:
        """GdeError unless the arrays FIELDS of the store at `path` hold samples of this type."""
        raise NotImplementedError

    def read(self, fields: "Mapping[str, np.ndarray]", rows: slice) -> "np.ndarray":
        """Samples (m, *shape) that lie one behind the other in a store: a view where that is possible."""
        raise NotImplementedError

    def take(self, fields: "Mapping[str, np.ndarray]", rows: "np.ndarray") -> "np.ndarray":
        """Samples (m, *shape) of type DTYPE at `rows` (m,) of a store, a copy."""
        raise NotImplementedError
