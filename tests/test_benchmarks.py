"""Every benchmark says how it is used, has a quick form, and stands in benchmarks/README.md; what they compare is
comparable."""

import argparse
import importlib
import os
import re
import sys
from pathlib import Path

import pandas as pd
import pytest
import tiny
import torch

from gde.config.evaluations import EVALUATIONS
from gde.distances.mmd import mmd
from gde.distances.sinkhorn import sinkhorn_divergence
from gde.models.base import n_parameters
from gde.sets.families import build as build_family
from gde.sets.random import ShardRandom

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted((ROOT / "benchmarks").glob("*.py"))
SCRIPTS = [file for file in FILES if "__main__" in file.read_text()]
IDS = [script.stem for script in SCRIPTS]


@pytest.fixture
def script(monkeypatch):
    """script(name): a benchmark as a module."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module


@pytest.mark.parametrize("file", SCRIPTS, ids=IDS)
def test_help(file, warm):
    """Imports all that it measures, then prints its options."""
    done = warm.run([str(file), "--help"], cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "--quick" in done.stdout
    assert f"python benchmarks/{file.name} [" in done.stdout


@pytest.mark.parametrize("file", FILES, ids=[file.stem for file in FILES])
def test_is_listed(file):
    assert f"`{file.name}`" in (ROOT / "benchmarks/README.md").read_text()


def test_the_jobs_of_startup_are_the_rules(script):
    """Script by script and file by file, so that what is measured is what the workflow runs. A grid's cell is a
    training and an evaluation of this kind, its summary a small table; downloads wait for the network, and what
    they bring is converted once."""
    startup = script("startup")
    from gde.config import resolve

    config = resolve("gmm", {"experiments": ["gmm"], "preset": "smoke", "seed": 0, "accelerator": "cpu"}, ROOT)
    jobs = startup.jobs(config)
    once = {"fetch", "fetch_listed", "convert"}
    of_screens = {"predict"}  # which is a sampling, of experiments on perturbations
    of_grids = set(re.findall(r"scripts/(\w+)\.py", (ROOT / "workflow/rules/grid.smk").read_text()))
    alike = {"map", "page", "overview"}  # tables and pages, small as a figure or a card
    scripts = {file.stem for file in (ROOT / "workflow/scripts").glob("*.py")}
    assert set(jobs) == scripts - of_grids - once - of_screens - alike
    rules = "".join(file.read_text() for file in (ROOT / "workflow/rules").glob("*.smk"))
    for rule, job in jobs.items():
        text = rules.partition(f"rule {rule}:")[2].partition("\nrule ")[0]
        assert len(job["output"]) == text.partition("output:")[2].partition("log:")[0].count("results/")


def test_every_kind_is_timed_beside_a_reference(script):
    training = script("training")
    assert set(training.ENCODERS) == set(tiny.VECTOR_ENCODERS)
    assert set(training.GENERATORS) == set(tiny.VECTOR_GENERATORS)
    assert set(script("sequences").GENERATORS) == tiny.TOKEN_GENERATORS
    known = {(e, g) for e in training.ENCODERS for g in training.GENERATORS}
    assert known >= {*training.PUBLISHED, *training.STEP_GOALS}


@pytest.mark.parametrize("side", ["gde", "reference"])
def test_a_timed_step_trains(script, side):
    """Every kind on both sides: the loss is finite and the step moves the weights that the loss depends on."""
    training = script("training")
    x = training.training_batch(8, 32)
    pairs = [("resnet", g) for g in training.GENERATORS] + [(e, "flow") for e in training.ENCODERS if e != "resnet"]
    for encoder, generator in pairs:
        run, modules = training.make_step(side, encoder, generator, x, 1)
        before = [p.detach().clone() for p in modules.parameters()]
        run()
        run()  # what stands before a layer that starts at zero moves from the second step on
        moved = [not torch.equal(a, b) for a, b in zip(before, modules.parameters(), strict=True)]
        assert sum(moved) > 0.9 * len(moved), f"{side} {encoder} x {generator}"
        assert all(p.isfinite().all() for p in modules.parameters())


def test_reference_generators_are_as_large_as_ours(script):
    """With one residual block on our side, whose modulation by the embedding is a matrix too."""
    training = script("training")
    x = training.training_batch(4, 8)
    for kind in ("flow", "ddpm", "cvae", "sliced_w2"):
        ours, plain = (n_parameters(training.build_pair(side, "mean", kind, x, 1)[1]) for side in ("gde", "reference"))
        assert abs(ours - plain) <= 0.02 * ours, kind


def test_reference_encoders_are_as_large_as_ours(script):
    """The same architecture: as many numbers up to the biases of attention."""
    training = script("training")
    x = training.training_batch(4, 8)
    for kind in training.ENCODERS:
        ours, plain = (n_parameters(training.build_pair(side, kind, "flow", x, 1)[0]) for side in ("gde", "reference"))
        assert abs(ours - plain) <= 0.005 * ours, kind


@pytest.mark.parametrize("kind", ["gnn", "resnet"])
def test_reference_encoder_is_the_same_function(script, kind):
    """Concatenating the set's mean is one matrix, splitting it off is two halves of that matrix."""
    training = script("training")
    x = training.training_batch(4, 9)
    ours, plain = (training.build_pair(side, kind, "flow", x, 1)[0] for side in ("gde", "reference"))
    linears = iter([m for m in plain.modules() if isinstance(m, torch.nn.Linear)])
    with torch.no_grad():
        firsts = [m for m in ours.first.modules() if isinstance(m, torch.nn.Linear)]
        for own in firsts:
            copy_linear(own, next(linears))
        for block in ours.blocks:
            joined = next(linears)
            joined.weight.copy_(torch.cat([block.own.weight, block.pooled.weight], 1))
            joined.bias.copy_(block.own.bias)
            copy_linear(block.rest[1], next(linears))
        for own in [*getattr(ours, "inputs", []), ours.out]:
            copy_linear(own, next(linears))
    assert next(linears, None) is None
    torch.testing.assert_close(plain(x), ours(x), rtol=1e-4, atol=1e-5)


def copy_linear(source, target):
    target.weight.copy_(source.weight)
    target.bias.copy_(source.bias)


def test_reference_losses_have_our_values(script):
    reference = script("reference")
    x, y = torch.randn(2, 3, 40, 4, generator=torch.Generator().manual_seed(0))
    y = 1.5 * y + 0.5
    torch.testing.assert_close(reference.batched(reference.mmd)(x, y), mmd(x, y, biased=True), rtol=1e-3, atol=1e-5)
    found = reference.batched_sinkhorn(x, y, scaling=0.95)
    torch.testing.assert_close(found, sinkhorn_divergence(x, y), rtol=0.03, atol=0)


def test_repetitions_take_turns(script):
    called = []
    seconds = script("training").alternate({k: lambda k=k: called.append(k) for k in "ab"}, 3)
    assert called == list("ab" * 4)
    assert set(seconds) == {"a", "b"}


def test_peak_memory_is_of_a_process_of_its_own(script):
    """A tensor of this process does not count, as it would in ru_maxrss."""
    held = torch.ones(2**27)  # 537 MB
    used = script("training").peak_memory("reference", "mean", "flow", 1, 4, 8)
    assert 0 < used["before"] <= used["peak"] < held.nbytes / 1e6


@pytest.mark.parametrize("kind", ["gmm", "mvn_lowrank", "poisson", "multinomial", "mvn"])
def test_reference_sets_are_of_our_law(script, kind):
    """Mean and variance of all samples of many sets, within four standard errors of the reference's."""
    supply = script("supply")
    _, params, plain, _, _ = next(line for line in supply.FAMILIES if line[0] == kind)
    family, rng = build_family(kind, **params), ShardRandom(0, 0)
    ours = family.sample(family.draw(1000, rng), supply.SIZE, rng).double()
    generator = supply.np.random.default_rng(0)
    theirs = torch.stack([torch.as_tensor(plain(generator)).double() for _ in range(200)])
    for statistic in (lambda x: x.mean((1, 2)), lambda x: x.var(1).mean(1)):
        a, b = statistic(ours), statistic(theirs)
        assert abs(a.mean() - b.mean()) < 4 * (a.var() / len(a) + b.var() / len(b)).sqrt()


def test_learning_tells_who_learns(script, tmp_path, capsys):
    """An encoder that sees shape beats the mean, which only equals itself; nothing is learned in a single step."""
    learning = script("learning")
    options = {"hidden": 32, "sets": 12, "points": 150, "threads": 1, "seed": 0}
    kinds = [("encoder", "mean"), ("encoder", "gnn"), ("generator", "flow")]
    trained, fresh = (argparse.Namespace(steps=steps, **options) for steps in (200, 1))
    assert learning.compare("mvn", kinds, trained, tmp_path / "trained") == []
    assert learning.compare("mvn", kinds[2:], fresh, tmp_path / "fresh") == ["generator flow on mvn"]
    assert capsys.readouterr().out.count("learns") == 3


def test_learning_ends_with_an_error(script, monkeypatch, no_fsync):
    learning = script("learning")
    monkeypatch.setattr(sys, "argv", ["learning.py", "--quick", "--only", "flow", "--steps", "1", "--threads", "1"])
    with pytest.raises(SystemExit, match="generator flow on mvn; generator flow on gmm") as stopped:
        learning.main()
    assert stopped.value.code  # a text: exit status 1


def test_contenders_differ_only_in_what_they_race(script):
    """The same held-out sets and evaluation; batch, architecture and optimiser are each preset's own."""
    race = script("time_to_quality")
    for task, settings in race.TASKS.items():
        assert set(settings.metrics) <= set(EVALUATIONS["simulated"].metrics)
        default, paper = (race.settings(task, contender, 0, quick=False) for contender in race.PRESETS)
        assert default["dataset"] == paper["dataset"]
        assert default["evaluation"] == paper["evaluation"]
        assert default["dataset"]["test_sets"] == settings.dataset["test_sets"]
        assert paper["generator"]["kind"] == "ddpm"
        assert paper["training"]["n_sets"] == 256
    assert set(race.GOALS) <= {(task, metric) for task, settings in race.TASKS.items() for metric in settings.metrics}


def test_a_race_trains_what_fits_into_the_seconds(script):
    race = script("time_to_quality")
    options = argparse.Namespace(quick=True, budgets=[0.3])
    rows = pd.DataFrame(race.race("mvn5", "default", 0, 1.0, options))
    assert list(rows["metric"]) == list(race.TASKS["mvn5"].metrics)
    assert (rows["steps [1]"] >= 1).all()
    assert (rows["low"] <= rows["high"]).all()


def test_a_goal_is_met_by_the_seconds_of_the_first_good_value(script):
    race = script("time_to_quality")
    (task, metric), (published, seconds) = next(iter(race.GOALS.items()))
    columns = ["task", "metric", "contender", "learning rate x", "budget [s]", "training [s]", "value"]
    rows = [
        (task, metric, "default", 1.0, 10, seconds - 2, published * 1.1),
        (task, metric, "default", 3.0, 10, seconds - 1, published * 0.9),
        (task, metric, "default", 1.0, 30, 30.0, published * 0.5),
        (task, metric, "paper", 1.0, 10, 9.0, published * 2),
    ]
    met, missed = list(race.judge(pd.DataFrame(rows, columns=columns)))
    assert f"reached after {seconds - 1:.0f} s" in met
    assert "met" in met
    assert "not reached" in missed


def test_samplers_only_change_how_samples_are_drawn(script):
    """Every way of sampling takes the weights of the generator it names."""
    sampling = script("sampling")
    assert {f"flow-{n}" for n in (5, 10, 20)} | {"ddpm-400"} <= set(sampling.SAMPLERS)
    from gde.model import GDE

    for sampler, (generator, changes) in sampling.SAMPLERS.items():
        section = sampling.GENERATORS[generator] | {"hidden": 8, "layers": 1}
        config = {"encoder": {"kind": "mean"}, "generator": section, "latent_dim": 4}
        model = GDE(config, mean=[0.0, 0.0], scale=[1.0, 1.0])
        changed = sampling.with_sampler(model, changes)
        assert changed.config["generator"].items() >= changes.items(), sampler
        assert changed.sample(torch.zeros(1, 4), 5).shape == (1, 5, 2)
