"""Zip archives that say where they are from and carry their own digest, in the comment that the format has a place for.

Every tool reads them as the archives they are. The same content and record give the same bytes: files in the order of
their names, no times, nothing compressed (what lies in them is).
"""

import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

from gde.errors import bad
from gde.files.io import atomic_path
from gde.files.seals import SEAL, SEAL_TEXT, check_seal, seal
from gde.files.sniffing import check_file

EPOCH = (1980, 1, 1, 0, 0, 0)  # the first that the format knows
MODE = 0o644 << 16
LONGEST = 65535  # bytes of a comment
AGAIN = "make it again"


def write_zip(path: Path, directory: Path, about: dict[str, Any]) -> None:
    """Pack the files below a directory into the archive `path`, which appears when it is whole.

    about : JSON-able record for `read_about`.
    """
    blank = SEAL_TEXT.removeprefix(f"{SEAL} ")
    record = json.dumps({SEAL: blank, **about}, allow_nan=False).encode("ascii")
    if len(record) > LONGEST:
        raise ValueError(f"record: found {len(record)} bytes, expected at most {LONGEST}")
    with atomic_path(path) as tmp:
        with zipfile.ZipFile(tmp, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
            for file in sorted(p for p in directory.rglob("*") if p.is_file()):
                info = zipfile.ZipInfo(file.relative_to(directory).as_posix(), EPOCH)
                info.external_attr, info.create_system = MODE, 3
                with file.open("rb") as source, archive.open(info, "w", force_zip64=True) as out:
                    shutil.copyfileobj(source, out)
            archive.comment = record
        seal(tmp)


def read_about(path: Path) -> dict[str, Any]:
    """The record of an archive that `write_zip` wrote; GdeError when it is damaged, edited or another one."""
    check_file(path, "a .zip file written by gde", AGAIN)
    check_seal(path)
    try:
        with zipfile.ZipFile(path) as archive:
            about = json.loads(archive.comment)
    except (ValueError, zipfile.BadZipFile) as e:
        raise bad(path, f"no record ({e})", "a .zip file written by gde", AGAIN) from e
    return {k: v for k, v in about.items() if k != SEAL}
