"""The experiment `virus`, trained for seconds on a small epidemic: its sweeps are generated, its months are read."""

from pathlib import Path

import pytest
import torch
from epidemics import epidemic_store

from gde.config import resolve
from gde.evaluate.epidemic.evaluation import evaluate
from gde.evaluate.shared.context import Context
from gde.training import train

ROOT = Path(__file__).resolve().parents[2]
SMALL = {
    "dataset": {"length": 64, "min_characters": 1},
    "generator": {"hidden": 32, "layers": 1, "subsample": 2},
    "latent_dim": 16,
    "training": {"steps": 500, "scheduler": {"warmup": 30}, "torch_threads": 1, "validate_every": 50},
    "evaluation": {"mutations": ["D14G", "D30G", "D45G"], "bootstrap": 20, "generated": 200, "kmer": 2, "markov": 1},
}


@pytest.mark.slow
def test_sweeps_and_months_are_learned(tmp_path):
    store = epidemic_store(tmp_path / "sets")
    config = resolve("virus", {"preset": "laptop", "virus": SMALL}, ROOT)
    torch.manual_seed(0)
    model, _ = train(config, store, tmp_path / "run", device=torch.device("cpu"))
    with torch.no_grad():
        metrics, _ = evaluate(Context(model.eval(), store, config, 0))
    sweeps = metrics["sweeps/error"]  # of halves of 24 sequences: the largest one is mostly chance
    assert sweeps["value"] < 0.5 * min(sweeps["baselines"].values())
    assert metrics["sweeps/pearson"]["value"] > 0.9
    copies = metrics["novelty/copies"]  # who draws each site by itself has not half of them
    assert copies["value"] > 0.8 * copies["target"]
    month = metrics["month/mae"]
    assert (
        month["value"] < month["baselines"]["single_sequence"] and month["value"] < 0.5 * month["baselines"]["median"]
    )
    own = metrics["likelihood/token"]
    assert own["value"] > own["baselines"]["other_set"] and own["value"] > own["baselines"]["markov"]
