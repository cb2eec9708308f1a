"""Methylation reads: from published files, loaded from a mirror, to metrics, at the smoke preset."""

import gzip
import json
from pathlib import Path

import pytest
import yaml
from copies import SMOKE, copy_project, served
from drawn import draw_all
from simulators.methylation import simulate_methylation

from gde.files.io import sha256_file
from gde.runs.input_links import SAME, links
from gde.sets.store.layout import PROVENANCE
from gde.sets.store.set_store import SetStore

pytestmark = pytest.mark.workflow
SETTING = "methylation{}={{dataset: {{genome: resources/methylation/{}, split: {{validation: {}}}}}}}"


def publish(root: Path, files: list[Path]) -> None:
    """Give these files as the published ones, their genome among them."""
    table = yaml.safe_load((root / "resources/sources.yaml").read_text())
    known = {f.name: {"urls": [f"https://example.org/{f.name}"], "sha256": sha256_file(f)} for f in files}
    table["methylation"]["files"] = known
    (root / "resources/sources.yaml").write_text(yaml.safe_dump(table))


@pytest.fixture(scope="module")
def prepared(tmp_path_factory, snakemake):
    """A project without data, a mirror with simulated files, and what both experiments made of them."""
    root, mirror = copy_project(tmp_path_factory.mktemp("reads")), tmp_path_factory.mktemp("mirror")
    truth = simulate_methylation(mirror / "methylation", {"Blood-NK": 0.1, "Liver": 0.85}, fragments=120, seed=0)
    publish(root, [truth.fasta, *truth.files.values()])
    settings = [SETTING.format(name, "genome.fa", "samples") for name in ("", "_class")]
    targets = [f"results/methylation/{file}" for file in ("metrics.json", "samples.fasta.gz")]
    targets += ["results/methylation_class/metrics.json"]
    done = snakemake(root, *targets, *SMOKE, *settings, f"mirror={mirror}", timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    return root, truth, [*settings, f"mirror={mirror}"]


def test_files_found_by_a_pattern_become_metrics(prepared):
    root, truth, _ = prepared
    store = SetStore.open(root / "results/sets/methylation")
    assert store.groups["group"].nunique() == len(truth.files) and store.meta["counted"]["reads"] > 500
    report = json.loads((root / "results/methylation/metrics.json").read_text())
    assert report["data"] == "user" and {"tissue/accuracy", "methylation/rate_error"} <= set(report["metrics"])
    report = json.loads((root / "results/methylation_class/metrics.json").read_text())
    assert "tissue/head_accuracy" in report["metrics"]
    with gzip.open(root / "results/methylation/samples.fasta.gz", "rt") as f:
        header = f.readline()
    assert "tissue=" in header and "run=methylation-" in header


def test_every_file_is_part_of_the_provenance(prepared, monkeypatch):
    root, truth, _ = prepared
    record = json.loads((root / "results/sets/methylation" / PROVENANCE).read_text())
    assert set(record["inputs"].values()) == {sha256_file(f) for f in (truth.fasta, *truth.files.values())}
    monkeypatch.chdir(root)
    found = list(links(Path("results/sets/methylation")))
    assert found and {finding.state for finding in found} == {SAME}


def test_every_figure_is_drawn(prepared, tmp_path):
    assert "methylation_levels" in draw_all(prepared[0], "methylation", tmp_path)


def test_nothing_is_planned_again_but_a_figure(prepared, planned):
    root, _, settings = prepared
    targets = ["results/methylation/metrics.json", "results/methylation_class/metrics.json"]
    figure = "results/methylation/figures/methylation_levels.svg"
    assert planned(root, *targets, figure, *SMOKE, *settings) == {"figure": 1}


def test_a_pattern_without_files_is_told_before_any_job(project, snakemake):
    settings = "methylation={dataset: {files: [mine/*.pat.gz]}}"
    done = snakemake(project, "-n", "results/sets/methylation", *SMOKE, settings)
    assert done.returncode == 2
    assert "no file 'mine/*.pat.gz'" in done.stdout + done.stderr


def test_the_excerpt_from_a_server_becomes_metrics(project, snakemake, excerpt, tmp_path_factory):
    """Real reads under the published names, a replicate of each mixture held out."""
    mirror, folder = tmp_path_factory.mktemp("server"), excerpt("methylation")
    files = [folder / "ref/hg38mini.fa", *sorted((folder / "pat").glob("*.pat.gz"))]
    (mirror / "methylation").mkdir()
    for file in files:
        (mirror / "methylation" / file.name).symlink_to(file)
    publish(project, files)
    setting = SETTING.format("", "hg38mini.fa", "reads")
    with served(mirror) as address:
        target = "results/methylation/metrics.json"
        done = snakemake(project, target, *SMOKE, setting, f"mirror={address}", timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads((project / "results/methylation/metrics.json").read_text())
    assert report["data"] == "excerpt" and report["metrics"]["tissue/accuracy"]["n"] == 4
