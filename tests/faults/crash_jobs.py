"""What the crash tests run in forked children: a training, or the bodies of the real rules; killed where they say."""

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gde.config import resolve, training_slice

CONFIG = {"preset": "smoke", "accelerator": "cpu", "mirror": "mirror"}
FIGURES = ("embedding", "loss")
NAME = "cells"


# One training


def train(config: dict[str, Any], store: str, run_dir: str, *, step: int = 0, number: int = 0) -> None:
    """Train or continue; with `step` the process gets signal `number` when so many steps are done."""
    import gde.training
    from gde.sets.store.set_store import SetStore

    update, done = gde.training.update_ema, 0

    def counted(*args: Any) -> None:
        nonlocal done
        update(*args)
        done += 1
        if done == step:
            os.kill(os.getpid(), number)

    gde.training.update_ema = counted
    os.fsync = lambda fd: None  # only matters to a power cut
    gde.training.train(config, SetStore.open(store), Path(run_dir), device=gde.training.torch.device("cpu"))


# The rules


class Files(list):
    """Paths by place and by name, as a rule's script sees its input and output."""

    def __init__(self, *paths: str, **named: str):
        super().__init__([*paths, *named.values()])
        vars(self).update(named)


class Job:
    """The object `snakemake` of one rule's script."""

    def __init__(self, rule: str, inputs: Files, output: Files, params: dict[str, Any], **wildcards: str):
        self.rule, self.input, self.output, self.threads, self.config = rule, inputs, output, 1, CONFIG
        self.params, self.wildcards = Files(**params), Files(**wildcards)
        self.log = [f"results/logs/{rule}/{'-'.join(wildcards.values()) or NAME}.log"]


def jobs() -> list[Job]:
    """The rules of an experiment on a user's cells that are fetched first, in their order."""
    resolved = resolve(NAME, CONFIG, Path())
    here, sets, raw = f"results/{NAME}", f"results/sets/{NAME}", "resources/tiny/cells.h5ad"
    model, z, metrics, tables = (f"{here}/{name}" for name in ("model", "embeddings.h5ad", "metrics.json", "tables"))
    about = {key: value for key, value in resolved.items() if key not in ("description", "preset")}
    return [
        Job("fetch", Files(), Files(raw), {}, source="tiny/cells.h5ad"),
        Job("prepare", Files(raw), Files(sets), {"settings": {k: resolved[k] for k in ("name", "seed", "dataset")}}),
        Job("train", Files(sets), Files(model), {"settings": training_slice(resolved)}),
        Job("embed", Files(model=model, sets=sets), Files(z), {}),
        Job("sample", Files(model=model, embeddings=z), Files(f"{here}/samples.h5ad"), {}),
        Job("evaluate", Files(model=model, sets=sets), Files(metrics=metrics, tables=tables), {"settings": about}),
        Job("card", Files(model=model, metrics=metrics), Files(f"{here}/MODEL_CARD.md"), {"description": "tiny"}),
        *(
            Job("figure", Files(metrics=metrics, tables=tables), Files(**{
                kind: f"{here}/figures/{name}.{kind}" for kind in ("svg", "png")}), {}, figure=name)
            for name in FIGURES
        ),
    ]  # fmt: skip


def build(*, instant: float | None = None, point: int | None = None, report: str | None = None) -> None:
    """Run every rule whose outputs are not all there and finished, as Snakemake would; the unfinished one again.

    Killed `instant` seconds after the start, or at the `point`-th write point (odd: before it, even: after it).
    report : file for the seconds and write points that it took.
    """
    started, points, times = time.monotonic(), Points(point), {}
    if instant is not None:
        signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
        signal.setitimer(signal.ITIMER_REAL, max(instant, 1e-4))
    for job in jobs():
        mark = Path("results/finished", "+".join(job.output[0].split("/")))
        if mark.exists() and all(Path(path).exists() for path in job.output):
            continue
        script = Path("workflow/scripts") / f"{job.rule}.py"
        exec(compile(script.read_text(), script, "exec"), {"snakemake": job, "__name__": "__main__"})
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch()
        times[f"{job.rule} {job.output[0]}"] = time.monotonic() - started
    if report:
        times = {"seconds": time.monotonic() - started, "after": times, "points": points.names}
        Path(report).write_text(json.dumps(times))


class Points:
    """Counts what brings data to the disk or gives it a name, as fsync, rename, link and mkdir do."""

    def __init__(self, kill_at: int | None):
        self.names: list[str] = []
        self.kill_at = kill_at
        import gde.files.temporary

        os.fsync = lambda fd: None  # counted, not done: it only matters to a power cut
        for module, name in (
            *((os, name) for name in ("fsync", "rename", "replace", "link", "unlink", "mkdir", "rmdir")),
            (os, "posix_fallocate"),
            (gde.files.temporary, "exchange"),
        ):
            setattr(module, name, self.counted(getattr(module, name), name))

    def counted(self, function: Callable, name: str) -> Callable:
        def wrapped(*args: Any, **options: Any) -> Any:
            self.reach(f"before {name}")
            result = function(*args, **options)
            self.reach(f"after {name}")
            return result

        return wrapped

    def reach(self, name: str) -> None:
        self.names.append(name)
        if len(self.names) == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
