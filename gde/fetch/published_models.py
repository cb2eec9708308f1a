"""The published models that an experiment names as `weights`: their files, and their digests in its settings."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gde.config.resolve import BESIDE
from gde.errors import bad

if TYPE_CHECKING:
    from gde.fetch.sources import Source

PARTS = ("encoder", "generator")


def with_digests(resolved: Mapping[str, Any]) -> dict[str, Any]:
    """A resolved experiment in which every part that names `weights` has their digest, and `beside_weights` those of
    the other files that it reads beside them: a run is of these, whatever the directory holds later. GdeError where
    they are not there, or no safetensors."""
    from gde.pretrained.weights import further_digests, weights_digest

    out, beside = dict(resolved), {}
    for part in PARTS:
        section = resolved[part]
        if not section.get("weights"):
            continue
        path = Path(section["weights"])
        if not section["weights_sha256"]:
            out[part] = {**section, "weights_sha256": weights_digest(path)}
        if path.is_dir():  # beside a single file nothing is read
            beside[part] = further_digests(section["kind"], path)
    return out | ({BESIDE: beside} if beside else {})


def weights_files(
    name: str, resolved: Mapping[str, Any], root: Path = Path(), table: "Mapping[str, Source] | None" = None
) -> list[Path]:
    """The files that the experiment `name` needs of published models: those of resources/sources.yaml, whether they
    are there or not, and a user's, in a directory or alone. GdeError where the latter are not there."""
    from gde.fetch.sources import weights_of

    out, sources = [], weights_of(resolved, root, table)
    for part in PARTS:
        if not (given := resolved[part].get("weights")):
            continue
        known = [s.path for s in sources if os.path.dirname(s.path) == os.path.normpath(given)]
        if known:
            out += known
        elif (root / given).is_file():
            out.append(Path(given))
        elif (root / given).is_dir():
            from gde.pretrained.weights import INDEX, SINGLE, further_files, weight_files  # loads torch

            tensors = weight_files(root / given)
            index = [] if tensors[0].name == SINGLE else [root / given / INDEX]
            files = [*further_files(resolved[part]["kind"], root / given), *index, *tensors]
            out += [Path(given, file.name) for file in files]
        else:
            where = f"config/experiments/{name.partition('/')[0]}.yaml: {part}.weights"
            remedy = "correct the path; it is relative to the working directory"
            raise bad(where, f"no file or directory {given!r}", "a published model", remedy)
    return out
