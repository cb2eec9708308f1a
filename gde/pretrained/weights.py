"""A published model on disk: a directory with config.json and safetensors, one file or several. Never a pickle."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from gde.errors import GdeError, bad
from gde.files.io import sha256_file
from gde.files.sniffing import check_file, kind_of, other_file, read_text

CONFIG, SINGLE, INDEX = "config.json", "model.safetensors", "model.safetensors.index.json"
PICKLED = ("pytorch_model.bin", "pytorch_model.bin.index.json", "model.pt")  # what publishers call theirs
EXPECTED = "a published model: config.json and model.safetensors"
REMEDY = "give another directory, or weights: null"
DAMAGED = "fetch it again, or give another directory"
TOKENIZERS = {  # of the kinds that read one, the files it may be in: the first of these that begins with one there
    "text_lm": (("tokenizer.json",), ("vocab.txt", "tokenizer_config.json")),
    "gpt2": (("vocab.json", "merges.txt"), ("tokenizer.json",)),
}


class Weights(NamedTuple):
    """What `open_weights` reads: config.json, and the tensors by their published names."""

    config: dict[str, Any]
    tensors: dict[str, Tensor]


def open_weights(path: str | Path, sha256: str | None = None) -> Weights:
    """Read the published model in the directory `path`, on the CPU and in the types it was stored in.

    sha256 : the digest that it must have, see `weights_digest`; None = any.
    GdeError names what is missing, damaged, another file than meant, or a pickle, which is never opened.
    """
    path = Path(path)
    files = weight_files(path)
    config = read_config(path)
    if sha256 is not None and (found := weights_digest(path)) != sha256.lower():
        remedy = "give the model that the settings mean, or its digest as weights_sha256"
        raise bad(path, f"SHA-256 {found}", f"{sha256} (weights_sha256)", remedy)
    tensors: dict[str, Tensor] = {}
    for file in files:
        found = load_tensors(file)
        if twice := tensors.keys() & found.keys():
            raise bad(f"{file}:{min(twice)}", "a tensor that another file has too", "each tensor once", DAMAGED)
        tensors |= found
    if (path / INDEX).is_file() and files != [path / SINGLE]:
        _check_index(path, tensors)
    return Weights(config, tensors)


def weight_files(path: str | Path) -> list[Path]:
    """The safetensors files of a published model, by name: model.safetensors, or those that its index lists."""
    path = Path(path)
    if not path.is_dir():
        raise _no_directory(path)
    if (path / SINGLE).exists():
        return [path / SINGLE]
    if not (path / INDEX).exists():
        for name in PICKLED:
            if (path / name).exists():
                raise _pickle(path / name)
        raise bad(path / SINGLE, "no such file", EXPECTED, f"fetch it, or {REMEDY}")
    names = sorted(set(_index(path).values()))
    for name in names:
        if Path(name).name != name or not name.endswith(".safetensors"):
            raise bad(path / INDEX, repr(name), "names of .safetensors files beside it", DAMAGED)
    return [path / name for name in names]


def weights_digest(path: str | Path) -> str:
    """SHA-256 by which settings name a published model: that of model.safetensors.

    Of several files, that of the lines which `sha256sum *.safetensors` prints of them, in the order of their names.
    """
    files = weight_files(path)
    for file in files:
        check_file(file, EXPECTED, DAMAGED)
    if [file.name for file in files] == [SINGLE]:
        return sha256_file(files[0])
    lines = "".join(f"{sha256_file(file)}  {file.name}\n" for file in files)
    return hashlib.sha256(lines.encode()).hexdigest()


def further_files(kind: str, path: str | Path) -> list[Path]:
    """What an encoder or generator of this kind reads in the directory of a published model besides its tensors:
    config.json and the files of its tokenizer. Of the latter those that are there."""
    path = Path(path)
    found = next((files for files in TOKENIZERS.get(kind, ()) if (path / files[0]).is_file()), ())
    return [path / CONFIG, *(path / name for name in found if (path / name).is_file())]


def further_digests(kind: str, path: str | Path) -> dict[str, str]:
    """SHA-256 of each of `further_files`, by its name. GdeError where config.json is not there."""
    files = further_files(kind, path)
    for file in files:
        check_file(file, EXPECTED, DAMAGED)
    return {file.name: sha256_file(file) for file in files}


def read_config(path: str | Path) -> dict[str, Any]:
    """config.json of a published model. GdeError names what is wrong with it."""
    return _read_object(Path(path) / CONFIG, "the sizes of a published model as JSON")


def check_config(path: str | Path, config: Mapping[str, Any], expected: Mapping[str, Any], remedy: str) -> None:
    """GdeError for the first key of config.json that has not the `expected` value (a tuple: one of its values)."""
    for key, value in expected.items():
        allowed = value if isinstance(value, tuple) else (value,)
        if config.get(key) not in allowed:
            found = f"{config[key]!r}" if key in config else "no such key"
            raise bad(f"{Path(path) / CONFIG}: {key}", found, " or ".join(map(repr, allowed)), remedy)


def config_sizes(path: str | Path, config: Mapping[str, Any], keys: Iterable[str], remedy: str) -> list[int]:
    """The values of `keys` in config.json, whole numbers >= 1. GdeError for the first that is something else."""
    for key in keys:
        if type(config.get(key)) is not int or config[key] < 1:
            found = repr(config[key]) if key in config else "no such key"
            raise bad(f"{Path(path) / CONFIG}: {key}", found, "a whole number >= 1", remedy)
    return [config[key] for key in keys]


def load_tensors(file: Path) -> dict[str, Tensor]:
    """All tensors of one safetensors file. GdeError for anything else; a pickle is never opened."""
    check_file(file, "safetensors", DAMAGED)
    kind = kind_of(file)
    if "pickle" in kind:
        raise _pickle(file)
    if kind != "a safetensors file":
        raise other_file(file, "safetensors", DAMAGED)
    try:
        return load_file(file)
    except (SafetensorError, OSError, LookupError, ValueError, TypeError, RuntimeError) as e:
        raise bad(file, f"a damaged file ({e})", "safetensors", DAMAGED) from e


def matched(
    path: str | Path, tensors: Mapping[str, Tensor], shapes: Mapping[str, Iterable[int]], *, remedy: str = REMEDY
) -> dict[str, Tensor]:
    """The tensors named in `shapes`, checked: GdeError for the first that is missing, unknown, of another shape or not
    made of finite numbers. Leave out of `tensors` beforehand what a publisher stores and nobody needs."""
    for name, shape in shapes.items():
        if name not in tensors:
            raise bad(f"{path}:{name}", "no such tensor", str(tuple(shape)), remedy)
        if tuple(tensors[name].shape) != tuple(shape):
            raise bad(f"{path}:{name}", str(tuple(tensors[name].shape)), str(tuple(shape)), remedy)
        if not tensors[name].is_floating_point() or not tensors[name].isfinite().all():
            raise bad(f"{path}:{name}", "values that are no finite numbers", "weights", DAMAGED)
    if unknown := tensors.keys() - shapes.keys():
        raise bad(f"{path}:{min(unknown)}", "a tensor too many", f"{len(shapes)} tensors, not this one", remedy)
    return {name: tensors[name] for name in shapes}


def _index(path: Path) -> dict[str, str]:
    """Tensor -> file."""
    names = _read_object(path / INDEX, "an index of safetensors files").get("weight_map")
    if not (isinstance(names, dict) and names and all(isinstance(v, str) for v in names.values())):
        raise bad(f"{path / INDEX}: weight_map", repr(names), "tensor: file", DAMAGED)
    return names


def _check_index(path: Path, tensors: Mapping[str, Tensor]) -> None:
    listed = _index(path).keys()
    if different := listed ^ tensors.keys():
        name = min(different)
        found, expected = ("no such tensor", "one, as the index says") if name in listed else ("a tensor", "none")
        raise bad(f"{path / INDEX}: {name}", found, expected, DAMAGED)


def _read_object(file: Path, expected: str) -> dict[str, Any]:
    try:
        value = json.loads(read_text(file, expected, REMEDY))
    except json.JSONDecodeError as e:
        raise bad(file, f"no JSON ({e})", expected, DAMAGED) from e
    if not isinstance(value, dict):
        raise bad(file, f"JSON of a {type(value).__name__}", expected, DAMAGED)
    return value


def _no_directory(path: Path) -> GdeError:
    expected = f"the directory of {EXPECTED}"
    if not path.exists():
        return bad(path, "no such directory", expected, f"fetch it, correct the path, or {REMEDY}")
    check_file(path, expected, REMEDY)
    return _pickle(path) if "pickle" in kind_of(path) else bad(path, kind_of(path), expected, "give its directory")


def _pickle(file: Path) -> GdeError:
    found = kind_of(file) if file.is_file() and "pickle" in kind_of(file) else "a file of Python pickles"
    remedy = f"gde never loads pickles, since they can run any code: `gde convert-weights {file} {file.parent}` takes "
    return bad(file, found, "model.safetensors", remedy + "the tensors out of it, and nothing else")
