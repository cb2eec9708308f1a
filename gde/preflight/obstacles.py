"""Obstacles: what would stop a run of the workflow on this machine: files, disk, device, permissions, profile and its
tools."""

import importlib.util
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from gde.config.inputs import evaluation_files, own_files
from gde.config.loading import read_yaml
from gde.errors import GdeError, bad

SLURM_TOOLS = ("sbatch", "squeue", "scancel")
PROFILES = (Path(), Path.home() / ".config/snakemake", Path("/etc/xdg/snakemake"))  # where Snakemake looks
SLURM_PLUGIN = "snakemake_executor_plugin_slurm"


def missing_files(experiments: dict[str, dict[str, Any]], root: Path) -> Iterator[GdeError]:
    """Users' files that are not there, and files of resources/sources.yaml that nobody can fetch."""
    from gde.fetch.published_models import weights_files
    from gde.fetch.sources import ask_for, files_of, read_conversions, read_sources, weights_of

    try:
        table, converted = read_sources(root), read_conversions(root)
    except GdeError as e:
        yield e
        return
    for name, resolved in experiments.items():
        dataset = resolved["dataset"]
        try:
            weights_files(name, resolved, root, table)
        except GdeError as e:
            yield e
        try:
            sources = files_of(dataset, root, table)
            for source in sources + weights_of(resolved, root, table):
                if not (root / source.path).is_file() and (source.access == "bundled" or not source.urls):
                    yield ask_for(source)
        except GdeError as e:
            yield e
            continue
        own = {f"dataset.{key}": path for key, path in own_files(dataset, [str(s.path) for s in sources]).items()}
        own |= {f"evaluation.{key}": path for key, path in evaluation_files(resolved["evaluation"]).items()}
        for key, path in own.items():
            if not ((root / path).is_file() or os.path.normpath(path) in converted):
                where = f"config/experiments/{name.partition('/')[0]}.yaml: {key}"
                remedy = "correct the path; it is relative to the working directory"
                found = f"a directory, {path!r}" if (root / path).is_dir() else f"no file {path!r}"
                yield bad(where, found, "an existing file", remedy)


def unwritable(results: Path) -> Iterator[GdeError]:
    """Whether results can be written there."""
    above = next(p for p in (results, *results.absolute().parents) if p.exists())
    remedy = "make it writable, or work in another directory"
    if not above.is_dir():
        yield bad(above, "a file", "a directory", "move it away")
    elif not os.access(above, os.W_OK | os.X_OK):
        yield bad(above, "a directory that cannot be written", f"one in which {results} can be made", remedy)


def too_full(asked: Iterable[tuple[Path, int]]) -> Iterator[GdeError]:
    """Disks with less space than is asked for; asked : (directory, bytes), joined where they are on one disk."""
    from gde.preflight.costs import free

    disks: dict[int, tuple[Path, int]] = {}
    for path, size in asked:
        there = next(p for p in (path, *path.absolute().parents) if p.exists())
        first, total = disks.get(there.stat().st_dev, (path, 0))
        disks[there.stat().st_dev] = first, total + size
    for path, size in disks.values():
        if (left := free(path)) < size:
            expected = f"about {readable(size)} (estimated)"
            yield bad(path, f"{readable(left)} free", expected, "free disk space, or train fewer experiments")


def no_gpu(accelerator: str, *, cluster: bool) -> Iterator[GdeError]:
    """`accelerator: cuda` without a GPU here; on a cluster the nodes have them, not necessarily this machine."""
    if accelerator == "cuda" and not cluster:
        import torch

        if not torch.cuda.is_available():
            found, remedy = "no visible GPU", "check the driver, set accelerator: auto, or run on a cluster's profile"
            yield bad("config/config.yaml: accelerator", found, "a GPU, as `cuda` asks for", remedy)


def profile_settings(profile: Path | None) -> tuple[dict[str, Any], list[GdeError]]:
    """The settings of a Snakemake profile ({} without one), and what keeps it from being used."""
    if profile is None:
        return {}, []
    folder = next((d / profile for d in PROFILES if (d / profile).is_dir()), profile)
    newest = max(folder.glob("config.v*+.yaml"), default=folder / "config.yaml")  # as Snakemake prefers
    try:
        settings = read_yaml(newest).data
    except GdeError as e:
        return {}, [e]
    problems = []
    if settings.get("executor") == "slurm":
        missing = [tool for tool in SLURM_TOOLS if shutil.which(tool) is None]
        if missing:
            remedy = "run on a login node of the cluster, or without this profile"
            problems.append(bad(profile, f"no {', '.join(missing)} here", "Slurm's commands", remedy))
        if importlib.util.find_spec(SLURM_PLUGIN) is None:
            remedy = "install the locked requirements"
            problems.append(bad(profile, "executor: slurm", "its plugin for Snakemake installed", remedy))
    return settings, problems


def readable(size: float) -> str:
    """Bytes for people: 1.2 GB."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.4g} TB"
