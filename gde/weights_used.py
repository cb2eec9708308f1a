"""The published models that an experiment names as `weights`: their files, and their digests in its settings."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gde.errors import bad

if TYPE_CHECKING:
    from gde.sources import Source

PARTS = ("encoder", "generator")


def with_digests(resolved: Mapping[str, Any]) -> dict[str, Any]:
    """A resolved experiment in which every part that names `weights` has their digest: a run is of these, whatever the
    directory holds later. GdeError where they are not there, or no safetensors."""
    from gde.weights import weights_digest

    out = dict(resolved)
    for part in PARTS:
        section = resolved[part]
        if section.get("weights") and not section["weights_sha256"]:
            out[part] = {**section, "weights_sha256": weights_digest(Path(section["weights"]))}
    return out


def weights_files(
    name: str, resolved: Mapping[str, Any], root: Path = Path(), table: "Mapping[str, Source] | None" = None
) -> list[Path]:
    """The files that the experiment `name` needs of published models: those of resources/sources.yaml, whether they
    are there or not, and a user's, in a directory or alone. GdeError where the latter are not there."""
    from gde.sources import weights_of

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
            from gde.weights import CONFIG, weight_files  # loads torch

            out += [Path(given, CONFIG), *(Path(given, file.name) for file in weight_files(root / given))]
        else:
            where = f"config/experiments/{name.partition('/')[0]}.yaml: {part}.weights"
            remedy = "correct the path; it is relative to the working directory"
            raise bad(where, f"no file or directory {given!r}", "a published model", remedy)
    return out
