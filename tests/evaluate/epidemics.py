"""A small epidemic with known sweeps, and models of known behaviour: one sees every site, the other nothing."""

from types import MappingProxyType, SimpleNamespace

import numpy as np
import pandas as pd
import torch

from gde.config.evaluations.epidemic import Epidemic
from gde.encoders.base import Encoder
from gde.sets.store.set_store import SetStore
from gde.sets.store.token_writer import TokenStoreWriter
from gde.sets.types import sample_type
from gde.sets.types.alphabet import ALPHABETS

PROTEIN = ALPHABETS["protein"]
SITES, LENGTH = 60, 64
MONTHS, COUNTRIES = 14, 6
# site from 1: month at which half of the sequences have the new token, and how many months it takes
SWEEPS = {14: (3.0, 0.7), 30: (7.0, 0.8), 45: (10.0, 0.6)}
ANCESTOR = np.random.default_rng(1).integers(1, 21, SITES).astype(np.uint8)
for site in SWEEPS:
    ANCESTOR[site - 1] = PROTEIN.symbols.index("D") + 1
NEW = PROTEIN.symbols.index("G") + 1


def share(site: int, month: float) -> float:
    """True share of the new token."""
    middle, width = SWEEPS[site]
    return float(1 / (1 + np.exp(-(month - middle) / width)))


def sequences(month: float, n: int, rng: np.random.Generator, country: int = 0, unknown: float = 0.01) -> np.ndarray:
    """Tokens (n, LENGTH) of a month: sweeps, a token that tells the country, rare mutations, unknown tokens."""
    x = np.tile(ANCESTOR, (n, 1))
    for site in SWEEPS:
        x[rng.random(n) < share(site, month), site - 1] = NEW
    x[rng.random(n) < 0.5, 50 + country] = NEW
    rare = rng.random(x.shape) < 0.002
    x[rare] = rng.integers(1, 21, rare.sum())
    x[rng.random(x.shape) < unknown] = PROTEIN.size
    return np.pad(x, ((0, 0), (0, LENGTH - SITES)))


def epidemic_store(path, *, size: int = 48, months: int = MONTHS, last: int = 2, seed: int = 0) -> SetStore:
    """Keys of a country and a month, as `prepare` of kind virus writes them."""
    rng = np.random.default_rng(seed)
    rows = []
    for c in range(COUNTRIES):
        for month in range(months):
            future = month >= months - last
            split = "test" if future else ("train", "train", "train", "validation", "test")[(c + month) % 5]
            name = f"{2019 + (month + 11) // 12}-{(month + 11) % 12 + 1:02d}"
            rows.append((f"C{c}|{name}", split, f"C{c}", name, float(month), "future" if future else "past", size))
    columns = ["group", "split", "country", "month", "month_index", "era", "n"]
    with TokenStoreWriter(path, alphabet="protein", length=LENGTH, seed=0, fields={"day": "float32"}) as writer:
        for code, row in enumerate(rows):
            x = sequences(row[4], size, rng, country=int(row[2][1:]))
            writer.write(x, code, day=np.full(size, 30 * row[4], np.float32))
        meta = {"kind": "virus", "data": "simulated", "labels": ["month", "country"]}
        writer.finish(pd.DataFrame(rows, columns=columns), meta)
    return SetStore.open(path)


class SiteModel:
    """Embeds the shares of all tokens at all sites; generates each site by itself with these shares."""

    device = torch.device("cpu")
    digest = "of no weights"
    alphabet, dim, latent_dim = PROTEIN, LENGTH, LENGTH * 22
    sample_type = sample_type("protein", (LENGTH,))
    config = MappingProxyType({"encoder": {"kind": "sites"}})
    encoder = Encoder(Encoder.Options(), dim=1, latent_dim=1)  # its services alone

    def __init__(self):
        self.generator = SimpleNamespace(log_prob=self.log_prob)

    def encode(self, x, *, mask=None, weight=None):
        real = torch.ones(x.shape[:2]) if mask is None else mask.float()
        flags = torch.nn.functional.one_hot(x.long(), 22).flatten(2).float()
        return (flags * real[..., None]).sum(1) / real.sum(1, keepdim=True)

    def distribution(self, z):
        return z.unflatten(-1, (LENGTH, 22))

    def sample(self, z, n, *, generator=None):
        p = self.distribution(z).clamp(min=1e-9).repeat_interleave(n, 0)
        return torch.multinomial(p.flatten(0, 1), 1, generator=generator).view(len(z), n, LENGTH).to(torch.uint8)

    def log_prob(self, x, z, mask=None):
        p = self.distribution(z).clamp(min=1e-4)
        chosen = p[:, None].expand(*x.shape, 22).gather(-1, x.long()[..., None])[..., 0]
        return chosen[..., :SITES].log().sum(-1)


class BlindModel(SiteModel):
    """Embeds noise; generates the ancestor, whatever the embedding."""

    latent_dim = 4

    def encode(self, x, *, mask=None, weight=None):
        return torch.sin(1e3 * x[:, 0].float() @ torch.arange(1.0, 4 * LENGTH + 1).reshape(LENGTH, 4))

    def distribution(self, z):
        ancestor = torch.from_numpy(np.pad(ANCESTOR, (0, LENGTH - SITES))).long()
        return torch.nn.functional.one_hot(ancestor, 22).float().expand(len(z), LENGTH, 22)


def config(**options) -> dict:
    small = {
        "kind": "epidemic",
        "bootstrap": 20,
        "sets_per_key": 2,
        "kmer": 2,
        "generated": 200,
        "markov": 1,
        "scored": 60,
        "known": 300,
        "mutations": ["D14G", "D614G"],
    }
    return {"evaluation": Epidemic.model_validate(small | options).model_dump()}
