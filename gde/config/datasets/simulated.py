"""Simulated families of distributions: held-out sets are drawn once, training sets as they are needed."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from gde.config.base import Count, Positive, Section, refuse
from gde.config.datasets.base import Simulated


class NormalLaw(Section):
    """Distribution of one-dimensional normal distributions."""

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
    """Distribution of multivariate normal distributions (and of the components of a mixture)."""

    mean_low: float = Field(description="coordinates of the means are uniform between mean_low ...")
    mean_high: float = Field(description="... and mean_high")
    df: Count = Field(description="covariances are the inverses of Wishart(df, I) matrices")

    @model_validator(mode="after")
    def possible(self):
        check_range(self, "mean")
        return self


class Normal(Simulated):
    """Simulated one-dimensional normal distributions."""

    kind: Literal["normal"] = Field(description="simulated one-dimensional normal distributions")
    mean_low: float = Field(0.0, description="means are uniform between mean_low ...")
    mean_high: float = Field(5.0, description="... and mean_high")
    sd_low: Positive = Field(0.2, description="standard deviations are uniform between sd_low ...")
    sd_high: Positive = Field(2.0, description="... and sd_high")
    published_distribution: NormalLaw | None = Field(
        None, description="second distribution of test sets, where a publication used another"
    )

    @model_validator(mode="after")
    def possible(self):
        check_range(self, "mean")
        check_range(self, "sd")
        return self

    @classmethod
    def features(cls, dataset: Mapping[str, Any]) -> int:
        return 1


class Poisson(Simulated):
    """Simulated Poisson distributions."""

    kind: Literal["poisson"] = Field(description="simulated Poisson distributions: a sample is one count")
    rate_low: Annotated[float, Field(ge=0, le=1e6)] = Field(1.0, description="rates are uniform between rate_low ...")
    rate_high: Annotated[float, Field(gt=0, le=1e6)] = Field(10.0, description="... and rate_high")

    @model_validator(mode="after")
    def possible(self):
        check_range(self, "rate")
        return self

    @classmethod
    def features(cls, dataset: Mapping[str, Any]) -> int:
        return 1


def as_list(value: Any) -> Any:
    """One number stands for a list of it alone."""
    return [value] if isinstance(value, int | float) and not isinstance(value, bool) else value


class Multinomial(Simulated):
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

    @classmethod
    def features(cls, dataset: Mapping[str, Any]) -> int:
        return dataset["categories"]


class Mvn(Simulated):
    """Simulated multivariate normal distributions."""

    kind: Literal["mvn"] = Field(description="simulated multivariate normal distributions")
    dim: Count = Field(2, description="features of a sample")
    mean_low: float = Field(0.0, description="coordinates of the means are uniform between mean_low ...")
    mean_high: float = Field(5.0, description="... and mean_high")
    df: Count = Field(
        10, description="covariances are the inverses of Wishart(df, I) matrices; above dim + 1, larger = more alike"
    )
    published_distribution: GaussianLaw | None = Field(
        None, description="second distribution of test sets, where a publication used another"
    )

    @model_validator(mode="after")
    def possible(self):
        check_gaussian(self)
        return self


class MvnLowRank(Simulated):
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


class Gmm(Simulated):
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
    published_distribution: GaussianLaw | None = Field(
        None, description="second distribution of test sets, where a publication used another"
    )

    @model_validator(mode="after")
    def possible(self):
        check_gaussian(self)
        return self


def check_range(section: Section, name: str) -> None:
    low, high = getattr(section, f"{name}_low"), getattr(section, f"{name}_high")
    if low > high:
        refuse(f"{name}_low", low, f"at most {name}_high = {high}", "swap or set them")


def check_gaussian(section: Mvn | Gmm) -> None:
    check_range(section, "mean")
    remedy = "raise df: below it the mean covariance is infinite"
    if section.df <= section.dim + 1:
        refuse("df", section.df, f"an integer > dim + 1 = {section.dim + 1}", remedy)
    if section.published_distribution is not None and section.published_distribution.df <= section.dim + 1:
        refuse(
            "published_distribution.df",
            section.published_distribution.df,
            f"an integer > dim + 1 = {section.dim + 1}",
            remedy,
        )
