"""Base of the sections: what every section of a configuration shares: no unknown key, no silent conversion, no change
after reading."""

import math
from typing import Annotated, Any, Literal, NoReturn

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

LARGEST, LARGEST_SEED = 10**9, 2**63 - 1
LONGEST_NAME = 4096  # as of a path
PROSE = ("description", "source")  # any text
Count = Annotated[int, Field(ge=1)]
Size = Count | Literal["auto"]  # auto = as the data suggest (`gde.config.budget`)
Whole = Annotated[int, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, lt=1)]
Names = Annotated[list[str], Field(min_length=1)]
Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]  # SHA-256


class Section(BaseModel):
    """A section of an experiment file."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False, defer_build=True)

    @model_validator(mode="after")
    def bounded(self):
        """No number or name that only a slip can have made, nor one that JSON cannot hold where any may stand."""
        for key in type(self).model_fields:
            value, largest = getattr(self, key), LARGEST_SEED if key in ("seed", "bytes") else LARGEST
            if isinstance(value, int) and value > largest:
                refuse(key, value, f"a number <= {largest}", "lower it")
            for name, inner in value.items() if isinstance(value, dict) else ():
                if not _finite(inner):
                    refuse(f"{key}.{name}", inner, "a finite number", "correct it")
            if key not in PROSE:
                _check_names(key, value)
        return self


def _check_names(key: str, value: Any) -> None:
    """Names of files, columns and genes: one line, as it is shown."""
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else [value]
    for name in [*inside, *value] if isinstance(value, dict) else inside:
        if isinstance(name, str) and not name.isprintable():
            refuse(key, name, "text without line breaks and control characters", "type it again")
        if isinstance(name, str) and len(name) > LONGEST_NAME:
            refuse(key, name, f"at most {LONGEST_NAME} characters", "shorten it")


def _finite(value: Any) -> bool:
    if isinstance(value, list):
        return all(map(_finite, value))
    return not isinstance(value, float) or math.isfinite(value)


def refuse(key: str, value: Any, expected: str, remedy: str) -> NoReturn:
    """Refuse `key` of the section being validated because of another key; raises inside a pydantic validator."""
    raise PydanticCustomError("gde", "{expected}", {"key": key, "value": value, "expected": expected, "remedy": remedy})


def check_idle(section: Any, key: str, condition: str, remedy: str) -> None:
    """Refuse another value than the default of a key that `condition` leaves without an effect."""
    value, default = getattr(section, key), type(section).model_fields[key].default
    if value != default:
        shown = "null" if default is None else "its default" if isinstance(default, Section) else str(default)
        refuse(key, value, f"{shown} {condition}, where it has no effect", remedy)


def check_kernel(section: Any) -> None:
    """Refuse convolutions of an even width, which have no middle."""
    if section.kernel % 2 == 0:
        refuse("kernel", section.kernel, "an odd number", "add 1")
