"""Promoters become quantiles of each condition: exact shares, splits by sequence, the top held out, nothing lost."""

import subprocess
import sys

import numpy as np
import pytest
from prepare_data import refused
from simulators.promoters import simulate_promoters

from gde.config.datasets.promoters import Gpra
from gde.prepare.gpra import prepare
from gde.readers import text_lines
from gde.sets.store.set_store import SetStore


def gpra_cfg(files: dict, **changes) -> dict:
    small = {"files": {c: str(f) for c, f in files.items()}, "quantiles": 20, "top": 2, "length": 112}
    return Gpra.model_validate({"kind": "gpra", **small, **changes}).model_dump()


def store_of(files: dict, out, **changes) -> SetStore:
    prepare(gpra_cfg(files, **changes), out, name="gpra", seed=0)
    return SetStore.open(out)


def contents(store: SetStore) -> dict:
    """(condition, sequence, expression) of every row -> (quantile, split)."""
    out = {}
    expression = store.field("expression")
    for g, row in store.groups.iterrows():
        part = slice(row["start"], row["stop"])
        for sequence, value in zip(store.alphabet.decode(store.read(g)), expression[part], strict=True):
            out[row["condition"], sequence, float(value)] = row["quantile"], row["split"]
    return out


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    """Two conditions; the second measures the first 600 promoters of the first again."""
    root = tmp_path_factory.mktemp("promoters")
    first = simulate_promoters(root / "one.txt.gz", 2000, seed=0)
    second = simulate_promoters(root / "two.txt.gz", 1500, seed=1, shared=first)
    return {"one": root / "one.txt.gz", "two": root / "two.txt.gz"}, {"one": first, "two": second}


@pytest.fixture(scope="module")
def store(simulated, tmp_path_factory):
    return store_of(simulated[0], tmp_path_factory.mktemp("store") / "sets")


def test_every_promoter_is_there_once_in_the_quantile_of_its_rank(simulated, store):
    found = contents(store)
    for condition, truth in simulated[1].items():
        n = len(truth.sequences)
        value = truth.expression
        for i, sequence in enumerate(truth.sequences):
            quantile, _ = found[condition, sequence, float(np.float32(value[i]))]
            low, high = (value < value[i]).sum(), (value <= value[i]).sum() - 1  # ranks that a tie may have
            edges = np.arange(1, 20) * n // 20
            assert np.searchsorted(edges, low, "right") <= quantile <= np.searchsorted(edges, high, "right")
        sizes = store.groups[store.groups["condition"] == condition]
        total = (sizes["stop"] - sizes["start"]).groupby(sizes["quantile"]).sum()
        assert total.sum() == n and total.max() - total.min() <= 1
    assert store.meta["counted"]["one"] == {"rows": 2000, "too_long": 0}


def test_the_top_is_held_out_and_the_rest_split_by_sequence(simulated, store):
    groups = store.groups
    assert set(groups["split"][groups["quantile"] >= 18]) == {"test"}
    below = groups[groups["quantile"] < 18]
    share = (below["stop"] - below["start"]).groupby(below["split"]).sum() / store.sizes.sum()
    assert share["train"] == pytest.approx(0.9 * 0.7, abs=0.03) and share["test"] == pytest.approx(0.9 * 0.2, abs=0.03)
    found = contents(store)
    of: dict[str, set] = {}
    for (_, sequence, _), (quantile, split) in found.items():
        if quantile < 18:
            of.setdefault(sequence, set()).add(split)
    shared = set(simulated[1]["one"].sequences[:600]) & set(of)
    assert len(shared) > 500 and all(len(splits) == 1 for splits in of.values())


def test_mean_expression_rises_with_the_quantile(store):
    for _, own in store.groups.groupby("condition"):
        mean = own.groupby("quantile")["expression"].mean()
        assert (np.diff(mean) >= -1e-9).all()
    expression = store.field("expression")
    own = [expression[a:b].mean() for a, b in zip(store.groups["start"], store.groups["stop"], strict=True)]
    np.testing.assert_allclose(store.groups["expression"], own, rtol=1e-5)


def test_the_same_store_from_other_blocks(simulated, store, tmp_path, monkeypatch):
    smaller = {**text_lines.line_blocks.__kwdefaults__, "size": 5000}
    monkeypatch.setattr(text_lines.line_blocks, "__kwdefaults__", smaller)
    assert store_of(simulated[0], tmp_path / "sets").digest == store.digest


def test_another_length_leaves_the_split_as_it_is(simulated, store, tmp_path):
    assert contents(store_of(simulated[0], tmp_path / "sets", length=150)) == contents(store)


def test_longer_promoters_are_refused_or_left_out(simulated, tmp_path):
    files, truth = simulated
    with refused(tmp_path / "a" / "sets", "line 1:", "110 residues", "too_long: drop"):
        store_of(files, tmp_path / "a" / "sets", length=100)
    longer = tmp_path / "longer.txt"
    sequences = truth["one"].sequences[:300]
    longer.write_text("".join(f"{s + 'A' * (20 * (i % 10 == 0))}\t{i}\n" for i, s in enumerate(sequences)))
    found = store_of({"one": longer}, tmp_path / "b", length=112, too_long="drop", quantiles=10, top=1)
    assert found.meta["counted"]["one"] == {"rows": 300, "too_long": 30} and found.sizes.sum() == 270
    assert store_quantiles(found) == [27] * 10  # ranked among all 300


def store_quantiles(store) -> list[int]:
    own = store.groups
    return (own["stop"] - own["start"]).groupby(own["quantile"]).sum().tolist()


def test_too_few_promoters_and_empty_splits_are_refused(tmp_path):
    few = tmp_path / "few.txt"
    few.write_text("".join(f"ACGT{'ACGT'[i % 4] * (i // 4 + 1)}\t{i}\n" for i in range(12)))
    with refused(tmp_path / "a" / "sets", "12 promoters", "20 quantiles"):
        store_of({"one": few}, tmp_path / "a" / "sets")
    with refused(tmp_path / "b" / "sets", "no group of 5 or more promoters in split"):
        store_of({"one": few}, tmp_path / "b" / "sets", quantiles=10, top=1, min_size=5)


def test_small_groups_are_left_out_and_counted(simulated, tmp_path):
    found = store_of(simulated[0], tmp_path / "sets", min_size=12)
    assert found.sizes.min() >= 12 and found.meta["dropped_samples"] == 3500 - found.sizes.sum() > 0


def test_damage_is_found_and_leaves_nothing(simulated, tmp_path):
    data = simulated[0]["one"].read_bytes()
    cut = tmp_path / "cut.txt.gz"
    cut.write_bytes(data[: len(data) // 2])
    with refused(tmp_path / "a" / "sets", "cut.txt.gz", "damaged or cut gzip"):
        store_of({"one": cut}, tmp_path / "a" / "sets")


def test_real_promoters(excerpt, tmp_path):
    folder = excerpt("gpra")
    files = sorted(folder.glob("*.txt.gz"))
    store = store_of({f"c{i}": f for i, f in enumerate(files)}, tmp_path / "sets", quantiles=100, top=5, length=136)
    assert store.sizes.sum() == 13_757 and store.meta["data"] == "excerpt"
    assert {c["rows"] for c in store.meta["counted"].values()} == {2215, 3966, 2799, 4777}
    assert set(store.groups["quantile"]) == set(range(100))


GROWTH = """
import resource, sys
from pathlib import Path
from gde.config.datasets.promoters import Gpra
from gde.prepare.common import quantiles
from gde.prepare.gpra import prepare
from gde.sets.store import external_sort
quantiles.BLOCK, external_sort.BYTES = 1 << 14, 1 << 22  # so that few rows are many blocks
cfg = Gpra.model_validate({"kind": "gpra", "files": {"one": sys.argv[1]}}).model_dump()
prepare(cfg, Path(sys.argv[2]), name="gpra", seed=0)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_memory_does_not_grow_with_the_promoters(tmp_path):
    """Four times the rows, 27 MB of them more: the peak may grow by far less."""
    peaks = []
    for name, rows in (("few", 60_000), ("many", 240_000)):
        path = tmp_path / f"{name}.txt.gz"
        simulate_promoters(path, rows, keep=False)
        done = subprocess.run([sys.executable, "-c", GROWTH, str(path), str(tmp_path / name)],
                              capture_output=True, text=True, check=True)  # fmt: skip
        peaks.append(int(done.stdout) / 1024)
    assert peaks[1] - peaks[0] < 8
