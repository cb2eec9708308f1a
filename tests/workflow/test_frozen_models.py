"""Experiments behind a frozen language model of one's own: from a FASTA of families to metrics, no vector twice."""

import json
import re

import numpy as np
import published
import pytest
import yaml
from copies import SMOKE, copy_project

pytestmark = [pytest.mark.workflow, pytest.mark.slow]
RESIDUES = "ACDEFGHIKLMNPQRSTVWY"
TINY = (
    "{latent_dim: 4, training: {steps: 20, n_sets: 4, set_size: 8}, "
    "evaluation: {sets: 3, generated: 20, bootstrap: 20}}"
)
FAMILIES, DOMAINS = 24, 12


def write_families(path):
    rng = np.random.default_rng(0)
    with path.open("w") as f:
        for family in range(FAMILIES):
            share = rng.dirichlet(np.full(20, 0.3))
            for i in range(DOMAINS):
                domain = "".join(rng.choice(list(RESIDUES), int(rng.integers(10, 30)), p=share))
                f.write(f">P{family:02d}{i:03d}_X/1-{len(domain)} P{i}.1 PF{family:05d}.1;F{family};\n{domain}\n")


@pytest.fixture(scope="module")
def results(tmp_path_factory, snakemake):
    """Two experiments on the same families, one after the other."""
    root = copy_project(tmp_path_factory.mktemp("language"))
    published.esm2(root / "esm2", hidden=8)
    write_families(root / "families.fasta")
    for name, then in (("first", "mean"), ("second", "gnn")):
        encoder = {"kind": "protein_lm", "mode": "frozen", "weights": "esm2", "then": {"kind": then}}
        settings = {
            "dataset": {"kind": "pfam", "path": "families.fasta", "length": 32, "min_size": 4},
            "encoder": encoder,
            "generator": {"kind": "gpt", "hidden": 8, "layers": 1},
        }
        (root / f"config/experiments/{name}.yaml").write_text(yaml.safe_dump(settings))
    wanted = [["first/metrics.json", "first/samples.fasta.gz", "first/MODEL_CARD.md"], ["second/embeddings.h5ad"]]
    for targets in wanted:
        arguments = [*(f"results/{target}" for target in targets), *SMOKE, f"first={TINY}", f"second={TINY}"]
        done = snakemake(root, *arguments, timeout=900)
        assert done.returncode == 0, done.stdout + done.stderr
    return root / "results"


def passes(results, rule, name):
    """Sequences known and computed, as each fill logged."""
    text = (results / f"logs/{rule}/{name}.log").read_text()
    found = re.findall(r"language model: (\d+) of (\d+) sequences were known, (\d+) computed", text)
    assert found, text
    return [tuple(map(int, numbers)) for numbers in found]


def test_the_first_experiment_computes_every_vector_once(results):
    (trained,) = passes(results, "train", "first")
    assert trained[0] == 0
    assert trained[1] == trained[2] > 0.9 * FAMILIES * DOMAINS
    assert all(known == of and new == 0 for known, of, new in passes(results, "embed", "first"))
    assert len(list((results / "lm_cache").glob("*/*.vectors"))) >= 1


def test_the_second_needs_the_language_model_for_none(results):
    for rule in ("train", "embed"):
        assert all(known == of and new == 0 for known, of, new in passes(results, rule, "second"))


def test_what_comes_out_is_complete(results):
    metrics = json.loads((results / "first/metrics.json").read_text())["metrics"]
    assert metrics
    config = json.loads((results / "first/model/config.json").read_text())
    assert re.fullmatch("[0-9a-f]{64}", config["encoder"]["weights_sha256"])
    assert (results / "first/model/language_model/encoder/config.json").is_file()
    card = (results / "first/MODEL_CARD.md").read_text()
    assert f"behind the language model of protein_lm: esm2, SHA-256 {config['encoder']['weights_sha256'][:16]}" in card
