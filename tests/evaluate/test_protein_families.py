"""Families found again from a few sequences, by a model that sees their words and by a blind one."""

import numpy as np
import pytest
import torch
from simulators.families import simulate_families

from gde.config.datasets.proteins import Pfam
from gde.config.evaluations import EVALUATIONS
from gde.config.evaluations.proteins import Families
from gde.evaluate.sequences.protein_families import evaluate
from gde.evaluate.shared.context import Context
from gde.evaluate.shared.kmers import kmer_profile
from gde.evaluate.shared.metrics import check
from gde.evaluate.shared.tables import write_tables
from gde.prepare.pfam import prepare
from gde.sets.store.set_store import SetStore
from gde.sets.types import sample_type
from gde.sets.types.alphabet import ALPHABETS

LENGTH = 40


class KmerModel:
    """Embeds pairs of residues, generates random residues."""

    device, digest, latent_dim = torch.device("cpu"), "of no weights", 400
    alphabet, dim, sample_type = ALPHABETS["protein"], LENGTH, sample_type("protein", (LENGTH,))

    def __init__(self):
        self.generator = self

    def encode(self, x, *, mask=None, weight=None):
        return torch.from_numpy(np.stack([kmer_profile(one.numpy(), 2, 20) for one in x])).float()

    def sample(self, z, n, *, generator=None):
        return torch.randint(1, 21, (len(z), n, LENGTH), generator=generator, dtype=torch.uint8)

    def log_prob(self, x, z):
        return -np.log(20) * (x != 0).sum(-1).float()


class BlindModel(KmerModel):
    """Embeds noise."""

    def encode(self, x, *, mask=None, weight=None):
        return torch.sin(1e3 * x[:, 0].float() @ torch.arange(1.0, 8 * LENGTH + 1).reshape(LENGTH, 8))


@pytest.fixture(scope="module", params=["group", "sequence"])
def found(request, tmp_path_factory):
    """Metrics and tables of both models, families or sequences held out."""
    root = tmp_path_factory.mktemp("families")
    simulate_families(root / "Pfam-A.fasta.gz", families=40, domains=40, length=36)
    cfg = {"kind": "pfam", "path": str(root / "Pfam-A.fasta.gz"), "length": LENGTH}
    cfg["split"] = {"by": request.param, "fractions": [0.5, 0.1, 0.4]}
    prepare(Pfam.model_validate(cfg).model_dump(), root / "sets", name="pfam", seed=0)
    options = {"kind": "protein_families", "bootstrap": 20, "sets": 3, "generated": 10, "set_size": 4, "known": 300}
    config = {"evaluation": Families.model_validate(options).model_dump()}
    store = SetStore.open(root / "sets")
    return [evaluate(Context(model(), store, config, 0)) for model in (KmerModel, BlindModel)]


def test_every_metric_is_there(found, tmp_path):
    for metrics, tables in found:
        assert set(metrics) == set(EVALUATIONS["protein_families"].metrics)
        check(metrics)
        write_tables(tmp_path, tables)


def test_words_find_families_that_nothing_was_trained_on(found):
    own, blind = (metrics for metrics, _ in found)
    for name in ("recall_1", "mrr", "purity"):
        metric, other = own[f"retrieval/{name}"], blind[f"retrieval/{name}"]
        assert metric["value"] > 0.9 and metric["baselines"]["kmers"] > 0.9
        assert other["value"] == pytest.approx(other["chance"], abs=0.12)
    assert own["retrieval/recall_1"]["n"] in (16, 40)


def test_random_residues_are_told_from_a_family(found, request):
    metrics = found[0][0]
    distance = metrics["kmers/distance"]
    assert distance["value"] > distance["ceiling"] + 0.1
    known = metrics["novelty/identity"]
    if "[sequence]" in request.node.name:  # of these families, some sequences trained; others are as random as residues
        assert known["value"] < 0.7 * known["target"]
    else:
        assert known["value"] == pytest.approx(known["target"], abs=0.05)
