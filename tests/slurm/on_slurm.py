"""The workflow in a copy of the project, run by Snakemake on the test cluster and disturbed there."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
CLUSTER = Path(__file__).with_name("cluster.sh")
SNAKEMAKE = (sys.executable, str(Path(__file__).with_name("quick_snakemake.py")))
SLURM = ("--profile", "profiles/slurm", "--slurm-init-seconds-before-status-checks", "6", "--latency-wait", "15")
# A training of seconds with many checkpoints; its first steps take as long as the reaction of a test.
QUICK = (
    "normal={dataset: {test_sets: 4, validation_sets: 2}, encoder: {hidden: 8, layers: 1}, generator: {hidden: 8}, "
    "training: {steps: 300, n_sets: 8, set_size: 16, torch_threads: 1, validate_every: 100, checkpoint_every: 10, "
    "log_every: 10, tensorboard: false}}"
)
SMOKE = ("--config", "preset=smoke", "accelerator=cpu")
MODEL = ("results/normal/model", *SMOKE, QUICK)


def copy_project(target: Path) -> Path:
    """The parts of the project that the workflow needs."""
    for part in ("gde", "workflow", "config", "profiles", "envs", "resources"):
        shutil.copytree(ROOT / part, target / part, ignore=shutil.ignore_patterns("__pycache__"))
    return target


def edit(file: Path, *changes: tuple[str, str]) -> None:
    """Replace what must be there."""
    text = file.read_text()
    for old, new in changes:
        assert old in text, f"{file}: no {old!r}"
        text = text.replace(old, new)
    file.write_text(text)


def cluster(*action: str, **settings: str) -> str:
    """cluster.sh with these settings; returns what it said."""
    done = subprocess.run([CLUSTER, *action], env=os.environ | settings, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def wait_until(happened: Callable[[], Any], seconds: float, otherwise: Callable[[], str]) -> Any:
    """What `happened` returns once it is true; AssertionError with `otherwise()` when that takes too long."""
    until = time.monotonic() + seconds
    while not (value := happened()):
        assert time.monotonic() < until, otherwise()
        time.sleep(0.02)
    return value


class Run:
    """Snakemake in the background on the cluster, and the jobs that it submits."""

    def __init__(self, root: Path, environment: dict[str, str], *arguments: str):
        self.root = root
        self.known = set(self.checkpoints())
        self.output = root / f"output-{len(list(root.glob('output-*')))}"
        with self.output.open("w") as f:
            self.snakemake = subprocess.Popen(
                [*SNAKEMAKE, *SLURM, *arguments], cwd=root, env=environment, stdout=f, stderr=subprocess.STDOUT
            )

    def said(self) -> str:
        return self.output.read_text()

    def wait(self, seconds: float = 240) -> int:
        """Snakemake's exit status."""
        try:
            return self.snakemake.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"Snakemake did not end\n{self.said()}") from None

    def submitted(self) -> list[str]:
        """Slurm's numbers of the jobs so far."""
        return re.findall(r"submitted with SLURM jobid (\d+)", self.said())

    def jobs(self) -> list[dict[str, str]]:
        """What the controller knows of them; for five minutes after they have ended."""
        return [job(number) for number in self.submitted()]

    def ended(self, number: str) -> bool:
        return job(number)["JobState"] not in ("PENDING", "CONFIGURING", "RUNNING", "COMPLETING")

    def cancel_jobs(self) -> None:
        command("scancel", *self.submitted())

    def checkpoints(self) -> list[Path]:
        return sorted(self.root.glob("results/runs/normal-*/checkpoints/step-*/SHA256SUMS"))

    def training(self) -> int | None:
        """The process that trains here."""
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
                state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
            except (FileNotFoundError, ProcessLookupError):
                continue
            scripts = (w for w in words if w.startswith(f"{self.root}/.snakemake/scripts/") and w.endswith("train.py"))
            if next(scripts, None) and state != "Z":
                return int(folder.name)
        return None

    def pause_training(self) -> int:
        """Stop the training, alive, right after a new checkpoint; returns its process."""

        def new_checkpoint() -> bool:
            assert self.snakemake.poll() is None, self.said()
            return bool(set(self.checkpoints()) - self.known)

        wait_until(new_checkpoint, 240, self.said)
        process = wait_until(self.training, 1, self.said)
        os.kill(process, signal.SIGSTOP)
        self.known = set(self.checkpoints())
        assert not self.finished(), "too fast: raise training.steps"
        return process

    def finished(self) -> bool:
        return (self.root / "results/normal/model").exists()

    def log(self) -> str:
        return (self.root / "results/logs/train/normal.log").read_text()

    def end(self) -> None:
        """Whatever the test came to, nothing of it stays alive."""
        self.snakemake.kill()
        self.snakemake.wait()
        if process := self.training():
            os.kill(process, signal.SIGKILL)
        mine = [line.split() for line in command("squeue", "-h", "-o", "%i %Z").splitlines()]
        if numbers := [number for number, folder in mine if folder == str(self.root)]:
            command("scancel", *numbers)


def command(*words: str) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True, timeout=60).stdout


def job(number: str) -> dict[str, str]:
    """`scontrol show job`, by field."""
    fields = (word.partition("=") for word in command("scontrol", "--oneliner", "show", "job", number).split())
    return {key: value for key, _, value in fields}


def resume_with_sigterm(process: int, seconds: float, run: Run) -> None:
    """Let a stopped process go on as soon as SIGTERM waits for it, so that it cannot end by itself before."""
    wait_until(lambda: sigterm_is_pending(process), seconds, run.said)
    with suppress(ProcessLookupError):
        os.kill(process, signal.SIGCONT)


def sigterm_is_pending(process: int) -> bool:
    """Whether SIGTERM waits for a stopped process, or has ended it."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return bool(int(re.search(r"^ShdPnd:\s*(\w+)", status, re.M)[1], 16) >> (signal.SIGTERM - 1) & 1)
