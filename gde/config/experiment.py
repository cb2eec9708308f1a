"""An experiment file, and config/config.yaml."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from gde.config.base import Count, Positive, Section, Size, Whole, refuse
from gde.config.datasets import DATASETS, Dataset, sample_type_of
from gde.config.datasets.base import DataSet, Pictures, Simulated, TokenSequences
from gde.config.encoders import ENCODERS, Encoder
from gde.config.encoders.vectors import ResNet
from gde.config.evaluations import Evaluation
from gde.config.generators import GENERATORS, Generator
from gde.config.generators.vectors import Flow
from gde.config.grids import Grid
from gde.config.kinds import ByKind
from gde.config.models import Gde, Model
from gde.config.objectives import Objective
from gde.config.objectives.general import Reconstruction
from gde.config.objectives.perturbation import Perturbation
from gde.config.training import Training
from gde.sets.types.base import SampleType

Preset = Literal["smoke", "laptop", "paper"]


class DirichletK(Section):
    kind: Literal["dirichlet_k"] = Field(description="a set mixes k groups with Dirichlet(alpha) weights")
    k: Count = Field(3, description="groups in a mixture")
    alpha: Positive = Field(1.0, description="1 = all weights equally likely; smaller = one group dominates")


class Neighbours(Section):
    kind: Literal["neighbours"] = Field(description="a set is of a group and those beside it, in equal shares")
    along: str = Field(min_length=1, description="column of the groups with the numbers that order them")
    within: list[str] = Field([], description="columns whose values neighbours have in common")
    k: Count = Field(3, description="groups in a set, odd: as many below as above; at the ends there are fewer")

    @model_validator(mode="after")
    def possible(self):
        if self.k % 2 == 0:
            refuse("k", self.k, "an odd number", "a group stands in the middle of its neighbours: add 1")
        return self


Mixer = Annotated[DirichletK | Neighbours, ByKind()]


class Published(Section):
    """A published number and the settings under which it may be shown beside ours."""

    value: float = Field(description="the published number")
    source: str = Field(description="where it was published")
    requires: dict[str, Any] = Field(
        {}, description="dotted key: value; the number is filled in only where all of them are the resolved values"
    )


class Budget(Section):
    """A preset: partial sections, merged into the experiment and checked there."""

    dataset: dict[str, Any] = Field(
        {}, description="test_sets, validation_sets, test_size; never the distribution or the split"
    )
    encoder: dict[str, Any] = Field({}, description="keys of the encoder, or another kind with its keys")
    generator: dict[str, Any] = Field({}, description="keys of the generator, or another kind with its keys")
    latent_dim: Count | None = Field(None, description="length of an embedding")
    objective: dict[str, Any] = Field({}, description="keys of the objective; `paper` takes the published one")
    training: dict[str, Any] = Field({}, description="keys of training")
    evaluation: dict[str, Any] = Field({}, description="keys of the evaluation")


class Presets(Section):
    """Budgets of one experiment; an absent one is the file as it stands, an absent `smoke` a small default."""

    smoke: Budget = Field(Budget(), description="seconds: does it run?")
    laptop: Budget = Field(Budget(), description="minutes on two cores")
    paper: Budget = Field(Budget(), description="the published hyper-parameters")


class Experiment(Section):
    """What config/experiments/<name>.yaml holds."""

    description: str = Field("", description="one line for lists, the report and the model card")
    like: str | None = Field(
        None, description="an experiment on data of the same kind whose settings hold where this file says nothing"
    )
    dataset: Dataset = Field(description="where samples and groups come from")
    model: Model = Field(Gde(kind="gde"), description="what is trained; its parts are the sections that follow")
    encoder: Encoder = Field(ResNet(kind="resnet"), description="set -> embedding")
    generator: Generator = Field(Flow(kind="flow"), description="embedding -> new samples")
    latent_dim: Size = Field(32, description="length of an embedding; auto = as the data suggest")
    objective: Objective = Field(
        Reconstruction(kind="reconstruction"), description="how encoder and generator are trained together"
    )
    mixer: Mixer | None = Field(None, description="train on mixtures of groups; null = one group per set")
    training: Training = Field(Training(), description="budget and optimiser")
    evaluation: Evaluation = Field(description="metrics; may be left out: its kind follows from the data set")
    published: dict[str, Published] = Field({}, description="metric: published number")
    presets: Presets = Field(Presets(), exclude=True, description="overrides by budget")

    @model_validator(mode="after")
    def consistent(self):
        family, sequences = isinstance(self.dataset, Simulated), isinstance(self.dataset, TokenSequences)
        evaluation = self.evaluation.kind
        if not isinstance(self.dataset, self.evaluation.of):
            expected = f"{evaluation_of(self.dataset.kind)!r} for dataset {self.dataset.kind}"
            refuse("evaluation.kind", evaluation, expected, "remove the key")
        if sequences and self.objective.isometry:
            refuse("objective.isometry", self.objective.isometry, "0 for sequences", "no W2 is known between them")
        mixes = getattr(self.mixer, "kind", None) == "dirichlet_k"
        if isinstance(self.dataset, Pictures) and self.objective.isometry and not mixes:
            expected = "0 for images, or mixer: {kind: dirichlet_k}"
            refuse("objective.isometry", self.objective.isometry, expected, "it is to W2 between mixtures")
        if sequences and not isinstance(self.dataset, self.objective.of):
            expected = "another objective for sequences"
            refuse("objective.kind", self.objective.kind, expected, "it predicts means, and sequences have none")
        samples = sample_type_of(dict(self.dataset))
        if wrong := wrong_kind(self.encoder.kind, self.generator.kind, samples):
            section, kind, expected = wrong
            where = f"dataset {self.dataset.kind}, whose samples are {samples.described}"
            refuse(f"{section}.kind", kind, f"{expected} for {where}", "choose one of them, or remove the key")
        if "images" in samples.names and getattr(self.generator, "affine", False):
            refuse("generator.affine", True, "false for images", "no Gaussian is fitted to pixels")
        weights = getattr(self.generator, "weights", None)
        if weights is not None and (known := self.generator.published) not in samples.names:
            expected = f"null: published {self.generator.kind} is for residues of {known}, and these are {samples.name}"
            refuse("generator.weights", weights, expected, "train it from scratch, or choose another generator")
        if self.evaluation.kind == "perturbation" and self.objective.kind != "perturbation":
            expected = "'perturbation' with the evaluation of that name"
            refuse("objective.kind", self.objective.kind, expected, "it says which groups are controls of which")
        if self.objective.kind == "perturbation":
            check_controls(self.dataset, self.objective)
        if family and self.mixer is not None:
            refuse("mixer", self.mixer.kind, "null for a simulated family", "a mixer mixes the groups of real data")
        context = getattr(self.objective, "context", 0)
        if self.training.set_size != "auto" and 2 * context > self.training.set_size:
            expected = f"at most half of training.set_size = {self.training.set_size}"
            refuse("objective.context", context, expected, "lower it or raise set_size")
        objective = self.objective.kind
        if family and not isinstance(self.dataset, self.objective.of):
            refuse("objective.kind", objective, "'reconstruction' for a simulated family", "its sets have no labels")
        centred = self.mixer is not None and self.mixer.kind == "neighbours" and objective == "ordered"
        if self.mixer is not None and not self.objective.mixes and not centred:
            remedy = "a mixture of groups has no successor and no control"
            refuse("mixer", self.mixer.kind, f"null for the objective {objective}", remedy)
        noise, dim = getattr(self.generator, "noise_dim", None), getattr(self.dataset, "dim", None)
        if noise and dim and self.generator.affine and noise < dim:
            expected = f"at least dataset.dim = {dim} with affine"
            refuse("generator.noise_dim", noise, expected, "raise it or set generator.affine: false")
        for metric in self.published:
            if metric not in self.evaluation.metrics:
                refuse(f"published|{metric}", metric, "|".join(self.evaluation.metrics), "")
        return self


def check_controls(dataset: DataSet, objective: Perturbation) -> None:
    """Refuse an objective of controls that nobody names, and of vectors that the data set will not have."""
    if objective.control is None and not dataset.controls:
        remedy = f"add it: a data set of kind {dataset.kind} does not tell its controls"
        refuse("objective.control", None, "one `column: value`, such as {treatment: DMSO}", remedy)
    if dataset.controls and dataset.vectors is None and objective.conditions != "learned":
        expected = "'learned' where dataset.vectors is null"
        refuse("objective.conditions", objective.conditions, expected, "set it, or give vectors")


def evaluation_of(dataset: str) -> str:
    """The evaluation that a kind of data set has where none is given."""
    return DATASETS.get(dataset, DataSet).evaluation


def wrong_kind(encoder: str, generator: str, samples: SampleType) -> tuple[str, str, str] | None:
    """The section that is not for such samples, its kind, and the kinds that are."""
    for section, kind, kinds in (("encoder", encoder, ENCODERS), ("generator", generator, GENERATORS)):
        suited = fitting(kinds, samples)
        if kind not in suited:
            return section, kind, f"one of {', '.join(suited)}"
    return None


def fitting(kinds: Mapping[str, Any], samples: SampleType) -> list[str]:
    """The encoders or generators, of `kinds`, that are for samples of a type."""
    return [kind for kind, options in kinds.items() if not set(options.sample_types).isdisjoint(samples.names)]


class Config(Section):
    """What config/config.yaml holds, apart from overrides named like an experiment."""

    experiments: list[str] = Field(["gmm", "pbmc68k"], description="what `snakemake all` builds")
    preset: Preset = Field("laptop", description="budget: smoke (seconds), laptop (minutes), paper (the published one)")
    seed: Whole = Field(0, description="seed of every random number")
    accelerator: Literal["auto", "cpu", "cuda"] = Field("auto", description="auto = a GPU where there is one")
    gpus: Count = Field(
        1, description="GPUs that one training shares, one process each; with accelerator cpu, processes"
    )
    nodes: Count = Field(1, description="machines these processes are spread over; several need Slurm")
    mirror: Annotated[str, Field(min_length=1)] | None = Field(
        None, description="directory or address that holds DATASET/FILE, asked instead of the network; null = none"
    )
    grids: dict[str, Grid] = Field({}, description="what `snakemake grids` builds, by name; `all` leaves them out")
