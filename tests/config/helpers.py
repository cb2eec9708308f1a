"""A configuration directory of the repository's own files, with one of them changed."""

import shutil
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel, ValidationError

from gde.config.loading import read_yaml

ROOT = Path(__file__).resolve().parents[2]
NAMES = sorted(p.stem for p in (ROOT / "config/experiments").glob("*.yaml"))


def project(tmp: Path) -> Path:
    """A copy of config/ in `tmp`."""
    shutil.copytree(ROOT / "config", tmp / "config")
    return tmp


def data(name: str) -> dict:
    """The plain data of an experiment file."""
    return read_yaml(ROOT / f"config/experiments/{name}.yaml").data


def write(tmp: Path, name: str, content: dict | str) -> Path:
    """Write an experiment file into the copy."""
    file = tmp / f"config/experiments/{name}.yaml"
    file.write_text(content if isinstance(content, str) else yaml.safe_dump(content, sort_keys=False))
    return file


def paths(value, path=()):
    """Every key's path, depth first."""
    if isinstance(value, dict):
        for key, child in value.items():
            yield (*path, key)
            yield from paths(child, (*path, key))


def renamed(value, path, new):
    """A copy of `value` in which the key at `path` is called `new`, in its old place."""
    head, *rest = path
    if not rest:
        return {(new if k == head else k): v for k, v in value.items()}
    return {k: renamed(v, rest, new) if k == head else v for k, v in value.items()}


def replaced(value, path, new):
    """A copy of `value` with another value at `path`."""
    head, *rest = path
    return {k: (replaced(v, rest, new) if rest else new) if k == head else v for k, v in value.items()}


def typo(word: str) -> str:
    """One residue dropped from the middle; one added where that would leave too little."""
    return word[: len(word) // 2] + word[len(word) // 2 + 1 :] if len(word) > 3 else word[:-1] + word[-1] * 2


def refusal(kind: type[BaseModel], options: dict) -> dict:
    """What is said, as data, of options that the config class of a kind refuses."""
    with pytest.raises(ValidationError) as error:
        kind(kind=kind.model_fields["kind"].annotation.__args__[0], **options)
    return error.value.errors()[0]["ctx"]
