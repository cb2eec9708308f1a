"""Clones, a screen and donors: from published files, loaded from a mirror, to metrics, at the smoke preset."""

import json
from pathlib import Path

import anndata as ad
import pytest
import yaml
from copies import SMOKE, copy_project, served
from simulators.donors import simulate_donors
from simulators.lineage import simulate_lineage
from simulators.perturb import simulate_perturb

from gde.fetch.lockfile import read_pins
from gde.files.input_files import LINEAGE
from gde.files.io import sha256_file
from gde.runs.input_links import SAME, links
from gde.sets.store.layout import PROVENANCE
from gde.sets.store.set_store import SetStore

pytestmark = pytest.mark.workflow
NAMES = ("lineage_tracing", "essential_genes", "donors")
SMALL = (
    "lineage_tracing={dataset: {n_hvg: 80, n_pcs: 8}}",
    "essential_genes={dataset: {n_hvg: 60, vectors: {n_pcs: 8}, split: {genes: [HELD]}}}",
    "donors={dataset: {labels: [disease], batch: batch, n_hvg: 60, n_pcs: 8}}",
)
SCREEN = "essential_genes/{}_raw_singlecell_01.h5ad"
LINES = {"K562": "K562", "RPE1": "A172"}  # by the excerpt that stands for each
CLONES = [f"lineage_tracing/{name}" for name in LINEAGE.values()]
FILES = [*CLONES, *map(SCREEN.format, LINES), "donors/onek1k.h5ad"]


def publish(root: Path, mirror: Path) -> None:
    """Give the files of a mirror as the published ones of the screen, whose sizes and digests are known otherwise."""
    file = root / "resources/sources.yaml"
    table = yaml.safe_load(file.read_text())
    for name in table["essential_genes"]["files"]:
        path = mirror / "essential_genes" / name
        table["essential_genes"]["files"][name] = {"bytes": path.stat().st_size, "sha256": sha256_file(path)}
    file.write_text(yaml.safe_dump(table))


def metrics(*names: str) -> list[str]:
    return [f"results/{name}/metrics.json" for name in names]


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    """A project without data, a mirror with simulated files, and the settings for them."""
    root, mirror = copy_project(tmp_path_factory.mktemp("cells")), tmp_path_factory.mktemp("mirror")
    simulate_lineage(mirror / "lineage_tracing", clones=40, genes=100, seed=0)
    screen = simulate_perturb(mirror / "essential_genes", perturbed=20, cells=30, seed=0)
    for line in LINES:
        (mirror / f"essential_genes/{line}.h5ad").rename(mirror / SCREEN.format(line))
    (mirror / "donors").mkdir()
    simulate_donors(mirror / "donors/onek1k.h5ad", donors=20, cells=40, genes=100, seed=0)
    publish(root, mirror)
    return root, [*(s.replace("HELD", screen.table["gene"][0]) for s in SMALL), f"mirror={mirror}"]


@pytest.fixture(scope="module")
def prepared(raw, snakemake):
    root, settings = raw
    predicted = "results/essential_genes/predictions.h5ad"
    done = snakemake(root, *metrics(*NAMES), predicted, *SMOKE, *settings, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    return root


@pytest.mark.parametrize("name", NAMES)
def test_raw_files_become_metrics(prepared, name):
    report = json.loads((prepared / f"results/{name}/metrics.json").read_text())
    assert report["data"] == "user" and report["metrics"]
    store = SetStore.open(prepared / f"results/sets/{name}")
    assert len(store.samples) == len(store.x) and set(store.groups["split"]) == {"train", "validation", "test"}


def test_held_out_perturbations_are_predicted_beside_their_controls(prepared, monkeypatch):
    monkeypatch.chdir(prepared)
    folder = Path("results/essential_genes")
    made, real = (ad.read_h5ad(folder / name) for name in ("predictions.h5ad", "observed.h5ad"))
    groups = SetStore.open("results/sets/essential_genes").groups
    test = groups[groups["split"] == "test"]
    for data in (made, real):
        assert set(data.obs["gene"]) == {*test["gene"], "non-targeting"} and data.X.min() >= 0
        assert data.obs["cell_line"].nunique() == 2
    assert list(made.var_names) == list(real.var_names) and made.n_obs == real.n_obs
    found = [finding for finding in links(folder) if "predictions.h5ad" in finding.what]
    assert {finding.state for finding in found} == {SAME} and len(found) == 3  # run, model, store


def test_every_file_is_loaded_recorded_and_part_of_the_provenance(prepared):
    digests = {f"resources/{file}": sha256_file(prepared / "resources" / file) for file in FILES}
    pins = read_pins(prepared)
    assert {file: pin["sha256"] for file, pin in pins.items()} == digests
    found = set()
    for name in NAMES:
        record = json.loads((prepared / f"results/sets/{name}" / PROVENANCE).read_text())
        found |= set(record["inputs"].values())
    assert found == set(digests.values())


@pytest.mark.parametrize("name", NAMES)
def test_a_store_is_verified_against_every_file(prepared, monkeypatch, name):
    monkeypatch.chdir(prepared)
    found = list(links(Path("results/sets", name)))
    assert {finding.state for finding in found} == {SAME}
    assert {f.what.split(" from resources/")[1] for f in found} == {f for f in FILES if f.startswith(f"{name}/")}


def test_an_edited_split_prepares_its_own_store_only(prepared, raw, planned):
    targets = [f"results/sets/{name}" for name in NAMES]
    assert planned(prepared, *targets, *SMOKE, *raw[1]) == {}
    changed = [raw[1][0].replace("n_pcs: 8", "n_pcs: 9"), *raw[1][1:]]
    assert planned(prepared, *targets, *SMOKE, *changed) == {"prepare": 1}


def test_a_file_that_is_not_there_is_named_with_its_key(raw, snakemake):
    root, settings = raw
    own = "files: {RPE1: screen/RPE2.h5ad}, n_hvg"
    changed = [s.replace("n_hvg", own) if s.startswith("essential") else s for s in settings]
    done = snakemake(root, "-n", "results/sets/essential_genes", *SMOKE, *changed)
    assert done.returncode == 2
    assert "dataset.files.RPE1: found no file 'screen/RPE2.h5ad'" in done.stdout + done.stderr


def test_a_file_that_nobody_can_load_is_asked_for(project, snakemake):
    done = snakemake(project, "-n", "results/sets/donors", *SMOKE)
    assert done.returncode == 2
    assert "resources/donors/onek1k.h5ad: found no such file" in done.stdout + done.stderr


def test_other_files_of_a_user_are_no_download(raw, project, planned):
    """A folder, a screen and donors of one's own: nothing of the published data is loaded."""
    mirror = Path(raw[1][-1].removeprefix("mirror="))
    lines = ", ".join(f"{line}: {mirror}/{SCREEN.format(line)}" for line in LINES)
    own = [
        f"lineage_tracing={{dataset: {{folder: {mirror}/lineage_tracing}}}}",
        f"essential_genes={{dataset: {{files: {{{lines}}}}}}}",
        f"donors={{dataset: {{path: {mirror}/donors/onek1k.h5ad}}}}",
    ]
    assert planned(project, *(f"results/sets/{name}" for name in NAMES), *SMOKE, *own) == {"prepare": 3}


def test_excerpts_from_a_server_become_metrics(project, snakemake, excerpt, tmp_path_factory):
    """Real cells in the published layouts, under the published names; a second line takes the place of RPE1. The genes
    that are perturbed in it are hardly measured: none of them has a vector, and what is held out trains elsewhere."""
    mirror = tmp_path_factory.mktemp("server")
    clones, screen = excerpt("larry"), excerpt("perturbseq")
    files = {f"lineage_tracing/{name}": clones / name for name in LINEAGE.values()}
    files |= {SCREEN.format(line): screen / f"{cut}_raw_singlecell_01.h5ad" for line, cut in LINES.items()}
    for name, file in files.items():
        (mirror / name).parent.mkdir(exist_ok=True)
        (mirror / name).symlink_to(file)
    publish(project, mirror)
    learned = "dataset: {n_hvg: 60, vectors: null, split: {genes: [MAPK1, PLK4]}}, objective: {conditions: learned}"
    names, settings = NAMES[:2], [SMALL[0], f"essential_genes={{{learned}}}"]
    with served(mirror) as address:
        done = snakemake(project, *metrics(*names), *SMOKE, *settings, f"mirror={address}", timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    for name in names:
        report = json.loads((project / f"results/{name}/metrics.json").read_text())
        assert report["data"] == "excerpt" and report["metrics"]
