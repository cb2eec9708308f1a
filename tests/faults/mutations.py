"""Changes of files, and what is made of a changed one."""

import json
import shutil
from pathlib import Path

from safetensors.torch import load_file, save_file

from gde.files.io import sha256_file
from gde.sets.store.set_store import SetStore


def made(prepare, config: dict, here: Path) -> tuple:
    """Prepare a store, take it away again, and say what was in it."""
    out = here / "sets/mine"
    prepare(config, out, name="mine", seed=0)
    SetStore.open(out)
    digests = tuple(sha256_file(out / name) for name in ("x.npy", "groups.parquet", "features/features.json"))
    shutil.rmtree(out)
    return digests


def edited(file: Path, edit) -> None:
    """Change a JSON file; `edit` takes the data and gives the new one."""
    file.write_text(json.dumps(edit(json.loads(file.read_text()))))


def edited_tensors(file: Path, edit) -> None:
    save_file({k: v.contiguous() for k, v in edit(load_file(file)).items()}, file)
