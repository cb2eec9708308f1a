"""Python programs in forks of one process that has imported what takes seconds to import, and nothing of gde: every
project that tests make has a copy of its own.

`python -I -S warm.py SOCKET ARGUMENTS` runs as `python ARGUMENTS` does, where a `Warm` listens at that socket. What is
killed, or what a test asks about its imports, threads or hashes, needs a process of its own.
"""

import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

# What jobs and commands use of other packages.
IMPORTED = (
    "snakemake.cli", "snakemake.benchmark", "snakemake.report.html_reporter", "snakemake.storage", "torch",
    "torch._dynamo", "torch.utils.tensorboard", "transformers.models.bert.modeling_bert",
    "transformers.models.esm.modeling_esm", "transformers.models.gpt2.modeling_gpt2", "tokenizers",
    "safetensors.torch", "anndata", "pandas", "pyarrow.csv", "pyarrow.dataset", "pyarrow.parquet",
    "pyarrow.pandas_compat", "h5py", "yaml", "pydantic", "requests", "tenacity", "tqdm", "tabulate", "isal.igzip",
    "pysam", "Bio.SeqIO", "Bio.Align", "Bio.motifs", "ot", "scipy.io", "scipy.optimize", "scipy.stats",
    "sklearn.datasets", "sklearn.decomposition", "sklearn.feature_extraction.text", "sklearn.linear_model",
    "sklearn.metrics", "matplotlib.figure", "matplotlib.ticker", "matplotlib.backends.backend_agg",
    "matplotlib.backends.backend_svg", "PIL.Image",
)  # fmt: skip
THREADS = "1"  # where nothing is said of them
GONE = -1  # the status of a program whose server ended


class Warm:
    """Starts the process that forks with the first program, and ends it with all that it started."""

    def __init__(self, scratch: Path):
        self.scratch = scratch
        self.address = str(scratch / "socket")
        self.server = None

    def client(self) -> list[str]:
        """The command that stands for `python`."""
        self.start()
        return [sys.executable, "-I", "-S", __file__, self.address]

    def run(
        self, arguments: Sequence[str], *, cwd: Path, env: dict[str, str], timeout: float = 300
    ) -> subprocess.CompletedProcess:
        """As subprocess.run of `python ARGUMENTS` with its output captured."""
        self.start()
        files = [self.scratch / name for name in ("stdout", "stderr")]
        said = [os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600) for file in files]
        try:
            with ask(self.address, {"arguments": list(arguments), "cwd": str(cwd), "env": env}, said) as connection:
                connection.settimeout(timeout)
                receive(connection)  # its process
                answer = receive(connection)
        except TimeoutError:
            raise subprocess.TimeoutExpired(list(arguments), timeout, *(f.read_bytes() for f in files)) from None
        finally:
            for fd in said:
                os.close(fd)
        assert answer is not None, "the process that forks ended: what it said is on stderr"
        return subprocess.CompletedProcess(list(arguments), answer, *(file.read_text() for file in files))

    def start(self) -> None:
        if self.server is not None:
            return
        env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | {"OMP_NUM_THREADS": THREADS}
        command = [sys.executable, "-P", __file__, self.address]
        self.server = subprocess.Popen(
            command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )
        assert self.server.stdout.readline(), "the process that forks ended: what it said is on stderr"

    def end(self) -> None:
        if self.server is not None:
            self.server.stdin.close()
            self.server.wait()
            self.server.stdout.close()
            self.server = None


def send(connection: socket.socket, message: object, fds: Sequence[int] = ()) -> None:
    data = json.dumps(message).encode()
    socket.send_fds(connection, [struct.pack("I", len(data))], fds)
    connection.sendall(data)


def receive(connection: socket.socket, fds: int = 0) -> object:
    """The next message, with `fds` a pair of it and its file descriptors; None where there is no more."""
    head, given, _, _ = socket.recv_fds(connection, 4, fds)
    if not head:
        return None
    (length,), data = struct.unpack("I", head), b""
    while len(data) < length:
        data += connection.recv(length - len(data))
    message = json.loads(data)
    return (message, given) if fds else message


def ask(address: str, program: dict, fds: Sequence[int]) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(address)
    send(connection, program, fds)
    return connection


class Server:
    """Forks programs and tells their clients how they ended; a program whose client is gone is killed."""

    def __init__(self, address: str):
        self.clients: dict[int, socket.socket] = {}  # by process
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(address)
        self.listener.listen(64)
        self.woken, wake = os.pipe()
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def serve(self) -> Callable[[], int] | None:
        """Returns in every fork what it is to do, and None when the standard input ends."""
        while True:
            ready, _, _ = select.select([0, self.woken, self.listener, *self.clients.values()], [], [])
            if 0 in ready:
                for process in self.clients:
                    kill(process)
                return None
            if self.listener in ready and (program := self.accept()):
                return program
            for process, client in self.clients.items():
                if client in ready:  # which only tells that it is gone
                    kill(process)
            if self.woken in ready:
                os.read(self.woken, 1000)
                self.reap()

    def accept(self) -> Callable[[], int] | None:
        client, _ = self.listener.accept()
        program, fds = receive(client, 2)
        process = os.fork()
        if process:
            for fd in fds:
                os.close(fd)
            self.clients[process] = client
            send(client, process)
            return None
        os.setsid()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for connection in (self.listener, client, *self.clients.values()):
            connection.close()
        os.close(self.woken)
        for number, fd in enumerate([os.open(os.devnull, os.O_RDONLY), *fds]):
            os.dup2(fd, number)
            os.close(fd)
        return lambda: run(**program)

    def reap(self) -> None:
        while self.clients:
            process, status = os.waitpid(-1, os.WNOHANG)
            if not process:
                return
            with self.clients.pop(process) as client, suppress(BrokenPipeError):
                send(client, os.waitstatus_to_exitcode(status))


def kill(process: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process, signal.SIGKILL)


def run(arguments: list[str], cwd: str, env: dict[str, str]) -> int:
    """The exit status of `python ARGUMENTS`: of a file, of -m and a module, or of -c and code."""
    import runpy
    import types

    if (threads := env.get("OMP_NUM_THREADS", THREADS)) != os.environ["OMP_NUM_THREADS"]:
        from threadpoolctl import threadpool_limits

        threadpool_limits(int(threads))  # what it is set to was read when torch and numpy were imported
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    sys.path[:0] = [path for path in env.get("PYTHONPATH", "").split(os.pathsep) if path]
    first, *rest = arguments
    try:
        if first == "-m":
            sys.path.insert(0, cwd)
            sys.argv = rest
            runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
        else:
            main = sys.modules["__main__"] = types.ModuleType("__main__")
            if first == "-c":
                text, sys.argv = rest[0], ["-c", *rest[1:]]
            else:
                text, sys.argv, main.__file__ = Path(first).read_bytes(), arguments, first
            sys.path.insert(0, "" if first == "-c" else str(Path(first).resolve().parent))
            exec(compile(text, "<string>" if first == "-c" else first, "exec"), vars(main))
    except SystemExit as e:
        if e.code is None or isinstance(e.code, int):
            return e.code or 0
        print(e.code, file=sys.stderr)
        return 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
        return 1
    return 0


def leave(status: int) -> NoReturn:
    """As the interpreter does, but for the memory, which it would copy in order to clear it."""
    import atexit
    import threading

    threading._shutdown()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(status)


def start_server(address: str) -> None:
    import gc
    from importlib import import_module

    for module in IMPORTED:
        import_module(module)
    gc.collect()
    gc.freeze()
    server = Server(address)
    print("ready", flush=True)
    if program := server.serve():
        leave(program())


def stand_in(address: str, *arguments: str) -> int:
    program = {"arguments": arguments, "cwd": str(Path.cwd()), "env": dict(os.environ)}
    with ask(address, program, [1, 2]) as connection:
        process = receive(connection)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda number, _: os.kill(process, number))
        status = receive(connection)
    return GONE if status is None else status


if __name__ == "__main__":
    if len(sys.argv) == 2:
        start_server(sys.argv[1])
    else:
        status = stand_in(*sys.argv[1:])
        if status < 0:
            signal.signal(-status, signal.SIG_DFL)
            os.kill(os.getpid(), -status)
        sys.exit(status)
