"""Simulated abstracts as a store, and models of texts with known behaviour."""

import math

import numpy as np
import torch
from simulators.pubmed import simulate_baseline

from gde.config.datasets.texts import Pubmed
from gde.config.evaluations.texts import Documents
from gde.prepare.pubmed import prepare
from gde.sets.store.set_store import SetStore
from gde.sets.types import sample_type
from gde.sets.types.alphabet import ALPHABETS

TEXT = ALPHABETS["text"]
LENGTH = 200


def abstract_store(root, *, topics: int = 8, documents: int = 60) -> tuple[SetStore, dict[str, list[str]]]:
    """Documents of simulated topics, and the words of each."""
    base = simulate_baseline(topics=topics, documents=documents, files=2)
    files = [str(f) for f in base.write(root / "in")]
    cfg = {"kind": "pubmed", "files": files, "length": LENGTH, "min_docs": 10}
    prepare(Pubmed.model_validate(cfg).model_dump(), root / "sets", name="pubmed", seed=0)
    return SetStore.open(root / "sets"), base.words


def config(**options) -> dict:
    small = {"kind": "documents", "bootstrap": 20, "set_size": 4, "generated": 12, "scored": 4, "markov": 1, "sets": 6}
    return {"evaluation": Documents.model_validate(small | options).model_dump()}


class TopicModel:
    """Embeds how often each topic's words stand in a set, and writes documents of such words."""

    device = torch.device("cpu")
    digest = "of no weights"
    alphabet, dim, sample_type = TEXT, LENGTH, sample_type("text", (LENGTH,))

    def __init__(self, words: dict[str, list[str]]):
        self.words = list(words.values())
        self.latent_dim, self.generator = len(self.words), self
        self.topic = {word: i for i, own in enumerate(self.words) for word in own}

    def encode(self, x, *, mask=None, weight=None):
        out = torch.zeros(len(x), self.latent_dim)
        for b, texts in enumerate(x.numpy()):
            for text in TEXT.decode(texts):
                for word in text.replace(".", " ").split():
                    if word in self.topic:
                        out[b, self.topic[word]] += 1
        return out / out.sum(1, keepdim=True).clamp(min=1)

    def sample(self, z, n, *, generator=None):
        rng = np.random.default_rng(int(torch.randint(2**31, (1,), generator=generator)))
        texts = [" ".join(rng.choice(self.words[self.topic_of(one, rng)], 25)) for one in z for _ in range(n)]
        tokens = TEXT.pad([t.encode()[:LENGTH] for t in texts], LENGTH)
        return torch.from_numpy(tokens.reshape(len(z), n, LENGTH))

    def topic_of(self, z, rng) -> int:
        return int(z.argmax())

    def log_prob(self, x, z):
        residues = (x != 0).sum(-1)
        return -(residues + (residues < LENGTH)) * math.log(30.0) * (1.2 - z.max())  # surer where the topic is clear


class BlindModel(TopicModel):
    """Embeds noise, writes of any topic."""

    def encode(self, x, *, mask=None, weight=None):
        return torch.sin(1e3 * x[:, 0, : 3 * self.latent_dim].float().reshape(len(x), 3, -1).sum(1))

    def topic_of(self, z, rng) -> int:
        return int(rng.integers(len(self.words)))
