"""One training: found, continued or begun under its hash, and published."""

from pathlib import Path
from typing import Any

from gde.cluster.rank import find_place, joined_processes
from gde.config import run_id, training_slice
from gde.definitions.digest import code_digest
from gde.fetch.published_models import with_digests
from gde.files.seals import write_sealed_json
from gde.runs.code_digest import training_roots
from gde.runs.provenance import provenance
from gde.runs.publishing import hardware, is_finished, one_writer, publish
from gde.runs.sizes import settled


def train_run(config: dict[str, Any], store_dir: Path, runs_dir: Path, model_dir: Path, *, accelerator: str) -> str:
    """Train the experiment, or continue, or merely publish a finished run of the same hash; returns the run's id.

    The hash covers the resolved config with the published weights it names and the numbers that it leaves to the data,
    the store's content and the training code, so that a run is never continued under another meaning. Under torchrun or
    srun every process calls this; the first one writes.
    """
    from gde.cluster.device import pick_device
    from gde.sets.store.set_store import SetStore
    from gde.training import train

    store = SetStore.open(store_dir)
    config = settled(with_digests(config), store)
    code = code_digest(training_roots(config))
    run = run_id(config, store.digest, code)
    run_dir, place = runs_dir / run, find_place()
    device = pick_device(accelerator, place, tell=True)
    backend = "nccl" if device.type == "cuda" else "gloo"
    with joined_processes(place, backend) as first, one_writer(run_dir, enabled=first):
        if not is_finished(run_dir):
            record = {"run": run, "experiment": config["name"], "store": store.digest, "code": code}
            if first:
                write_sealed_json(run_dir / "run.json", record | {"config": config})
            model, budget = train(config, store, run_dir, device=device)
            model.config |= record | {"budget": budget, "data": store.meta["data"], "hardware": hardware(device)}
            settings, seeds, inputs = training_slice(config), {"experiment": config["seed"]}, {"store": store.digest}
            model.config["provenance"] = provenance(settings, code=code, seeds=seeds, inputs=inputs, device=device)
            if first:
                model.to("cpu").save(run_dir / "model")
        if first:
            publish(run_dir, model_dir)
    return run
