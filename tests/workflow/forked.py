"""Snakemake, imported once and forked for every call: half of a dry run is imports.

As a program it reads calls from stdin, each a line of JSON {directory, arguments, stdout, stderr}, and answers with the
exit status of each.
"""

import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path


class Snakemake:
    """`python -m snakemake` in one environment, called like subprocess.run; one call at a time."""

    def __init__(self, environment: dict[str, str], scratch: Path):
        self.environment = environment
        self.files = scratch / "stdout", scratch / "stderr"
        self.server = None

    def __call__(self, directory: Path, *arguments: str, timeout: float = 300) -> subprocess.CompletedProcess:
        if self.server is None:
            self.server = subprocess.Popen(
                [sys.executable, __file__],
                env=self.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True,
            )  # fmt: skip
        call = {"directory": str(directory), "arguments": arguments}
        call |= {"stdout": str(self.files[0]), "stderr": str(self.files[1])}
        print(json.dumps(call), file=self.server.stdin, flush=True)
        try:
            if not select.select([self.server.stdout], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(list(arguments), timeout, *(file.read_bytes() for file in self.files))
        except BaseException:  # also when the tests are interrupted: nothing goes on without them
            os.killpg(self.server.pid, signal.SIGKILL)
            self.end()
            raise
        answer = self.server.stdout.readline()
        assert answer, "the process that forks ended: what it said is on stderr"
        return subprocess.CompletedProcess(list(arguments), int(answer), *(file.read_text() for file in self.files))

    def end(self) -> None:
        if self.server is not None:
            self.server.stdin.close()
            self.server.wait()
            self.server.stdout.close()
            self.server = None


def serve() -> None:
    import pydantic  # noqa: F401  what gde.config needs, but nothing of gde: each project has a copy of its own
    import snakemake.cli
    import yaml  # noqa: F401

    for line in sys.stdin:
        call = json.loads(line)
        child = os.fork()
        if child == 0:
            os.chdir(call["directory"])
            for number, name, mode in ((0, os.devnull, "r"), (1, call["stdout"], "w"), (2, call["stderr"], "w")):
                with open(name, mode) as file:  # noqa: PTH123
                    os.dup2(file.fileno(), number)
            sys.path[0] = call["directory"]
            sys.argv = ["snakemake", *call["arguments"]]
            return snakemake.cli.main()
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    serve()
