"""Numbers that an experiment leaves to its data."""

import math
from pathlib import Path

import pytest
import tiny

from gde.config import resolve
from gde.config.budget import LONGER, Sizes, is_open, settle
from gde.config.stored import check_resolved
from gde.errors import GdeError
from gde.runs.sizes import expected, settled, sizes_of

ROOT = Path(__file__).resolve().parents[2]
CELLS = "dataset: {kind: h5ad, path: cells.h5ad, groupby: [donor]}\n"
READS = "dataset: {kind: sequences, path: reads.fasta, groupby: [donor]}\n"
SMALL = Sizes(samples=490, groups=10, typical=90, features=20)
LARGE = Sizes(samples=1_000_000, groups=900, typical=1000, features=2000)
PANEL = Sizes(samples=2000, groups=400, typical=6, features=8)


@pytest.fixture
def mine(tmp_path):
    """mine(text, preset): an experiment file of one's own, resolved."""

    def resolved(text: str, preset: str = "laptop", **over):
        (tmp_path / "config/experiments").mkdir(parents=True, exist_ok=True)
        (tmp_path / "config/experiments/mine.yaml").write_text(text)
        return resolve("mine", {"preset": preset, "mine": over}, tmp_path)

    return resolved


def told(config: dict) -> dict:
    training = config["training"]
    numbers = {key: training[key] for key in ("steps", "n_sets", "set_size", "validate_every", "checkpoint_every")}
    widths = {f"{part}.hidden": config[part].get("hidden") for part in ("encoder", "generator")}
    return numbers | widths | {"latent_dim": config["latent_dim"], "warmup": training["scheduler"]["warmup"]}


@pytest.mark.parametrize("sizes", [SMALL, LARGE, PANEL, Sizes()], ids=["small", "large", "panel", "unknown"])
@pytest.mark.parametrize("preset", ["smoke", "laptop", "paper"])
@pytest.mark.parametrize("text", [CELLS, READS], ids=["cells", "reads"])
def test_everything_is_settled_and_possible(mine, text, preset, sizes):
    resolved = mine(text, preset)
    out = settle(resolved, sizes)
    assert (is_open(resolved) or (text, preset) == (READS, "smoke")) and not is_open(out)
    assert all(isinstance(n, int) and n >= 1 for n in told(out).values() if n is not None)
    check_resolved(out, Path("mine"))
    assert settle(out, sizes) == out and settle(resolved, sizes) == out


def test_the_budget_grows_with_the_data_and_not_without_end(mine):
    steps = [settle(mine(CELLS), Sizes(10**n, 50, 100, 20))["training"]["steps"] for n in range(2, 9)]
    assert steps == sorted(steps) and steps[0] == 300 and steps[-1] == 5000
    assert told(settle(mine(CELLS), SMALL)) == {
        "steps": 300, "n_sets": 32, "set_size": 64, "validate_every": 30, "checkpoint_every": 30, "warmup": 30,
        "encoder.hidden": 128, "generator.hidden": 128, "latent_dim": 32,
    }  # fmt: skip
    large, panel = (told(settle(mine(CELLS), sizes)) for sizes in (LARGE, PANEL))
    assert (large["latent_dim"], large["encoder.hidden"]) == (128, 256)
    assert (panel["latent_dim"], panel["encoder.hidden"], panel["set_size"]) == (64, 128, 8)


@pytest.mark.parametrize("typical", [1, 3, 8, 9, 33, 64, 65, 10**6])
def test_sets_are_as_large_as_most_groups(mine, typical):
    size = settle(mine(CELLS), Sizes(1000, 10, typical, 5))["training"]["set_size"]
    assert 8 <= size <= 64 and math.log2(size).is_integer()
    assert size >= min(typical, 64) and (size == 8 or size < 2 * typical)


def test_long_is_ten_times_as_long(mine):
    laptop, paper = (settle(mine(CELLS, preset), SMALL)["training"]["steps"] for preset in ("laptop", "paper"))
    assert paper == LONGER * laptop


@pytest.mark.parametrize("length", [50, 500, 5000])
def test_sequences_cost_by_their_residues(mine, length):
    sizes = Sizes(10**6, 50, 500, length, length)
    training = settle(mine(READS), sizes)["training"]
    residues = training["steps"] * training["n_sets"] * training["set_size"] * length
    assert training["steps"] in (100, 1000) or residues == pytest.approx(64e6, rel=0.02)


def test_what_is_given_wins(mine):
    text = CELLS + "encoder: {kind: attention}\ngenerator: {hidden: 48}\nlatent_dim: 7\ntraining: {set_size: 20}\n"
    out = settle(mine(text, training={"n_sets": 16}), LARGE)
    assert out["encoder"]["kind"] == "attention" and out["encoder"]["hidden"] == 256  # auto stays with another kind
    assert (out["generator"]["hidden"], out["latent_dim"]) == (48, 7)
    assert (out["training"]["set_size"], out["training"]["n_sets"]) == (20, 16)


def test_who_gives_the_steps_has_their_schedule_as_ever(mine):
    training = mine(CELLS + "training: {steps: 500}\n")["training"]
    assert (training["steps"], training["validate_every"], training["scheduler"]["warmup"]) == (500, 200, 100)


def test_shipped_experiments_leave_nothing_open():
    from gde.config import resolve_all

    for preset in ("smoke", "laptop", "paper"):
        for resolved in resolve_all({"preset": preset}, ROOT).values():
            assert not is_open(resolved)


def test_sizes_are_those_of_what_trains(cells_store, family_store):
    sizes, train = sizes_of(cells_store), cells_store.groups.query("split == 'train'")
    rows = train["stop"] - train["start"]
    assert (sizes.samples, sizes.groups, sizes.features, sizes.positions) == (rows.sum(), len(train), 5, 1)
    assert (rows <= sizes.typical).mean() >= 0.75 - 1 / len(train) and sizes.typical in set(rows)
    assert sizes_of(family_store) == Sizes(features=2)


def open_experiment(path: Path) -> dict:
    return tiny.cells_experiment(path, {"training.steps": "auto", "latent_dim": "auto", "encoder.hidden": "auto"})


def test_a_run_is_of_the_settled_numbers(tmp_path, cells_h5ad, cells_store, no_fsync):
    from gde.cli.train_run import train_run
    from gde.files.io import read_json

    left = open_experiment(cells_h5ad) | {"encoder": {"kind": "mean"}}
    left["training"] |= {"steps": 2}
    given = left | {"latent_dim": 32}
    runs = [train_run(c, cells_store.path, tmp_path / "runs", tmp_path / "m", accelerator="cpu") for c in (left, given)]
    assert runs[0] == runs[1]
    assert read_json(tmp_path / "m/config.json")["latent_dim"] == 32
    assert read_json(tmp_path / "runs" / runs[0] / "run.json")["config"]["latent_dim"] == 32


def test_the_check_knows_as_much_as_there_is(tmp_path, cells_h5ad, cells_store):
    left = open_experiment(cells_h5ad)
    assert expected(left, cells_store.path) == settled(left, cells_store)
    guess = expected(left, tmp_path / "none")
    assert not is_open(guess) and guess["encoder"]["hidden"] == 128
    assert expected(tiny.experiment(), tmp_path / "none") == tiny.experiment()


def test_numbers_that_do_not_fit_are_told(cells_h5ad, cells_store):
    left = open_experiment(cells_h5ad)
    left["encoder"] = {"kind": "attention", "hidden": "auto", "layers": 1, "heads": 3, "induced": 0} | {
        "moments": True, "skip": True
    }  # fmt: skip
    with pytest.raises(
        GdeError, match=r"cells, with the sizes of .*: encoder\.heads: found 3, expected a divisor"
    ) as e:
        settled(left, cells_store)
    assert "\n" not in str(e.value)
