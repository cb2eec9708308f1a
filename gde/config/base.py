"""What every section of a configuration shares: no unknown key, no silent conversion, no change after reading."""

from typing import Annotated, Any, NoReturn

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

Count = Annotated[int, Field(ge=1)]
Whole = Annotated[int, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, lt=1)]
Names = Annotated[list[str], Field(min_length=1)]


class Section(BaseModel):
    """A section of an experiment file."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class HeldOut(Section):
    """Held-out sets of a simulated family: the only part of a data set that a preset may change."""

    test_sets: Count = Field(200, description="held-out sets that the metrics are computed on")
    validation_sets: Count = Field(64, description="held-out sets for the validation loss and early stopping")
    test_size: Annotated[int, Field(ge=2)] = Field(1000, description="samples in each held-out set")


def refuse(key: str, value: Any, expected: str, remedy: str) -> NoReturn:
    """Refuse `key` of the section being validated because of another key; raises inside a pydantic validator."""
    raise PydanticCustomError("gde", "{expected}", {"key": key, "value": value, "expected": expected, "remedy": remedy})
