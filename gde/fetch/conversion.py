"""Conversion: from a publisher's pickle to tensors: read in a process of its own, by a reader that knows nothing but
tensors.

A pickle is a program. Here it is run by an unpickler that has no functions to call but those that rebuild tensors
(`torch.load(weights_only=True)`) or arrays of numbers. Should that ever fail, it is in a child without our environment,
under a limit of memory and time, but with the user's rights: fetch pickles from publishers only. What the child writes
into a directory that is thrown away is read again, as anybody's file is, before it gets its name.
"""

import gzip
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path

from gde.errors import GdeError, bad
from gde.files.io import atomic_path
from gde.files.sniffing import check_file, kind_of
from gde.pretrained.weights import CONFIG, SINGLE, load_tensors, read_config

EXPECTED = "a pickle of tensors (.bin, .pt, .pth), or a .tar.gz or .zip with one"
REMEDY = "nothing was written; ask its publisher for safetensors"
PICKLES = ("*.bin", "*.pt", "*.pth", "*.pickle", "*.pkl", "*.ckpt")
KEPT = ("vocab.json", "vocab.txt", "merges.txt", "tokenizer.json", "tokenizer_config.json")  # text that goes along
ROOM = 4  # times the pickle's size, and this much more, is the memory that the child may use
ROOM_AT_LEAST = 8 << 30  # address space, of which importing torch takes some
HOURS = 2


def convert(source: Path, target: Path, *, member: str | None = None) -> None:
    """Take the tensors out of a pickle, and nothing else.

    source : the pickle, or an archive with it.   member : its name there, or a pattern; None = the only pickle in it.
    target : a directory, or model.safetensors in it, which becomes a published model: with config.json and vocabularies
        that lie beside the pickle or in the archive; or an .npz of vectors by name, from a dict of text and numbers.
    GdeError says what else was in it; then nothing is written.
    """
    check_file(source, EXPECTED, "give the file that was downloaded")
    target = target.parent if target.name == SINGLE else target
    with tempfile.TemporaryDirectory(prefix="gde-convert-") as scratch:
        inside, outside = Path(scratch, "in"), Path(scratch, "out")
        inside.mkdir()
        outside.mkdir()
        pickle = unpacked(source, inside, member)
        if target.suffix == ".npz":
            from gde.prepare.common.vectors import read_vectors

            read_in_child(pickle, outside / target.name, source)
            read_vectors(outside / target.name)
            with atomic_path(target) as tmp:
                shutil.copyfile(outside / target.name, tmp)
            return
        if not any((place / CONFIG).is_file() for place in (inside, target)):
            raise bad(source, f"no {CONFIG} beside it", "a published model", f"put its {CONFIG} there")
        read_in_child(pickle, outside / SINGLE, source)
        load_tensors(outside / SINGLE)
        along = [name for name in (CONFIG, *KEPT) if (inside / name).is_file()]
        if CONFIG in along:
            read_config(inside)
        for place in (*(inside / name for name in along), outside / SINGLE):  # the tensors last: then all is there
            with atomic_path(target / place.name) as tmp:
                shutil.copyfile(place, tmp)


def unpacked(source: Path, inside: Path, member: str | None) -> Path:
    """The pickle as a file: `source`, or what is copied out of it; text of a published model is copied along."""
    kind = kind_of(source)
    with opened(source, kind) as archive:
        if archive is None:
            if "pickle" not in kind:
                raise bad(source, kind, EXPECTED, REMEDY)
            for name in (CONFIG, *KEPT):
                if (source.parent / name).is_file():
                    shutil.copyfile(source.parent / name, inside / name)
            return source
        wanted = [member] if member else PICKLES
        found = [
            name for name in archive if any(fnmatchcase(name, w) or fnmatchcase(Path(name).name, w) for w in wanted)
        ]
        if len(found) != 1:
            what = f"{len(found)} of {', '.join(wanted)}" + (f" ({', '.join(found[:5])})" if found else "")
            raise bad(source, what, "one pickle in it", "name it with --member")
        for name, open_member in archive.items():
            if name == found[0] or Path(name).name in (CONFIG, *KEPT):
                place = inside / (Path(name).name if name != found[0] else "pickle.bin")
                with open_member() as f, place.open("wb") as out:
                    shutil.copyfileobj(f, out)
        return inside / "pickle.bin"


@contextmanager
def opened(source: Path, kind: str) -> Iterator[dict | None]:
    """Regular members of an archive by name, each a function that opens it; None for a file that is none."""
    try:
        if kind == "a gzip file":
            with gzip.open(source) as file:  # to its end, where its checksum stands: tarfile stops before
                while file.read(1 << 20):
                    pass
            with tarfile.open(source, "r:gz") as tar:
                yield {m.name: (lambda m=m: tar.extractfile(m)) for m in tar.getmembers() if m.isreg()}
        elif kind in ("a ZIP archive", "a NumPy archive") or (kind.startswith("a PyTorch") and source.suffix == ".zip"):
            with zipfile.ZipFile(source) as archive:
                yield {i.filename: (lambda i=i: archive.open(i)) for i in archive.infolist() if not i.is_dir()}
        else:
            yield None
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError) as e:
        if isinstance(e, GdeError) or getattr(e, "errno", None) is not None:  # of the disk
            raise
        raise bad(source, f"a damaged archive ({e})", EXPECTED, "fetch it again") from e


def read_in_child(pickle: Path, out: Path, source: Path) -> None:
    """Run `child` in another process, and raise what it found wrong."""
    room = ROOM * pickle.stat().st_size + ROOM_AT_LEAST
    environment = {"PATH": os.defpath, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "gde.fetch.pickle_reader", str(pickle.resolve()), str(out), str(room)]
    limits = {"capture_output": True, "text": True, "timeout": HOURS * 3600, "cwd": out.parent}
    try:
        done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, check=False, **limits)
    except subprocess.TimeoutExpired:
        raise bad(source, f"a pickle that takes more than {HOURS} h to read", EXPECTED, REMEDY) from None
    if done.returncode == 0:
        return
    try:
        found = json.loads(done.stdout.splitlines()[-1])["found"]
    except (LookupError, ValueError):
        found = f"a pickle whose reader ended with status {done.returncode} {done.stderr[-200:]}"
    raise bad(source, found, "tensors by name, nothing else", REMEDY)
