"""What a kind of data set says of itself; everything that depends on the kind of data is derived from it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from gde.config.base import Count, Section, refuse
from gde.files.input_files import expand, is_pattern, pattern_files

Values = Literal["counts", "fractional_counts", "normalised", "lognorm"]
VALUES = (
    "what the numbers are: counts, or fractional_counts (estimates, corrected counts) -> per 10,000 and log1p; "
    "normalised (totals made equal already) -> log1p; lognorm is kept"
)
Components = Count | Literal["auto"] | None
MOST_COMPONENTS = 50  # that `auto` takes
COMPONENTS = (
    "principal components that samples are made of, fitted on training samples; auto = up to 50, while they hold "
    "(about half of their variance or more) in training samples that they are not fitted on; null = none"
)
ADAMW = {"kind": "adamw", "lr": 1e-3, "weight_decay": 0.01}


# Of `training`: how long, and in what steps.
BY_DATA = {
    "steps": "auto",
    "scheduler": {"kind": "cosine", "warmup": "auto"},
    "validate_every": "auto",
    "checkpoint_every": "auto",
}


class DataSet(Section):
    """A data set.   dataset : of the methods, its resolved settings.

    prepare : "module:function" that writes its set store.   sample_type : what its samples are.   READER : what reads a
    new file for a trained model, where it is not that of the sample type (`SampleType.READER`).   ROWS : of vectors,
    what opens a new file of the form that training took, where that is no .h5ad; None for files of another form.
    sources : data sets of resources/sources.yaml that it always reads.   evaluation : the kind of it where none is
    given.   start : sections of an experiment where its file does not say otherwise.
    controls : whether its store says which groups are controls.   examine : "module:function" that takes the resolved
    settings and raises what `prepare` would, as far as columns and names in its files tell in seconds.   whole :
    whether it reads them whole, also of formats whose columns can be read alone.
    propose : "module:function" that takes what `gde init` was given (`gde.prepare.common.proposal`), and makes settings
    of files that are of this kind; None for other files.
    """

    prepare: ClassVar[str]
    READER: ClassVar[str] = ""
    ROWS: ClassVar[str] = ""
    examine: ClassVar[str | None] = None
    whole: ClassVar[bool] = False
    propose: ClassVar[str | None] = None
    sample_type: ClassVar[str] = "vectors"
    sources: ClassVar[tuple[str, ...]] = ()
    evaluation: ClassVar[str] = "samples"
    start: ClassVar[dict[str, Any]] = {"encoder": {"kind": "resnet"}, "generator": {"kind": "flow"}}
    controls: ClassVar[bool] = False

    @classmethod
    def start_of(cls, dataset: Mapping[str, Any]) -> dict[str, Any]:
        """`start`, where the settings as they stand in the file decide it."""
        return cls.start

    @classmethod
    def sample_type_of(cls, dataset: Mapping[str, Any]) -> str:
        """What the samples are, where the settings decide it."""
        return cls.sample_type

    @classmethod
    def input_files(cls, dataset: Mapping[str, Any]) -> dict[str, str]:
        """Key of the settings -> file, for every file it is made from."""
        return {"path": expand(dataset["path"])} if "path" in cls.model_fields else {}

    @classmethod
    def examined_files(cls, dataset: Mapping[str, Any]) -> dict[str, str]:
        """Those of `input_files` that `examine` reads."""
        return cls.input_files(dataset)

    @classmethod
    def group_columns(cls, dataset: Mapping[str, Any]) -> list[str]:
        """The columns of a user's file whose values make a group; none where the settings do not name them."""
        return list(dataset.get("groupby") or [])

    @classmethod
    def file_patterns(cls, dataset: Mapping[str, Any]) -> list[str]:
        """Patterns of files among its settings."""
        return []

    @classmethod
    def listing(cls, dataset: Mapping[str, Any]) -> Path | None:
        """Where the names of those files stand that are found in a listing when they are fetched."""
        return None

    @classmethod
    def sample_shape(cls, dataset: Mapping[str, Any], features: int) -> tuple[int, ...]:
        """Shape of a sample of so many features, for estimates."""
        return (features,)

    @classmethod
    def shape(cls, dataset: Mapping[str, Any]) -> tuple[int | None, int | None]:
        """Samples and features, as far as the settings and the file's own head tell; None where they do not."""
        return None, least(dataset.get("n_hvg"), dataset.get("n_pcs"), dataset.get("length"))


class Vectors(DataSet):
    """Real samples that are vectors: model and budget follow their number (`gde.config.budget`)."""

    start: ClassVar[dict[str, Any]] = {
        "encoder": {"kind": "resnet", "hidden": "auto"},
        "generator": {"kind": "flow", "hidden": "auto"},
        "latent_dim": "auto",
        "training": {"n_sets": "auto", "set_size": "auto", **BY_DATA},
    }


class Simulated(DataSet):
    """A simulated family. The fields are held-out sets, the only part of a data set that a preset may change."""

    prepare: ClassVar[str] = "gde.prepare.simulate:prepare"
    evaluation: ClassVar[str] = "simulated"

    test_sets: Count = Field(200, description="held-out sets that the metrics are computed on")
    validation_sets: Count = Field(64, description="held-out sets for the validation loss and early stopping")
    test_size: Annotated[int, Field(ge=2)] = Field(1000, description="samples in each held-out set")

    @classmethod
    def features(cls, dataset: Mapping[str, Any]) -> int:
        """Features of a sample."""
        return dataset["dim"]

    @classmethod
    def held_out(cls, dataset: Mapping[str, Any]) -> int:
        """Held-out test sets: of its distribution, and of the published one where there is one."""
        return dataset["test_sets"] * (2 if dataset.get("published_distribution") else 1)

    @classmethod
    def shape(cls, dataset: Mapping[str, Any]) -> tuple[int | None, int | None]:
        sets = cls.held_out(dataset) + dataset["validation_sets"]
        return sets * dataset["test_size"], cls.features(dataset)


class TokenSequences(DataSet):
    """Sequences of residues. They cost by their residues, so the defaults of vectors would fill a machine's memory:
    what they start from is small enough for a laptop."""

    sample_type: ClassVar[str] = "dna"
    evaluation: ClassVar[str] = "sequences"
    start: ClassVar[dict[str, Any]] = {
        "encoder": {"kind": "dna_conv", "hidden": 32, "layers": 2, "pool": 4},
        "generator": {"kind": "hyenadna", "hidden": 64, "layers": 2, "subsample": 4},
        "latent_dim": 64,
        "training": {"n_sets": 8, "set_size": "auto", **BY_DATA},
    }


class SimulatedSequences(TokenSequences):
    """Simulated sequences, each with one of a number of patterns."""

    prepare: ClassVar[str] = "gde.prepare.synthetic_dna:prepare"
    evaluation: ClassVar[str] = "patterns"

    @classmethod
    def shape(cls, dataset: Mapping[str, Any]) -> tuple[int | None, int | None]:
        return dataset["patterns"] * dataset["size"], dataset["length"]


class Pictures(DataSet):
    """Samples that are pictures of several channels. They cost by their pixels."""

    sample_type: ClassVar[str] = "images"
    evaluation: ClassVar[str] = "images"
    start: ClassVar[dict[str, Any]] = {
        "encoder": {"kind": "image_conv", "hidden": 64},
        "generator": {"kind": "flow", "hidden": 32, "layers": 1, "subsample": 8},
        "latent_dim": 64,
        "training": {
            "steps": 2000,
            "n_sets": 8,
            "set_size": 64,
            "optimizer": ADAMW,
            "scheduler": {"kind": "cosine", "warmup": 100},
            "validate_every": 200,
            "checkpoint_every": 200,
        },
    }

    @classmethod
    def picture(cls, dataset: Mapping[str, Any]) -> tuple[int, int, int] | None:
        """Shape (c, h, w) of a sample, as far as the settings tell."""
        return None

    @classmethod
    def sample_shape(cls, dataset: Mapping[str, Any], features: int) -> tuple[int, ...]:
        if (picture := cls.picture(dataset)) is not None:
            return picture
        channels = len(dataset.get("channels") or [0])
        side = max(1, round((features / channels) ** 0.5))
        return channels, side, side

    @classmethod
    def shape(cls, dataset: Mapping[str, Any]) -> tuple[int | None, int | None]:
        picture = cls.picture(dataset)
        return None, None if picture is None else picture[0] * picture[1] * picture[2]


class PatternFiles(DataSet):
    """A data set whose key `files` holds names and patterns of files."""

    @classmethod
    def input_files(cls, dataset: Mapping[str, Any]) -> dict[str, str]:
        return pattern_files(dataset) if dataset["files"] else {}

    @classmethod
    def file_patterns(cls, dataset: Mapping[str, Any]) -> list[str]:
        return [file for file in dataset["files"] or () if is_pattern(file)]


def fitting_values(data: Any) -> Any:
    """Settings of cells, not yet validated: no n_hvg by default where `values: scaled` leave nothing to choose from."""
    return {"n_hvg": None, **data} if isinstance(data, dict) and data.get("values") == "scaled" else data


def check_values(section: Any) -> None:
    """Refuse variable genes of values that are no expression."""
    if section.values == "scaled" and section.n_hvg is not None:
        expected = "null with values: scaled: variable genes are chosen from expression"
        refuse("n_hvg", section.n_hvg, expected, "set n_hvg: null, or give counts or lognorm values")


def check_path(key: str, path: str) -> None:
    """Refuse a Zarr store, which is a directory, where an .h5ad is to be read."""
    if path.rstrip("/").endswith(".zarr"):
        remedy = "write it as one: anndata.read_zarr(...).write_h5ad(...)"
        refuse(key, path, "an .h5ad file", remedy)


def least(*numbers: int | str | None) -> int | None:
    """The smallest of those that are known, `auto` components being 50; None where none is."""
    known = (MOST_COMPONENTS if n == "auto" else n for n in numbers if n is not None)
    return min(known, default=None)
