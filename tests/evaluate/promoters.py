"""Models of sequences with known behaviour: one that embeds and generates words, and one that is blind."""

import torch
from simulators.promoters import WORDS, simulate_promoters

from gde.config.datasets.promoters import Gpra
from gde.config.evaluations.expression import Expression
from gde.prepare.gpra import prepare
from gde.sets.store.set_store import SetStore
from gde.sets.types import sample_type
from gde.sets.types.alphabet import ALPHABETS

DNA = ALPHABETS["dna"]
LENGTH = 72


class WordModel:
    """Embeds the share of sequences with each word; generates random sequences that have each word as often."""

    device = torch.device("cpu")
    digest = "of no weights"
    alphabet, dim, latent_dim = DNA, LENGTH, len(WORDS)
    sample_type = sample_type("dna", (LENGTH,))
    words = tuple(DNA.encode(word) for word in WORDS)

    def encode(self, x, *, mask=None, weight=None):
        real = torch.ones(x.shape[:2]) if mask is None else mask.float()
        found = torch.stack([self.has(x, torch.from_numpy(word)) for word in self.words], -1).float()
        return (found * real[..., None]).sum(1) / real.sum(1, keepdim=True)

    @staticmethod
    def has(x, word):
        windows = x.unfold(-1, len(word), 1)
        return (windows == word).all(-1).any(-1)

    def sample(self, z, n, *, generator=None):
        x = torch.randint(1, 5, (len(z), n, LENGTH), generator=generator, dtype=torch.uint8)
        for i, word in enumerate(self.words):
            own = torch.rand(len(z), n, generator=generator) < z[:, None, i]
            start = 17 + 9 * i
            x[..., start : start + len(word)] = torch.where(
                own[..., None], torch.from_numpy(word), x[..., start : start + len(word)]
            )
        x[..., -2:] = 0
        return x


class BlindModel(WordModel):
    """Embeds noise, generates the same tokens whatever the embedding."""

    def encode(self, x, *, mask=None, weight=None):
        return torch.sin(1e3 * x[:, 0].float() @ torch.arange(1.0, 3 * LENGTH + 1).reshape(LENGTH, 3))

    def sample(self, z, n, *, generator=None):
        return super().sample(torch.full_like(z, 0.4), n, generator=generator)


def promoter_store(root, *, rows: int = 3000, quantiles: int = 20, top: int = 2, conditions: int = 2) -> SetStore:
    """Simulated promoters of 70 tokens whose words set their expression, prepared."""
    files = {}
    for i in range(conditions):
        files[f"c{i}"] = root / f"c{i}.txt.gz"
        simulate_promoters(files[f"c{i}"], rows, insert=40, noise=0.3, seed=i)
    cfg = {"kind": "gpra", "files": {c: str(f) for c, f in files.items()}, "length": LENGTH, "quantiles": quantiles}
    prepare(Gpra.model_validate(cfg | {"top": top}).model_dump(), root / "sets", name="gpra", seed=0)
    return SetStore.open(root / "sets")


def config(**options) -> dict:
    oracle = {"hidden": 24, "layers": 2, "most": 4000, "epochs": 14, "copies": 1, "lr": 4e-3}
    small = {"kind": "expression", "bootstrap": 20, "generated": 60, "window": 2, "known": 500, "kmer": 4}
    return {"evaluation": Expression.model_validate(small | {"oracle": oracle} | options).model_dump()}
