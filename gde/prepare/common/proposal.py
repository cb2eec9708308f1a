"""Proposal: the experiment that `gde init` writes for files that a kind of data has recognised as its own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from gde.errors import bad

HEAD = "# Written by `gde init`. Every key has a default: config/README.md lists them all."
WIDE = 10**6  # no line breaks
COMMENT_AT = 34  # column where comments begin, where there is room


@dataclass(frozen=True)
class Setting:
    """A key of `dataset`, its value and what is said of it; `asleep` ones are written as a comment."""

    key: str
    value: Any
    comment: str = ""
    asleep: bool = False

    def line(self) -> str:
        text = f"  {'# ' if self.asleep else ''}{self.key}: {in_one_line(self.value)}"
        return f"{text.ljust(COMMENT_AT)}  # {self.comment}" if self.comment else text


@dataclass(frozen=True)
class Proposal:
    """What a file holds in a sentence, and settings of `dataset` that read it; `DataSet.propose` makes them."""

    description: str
    settings: Sequence[Setting]

    def text(self, kind: str) -> str:
        """The experiment file."""
        settings = [Setting("kind", kind), *self.settings]
        lines = [HEAD, f"description: {in_one_line(self.description)}", "", "dataset:", *(s.line() for s in settings)]
        return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Given:
    """What `gde init` was given: files, and of its options --groupby, --genome and --barcodes those that were."""

    files: Sequence[Path]
    groupby: Sequence[str] | None = None
    genome: Path | None = None
    barcodes: Path | None = None

    def options(self) -> dict[str, Any]:
        """The options by name."""
        return {"groupby": self.groupby, "genome": self.genome, "barcodes": self.barcodes}

    def only(self) -> Path:
        """The file. GdeError for several, of a kind that is read from one."""
        if len(self.files) > 1:
            found = f"{len(self.files)} files"
            raise bad(self.files[1], found, "one", "give one file; an experiment of this kind reads one")
        return self.files[0]

    def patterns(self, endings: Sequence[str]) -> list[str]:
        """The files as settings name them: a pattern, where they are all files of a folder with one of `endings`."""
        folder, names = self.files[0].parent, sorted(file.name for file in self.files)
        for ending in endings:
            alike = sorted(file.name for file in folder.glob(f"*{ending}"))
            if len(names) > 1 and names == alike and {file.parent for file in self.files} == {folder}:
                return [str(folder / f"*{ending}")]
        return [str(file) for file in self.files]


def in_one_line(value: Any) -> str:
    """A value as YAML on one line."""
    return yaml.safe_dump(value, default_flow_style=True, width=WIDE, allow_unicode=True, sort_keys=False).split("\n")[
        0
    ]


def conditions_of(files: Sequence[Path]) -> Mapping[str, Path]:
    """A name for each file: its own, without endings where they then still differ."""
    names = [file.name.partition(".")[0] for file in files]
    if len(set(names)) < len(names):
        names = [file.name for file in files]
    return dict(zip((name.replace("|", "_") for name in names), files, strict=True))
