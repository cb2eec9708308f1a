"""Data sets: simulated families, tables of a user, and the two real ones that come with libraries."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, model_validator

from gde.config.base import Count, HeldOut, Names, Positive, Section, refuse
from gde.config.language_data import Pfam, ProteinMotifs, Pubmed
from gde.config.protein_data import Virus
from gde.config.sequence_data import DnaMultinomial, Gpra, Methylation, MpraBarcodes, MpraBins, Sequences, SyntheticDna
from gde.config.single_cells import Donors, LineageTracing, PerturbSeq
from gde.config.split import Split
from gde.sets.types import sample_type
from gde.sets.types.base import SampleType

FAMILIES = ("normal", "poisson", "multinomial", "mvn", "mvn_lowrank", "gmm")
# Kinds whose samples are sequences of letters.
SEQUENCES = (
    "gpra",
    "mpra_bins",
    "methylation",
    "synthetic_dna",
    "dna_multinomial",
    "sequences",
    "virus",
    "pfam",
    "protein_motifs",
    "pubmed",
)
# Their alphabets, where it is not dna and no key `alphabet` says it.
ALPHABET_OF = {"virus": "protein", "pfam": "protein", "protein_motifs": "protein", "pubmed": "text"}


class NormalLaw(Section):
    """Law of one-dimensional normal distributions."""

    mean_low: float = Field(description="means are uniform between mean_low ...")
    mean_high: float = Field(description="... and mean_high")
    sd_low: Positive = Field(description="standard deviations are uniform between sd_low ...")
    sd_high: Positive = Field(description="... and sd_high")

    @model_validator(mode="after")
    def possible(self):
        check_range(self, "mean")
        check_range(self, "sd")
        return self


class GaussianLaw(Section):
    """Law of multivariate normal distributions (and of the components of a mixture)."""

    mean_low: float = Field(description="coordinates of the means are uniform between mean_low ...")
    mean_high: float = Field(description="... and mean_high")
    df: Count = Field(description="covariances are the inverses of Wishart(df, I) matrices")

    @model_validator(mode="after")
    def possible(self):
        check_range(self, "mean")
        return self


class Normal(HeldOut):
    """Simulated one-dimensional normal distributions."""

    kind: Literal["normal"] = Field(description="simulated one-dimensional normal distributions")
    mean_low: float = Field(0.0, description="means are uniform between mean_low ...")
    mean_high: float = Field(5.0, description="... and mean_high")
    sd_low: Positive = Field(0.2, description="standard deviations are uniform between sd_low ...")
    sd_high: Positive = Field(2.0, description="... and sd_high")
    published_law: NormalLaw | None = Field(
        None, description="second law of test sets, where a publication used another"
    )

    @model_validator(mode="after")
    def possible(self):
        check_range(self, "mean")
        check_range(self, "sd")
        return self


class Poisson(HeldOut):
    """Simulated Poisson distributions."""

    kind: Literal["poisson"] = Field(description="simulated Poisson distributions: a sample is one count")
    rate_low: Annotated[float, Field(ge=0, le=1e6)] = Field(1.0, description="rates are uniform between rate_low ...")
    rate_high: Annotated[float, Field(gt=0, le=1e6)] = Field(10.0, description="... and rate_high")

    @model_validator(mode="after")
    def possible(self):
        check_range(self, "rate")
        return self


def as_list(value: Any) -> Any:
    """One number stands for a list of it alone."""
    return [value] if isinstance(value, int | float) and not isinstance(value, bool) else value


class Multinomial(HeldOut):
    """Simulated multinomial distributions."""

    kind: Literal["multinomial"] = Field(
        description="simulated multinomial distributions: a sample is the counts of the categories"
    )
    categories: Annotated[int, Field(ge=2)] = Field(3, description="categories, the features of a sample")
    trials: Count = Field(20, description="draws that one sample counts")
    alpha: Annotated[list[Positive], Field(min_length=1), BeforeValidator(as_list)] = Field(
        [1.0], description="probabilities ~ Dirichlet(alpha): one number per category, or one for all of them"
    )

    @model_validator(mode="after")
    def possible(self):
        if len(self.alpha) not in (1, self.categories):
            expected = f"1 or categories = {self.categories} numbers"
            refuse("alpha", self.alpha, expected, "give one for each category")
        return self


class Mvn(HeldOut):
    """Simulated multivariate normal distributions."""

    kind: Literal["mvn"] = Field(description="simulated multivariate normal distributions")
    dim: Count = Field(2, description="features of a sample")
    mean_low: float = Field(0.0, description="coordinates of the means are uniform between mean_low ...")
    mean_high: float = Field(5.0, description="... and mean_high")
    df: Count = Field(
        10, description="covariances are the inverses of Wishart(df, I) matrices; above dim + 1, larger = more alike"
    )
    published_law: GaussianLaw | None = Field(
        None, description="second law of test sets, where a publication used another"
    )

    @model_validator(mode="after")
    def possible(self):
        check_gaussian(self)
        return self


class MvnLowRank(HeldOut):
    """Simulated multivariate normal distributions on planes of low dimension."""

    kind: Literal["mvn_lowrank"] = Field(
        description="simulated multivariate normal distributions on planes of low dimension"
    )
    dim: Count = Field(100, description="features of a sample")
    rank: Count = Field(2, description="rank of the covariances F F', at most dim")
    mean_low: float = Field(0.0, description="coordinates of the means are uniform between mean_low ...")
    mean_high: float = Field(5.0, description="... and mean_high")
    scale: Positive = Field(1.0, description="standard deviation of the normal entries of the factor F")

    @model_validator(mode="after")
    def possible(self):
        check_range(self, "mean")
        if self.rank > self.dim:
            refuse("rank", self.rank, f"at most dim = {self.dim}", "lower it, or raise dim")
        return self


class Gmm(HeldOut):
    """Simulated mixtures of multivariate normal distributions."""

    kind: Literal["gmm"] = Field(description="simulated mixtures of multivariate normal distributions")
    dim: Count = Field(2, description="features of a sample")
    components: Count = Field(3, description="normal distributions in a mixture")
    alpha: Positive = Field(1.0, description="mixture weights ~ Dirichlet(alpha, ..., alpha)")
    mean_low: float = Field(0.0, description="coordinates of the means are uniform between mean_low ...")
    mean_high: float = Field(5.0, description="... and mean_high")
    df: Count = Field(
        10, description="covariances are the inverses of Wishart(df, I) matrices; above dim + 1, larger = more alike"
    )
    published_law: GaussianLaw | None = Field(
        None, description="second law of test sets, where a publication used another"
    )

    @model_validator(mode="after")
    def possible(self):
        check_gaussian(self)
        return self


class H5ad(Section):
    """A user's AnnData file."""

    kind: Literal["h5ad"] = Field(description="an AnnData file (.h5ad)")
    path: str = Field(min_length=1, description="the file, relative to the working directory")
    groupby: Names = Field(description="columns of obs that together name a group: one embedding each")
    layer: str | None = Field(None, description="layer to read instead of X")
    use_raw: bool = Field(False, description="read .raw instead of X")
    values: Literal["counts", "normalised", "lognorm", "scaled"] = Field(
        "counts",
        description="what the numbers are: counts -> per 10,000 and log1p; normalised (totals made equal already) -> "
        "log1p; lognorm and scaled are kept",
    )
    labels: list[str] = Field([], description="further columns of obs to keep; the first one is scored and coloured by")
    n_hvg: Count | None = Field(2000, description="highly variable genes kept; null = all")
    scale: bool = Field(True, description="centre and scale genes (clipped at 10), fitted on training samples")
    n_pcs: Count | None = Field(50, description="principal components that samples are made of; null = genes")
    min_size: Count = Field(3, description="groups with fewer samples are left out, and named")
    split: Split = Field(Split(), description="what is held out; by group")

    @model_validator(mode="after")
    def possible(self):
        if self.layer is not None and self.use_raw:
            refuse("use_raw", True, "false when a layer is given", "remove layer or use_raw")
        check_columns(self)
        return self


class Table(Section):
    """A user's table."""

    kind: Literal["table"] = Field(description="a CSV, TSV or Parquet file with one row per sample")
    path: str = Field(min_length=1, description="the file, relative to the working directory")
    groupby: Names = Field(description="columns that together name a group: one embedding each")
    features: Names | None = Field(None, description="numeric columns; null = all but groupby, labels and split")
    labels: list[str] = Field([], description="further columns to keep; the first one is scored and coloured by")
    transpose: bool = Field(False, description="the file has samples in columns")
    scale: bool = Field(True, description="centre and scale features (clipped at 10), fitted on training samples")
    n_pcs: Count | None = Field(None, description="principal components that samples are made of; null = features")
    min_size: Count = Field(3, description="groups with fewer samples are left out, and named")
    split: Split = Field(Split(), description="what is held out; by group")

    @model_validator(mode="after")
    def possible(self):
        check_columns(self)
        return self


class Digits(Section):
    """Handwritten digits of scikit-learn."""

    sources: ClassVar[tuple[str, ...]] = ("digits",)
    kind: Literal["digits"] = Field(description="the 8 x 8 handwritten digits of scikit-learn; a group is a digit")
    split: Split = Field(Split(by="sample"), description="what is held out; by sample, since the groups are few")

    @model_validator(mode="after")
    def possible(self):
        if self.split.by not in ("group", "sample"):
            refuse("split.by", self.split.by, "'group' or 'sample' for digits", "choose one of them")
        return self


class Pbmc68k(Section):
    """The 700 blood cells that come with scanpy."""

    sources: ClassVar[tuple[str, ...]] = ("pbmc68k",)  # data sets of resources/sources.yaml that this kind reads
    kind: Literal["pbmc68k"] = Field(description="the 700 blood cells that come with scanpy; a group is a cell type")
    n_pcs: Count | None = Field(20, description="principal components that samples are made of; null = genes")
    scale: bool = Field(True, description="centre and scale genes (clipped at 10), fitted on training samples")
    min_size: Count = Field(3, description="groups with fewer samples are left out, and named")
    split: Split = Field(Split(by="sample"), description="what is held out; by sample, since the groups are few")


Family = Normal | Poisson | Multinomial | Mvn | MvnLowRank | Gmm
Dataset = Annotated[
    Family
    | H5ad
    | Table
    | Digits
    | Pbmc68k
    | LineageTracing
    | PerturbSeq
    | Donors
    | Methylation
    | Gpra
    | MpraBins
    | MpraBarcodes
    | DnaMultinomial
    | SyntheticDna
    | Sequences
    | Virus
    | Pfam
    | ProteinMotifs
    | Pubmed,
    Field(discriminator="kind"),
]


def sample_type_of(dataset: Mapping[str, Any]) -> SampleType:
    """What the samples of a data set are, from its resolved settings; of what shape, only the data tell."""
    kind = dataset["kind"]
    if kind not in SEQUENCES:
        return sample_type("vectors")
    return sample_type(dataset.get("alphabet") or ALPHABET_OF.get(kind, "dna"))


def check_columns(section: H5ad | Table) -> None:
    for key in ("groupby", "labels", "features"):
        names = getattr(section, key, None) or []
        if twice := [name for name in names if names.count(name) > 1 or not name]:
            refuse(key, twice[0], "each column once, by its name", "take it out")


def check_range(section: Section, name: str) -> None:
    low, high = getattr(section, f"{name}_low"), getattr(section, f"{name}_high")
    if low > high:
        refuse(f"{name}_low", low, f"at most {name}_high = {high}", "swap or set them")


def check_gaussian(section: Mvn | Gmm) -> None:
    check_range(section, "mean")
    remedy = "raise df: below it the mean covariance is infinite"
    if section.df <= section.dim + 1:
        refuse("df", section.df, f"an integer > dim + 1 = {section.dim + 1}", remedy)
    if section.published_law is not None and section.published_law.df <= section.dim + 1:
        refuse("published_law.df", section.published_law.df, f"an integer > dim + 1 = {section.dim + 1}", remedy)
