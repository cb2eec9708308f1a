"""Snakemake, and the scripts of its jobs, in forks of a process that has imported what they need: most of a start is
imports."""

import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from warm import Warm

CLIENT = "GDE_TEST_CLIENT"


class Snakemake:
    """`python -m snakemake` in one environment, called like subprocess.run."""

    def __init__(self, warm: "Warm", environment: dict[str, str]):
        self.warm, self.environment = warm, environment

    def __call__(self, directory: Path, *arguments: str, timeout: float = 300) -> subprocess.CompletedProcess:
        env = self.environment | {CLIENT: shlex.join(self.warm.client())}
        return self.warm.run([__file__, *arguments], cwd=directory, env=env, timeout=timeout)


def execute_script(self, fname: str, edit: bool = False) -> None:
    """In place of Snakemake's, for jobs without an environment of their own."""
    assert self.container_img is self.conda_env is self.env_modules is None
    self._execute_cmd(f"{client} {{fname:q}}", fname=fname, is_python_script=True)


def stand_in(file: Path, warm: "Warm") -> None:
    """Write a command that is typed like `snakemake`."""
    client = shlex.join(warm.client())
    file.write_text(f'#!/bin/sh\n{CLIENT}={shlex.quote(client)} exec {client} {shlex.quote(__file__)} "$@"\n')
    file.chmod(0o755)


if __name__ == "__main__":
    from snakemake import cli, script

    sys.path[0] = str(Path.cwd())
    sys.argv[0] = "snakemake"
    client = os.environ.pop(CLIENT)
    script.PythonScript.execute_script = execute_script
    cli.main()
