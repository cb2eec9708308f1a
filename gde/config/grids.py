"""Grids in config/config.yaml: an experiment again and again, with every combination of some of its keys' values."""

from typing import Annotated, Any

from pydantic import Field, model_validator

from gde.config.base import Names, Section, refuse


class Curve(Section):
    """Published numbers to draw beside a grid's own."""

    values: Annotated[list[float], Field(min_length=1)] = Field(description="one for each value of the grid's axis")
    source: str = Field(description="where they were published")


class Grid(Section):
    """An experiment with every combination of its axes' values: `snakemake results/grid/<name>/summary.tsv`."""

    description: str = Field("", description="one line for the report")
    base: str = Field(description="the experiment whose other settings every cell has")
    overrides: dict[str, Any] = Field(
        {},
        description="sections merged into the base before the axes; keys for an encoder or generator go to all kinds",
    )
    axes: dict[str, Annotated[list[Any], Field(min_length=1)]] = Field(
        description="key: list of values. A key is `seed` or a dotted key of an experiment (a number in it counts in a "
        "list from 0); a value is a kind, a mapping of keys (`name:` tells apart two of one kind), or plain"
    )
    metrics: Names = Field(["reconstruction/w2"], description="metrics to draw: heat map, or curve over a numeric axis")
    published: dict[str, Curve] = Field({}, description="metric: published curve, in grids of one axis beside `seed`")

    @model_validator(mode="after")
    def possible(self):
        if not self.axes:
            refuse("axes", None, "at least one axis", "add one, e.g. seed: [0, 1, 2]")
        for metric, curve in self.published.items():
            if metric not in self.metrics:
                refuse(f"published|{metric}", metric, "|".join(self.metrics), "")
            swept = [axis for axis in self.axes if axis != "seed"]
            if len(swept) != 1:
                found = ", ".join(swept) or "none"
                refuse("axes", found, "one axis beside seed for a published curve", "remove `published` or other axes")
            if len(curve.values) != len(self.axes[swept[0]]):
                expected = f"{len(self.axes[swept[0]])} numbers of {metric}, one for each value of {swept[0]}"
                refuse("published", curve.values, expected, "give as many")
        return self
