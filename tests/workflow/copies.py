"""Copies of the project for tests that run the workflow, and servers of data for them."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

ROOT = Path(__file__).resolve().parents[2]
SMOKE = ("--config", "preset=smoke", "accelerator=cpu")


def copy_project(target: Path) -> Path:
    """The tracked parts of the project that the workflow needs, with what Python keeps of them compiled."""
    for part in ("gde", "workflow", "config", "profiles", "envs"):
        shutil.copytree(ROOT / part, target / part, ignore=shutil.ignore_patterns("*.pyc.*"))  # which others write
    (target / "resources").mkdir()
    shutil.copy(ROOT / "resources/sources.yaml", target / "resources")  # and not what was downloaded
    return target


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a server of the files in a folder."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(folder))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
