"""Methylation reads of tissues with known rates, and models that read them or are blind."""

import numpy as np
import pandas as pd
import torch

from gde.sets.store.set_store import SetStore
from gde.sets.store.token_writer import TokenStoreWriter
from gde.sets.types.alphabet import ALPHABETS

DNA = ALPHABETS["dna"]
CONTEXT, CPGS, GENOME = 6, 8, 4000
RATES = {"Blood-NK": 0.1, "Blood-B": 0.4, "Liver-Hepatocytes": 0.65, "Cortex-Neuron": 0.95}
OPTIONS = {"kind": "methylation", "bootstrap": 50, "repeats": 4, "reads": 100, "regions": 32, "generated": 300}


def config(**changes) -> dict:
    return {"name": "t", "seed": 0, "training": {"set_size": 32}, "published": {},
            "objective": {"kind": "reconstruction"},
            "evaluation": OPTIONS | changes}  # fmt: skip


def reads(rng, rate, n: int) -> np.ndarray:
    """Tokens (n, CONTEXT + CPGS) of reads of 1 to CPGS CpGs, each methylated with probability `rate` (n,) or number."""
    tokens = np.zeros((n, CONTEXT + CPGS), np.uint8)
    tokens[:, :CONTEXT] = rng.integers(1, 5, (n, CONTEXT))
    c, t = DNA.encode("CT")
    size = rng.integers(1, CPGS + 1, n)
    calls = np.where(rng.random((n, CPGS)) < np.reshape(rate, (-1, 1)), c, t)
    tokens[:, CONTEXT:] = np.where(np.arange(CPGS) < size[:, None], calls, 0)
    return tokens


def store_of(path, *, samples=4, n=150, by="group", rates=RATES, regional=False, seed=0) -> SetStore:
    """Samples of tissues; with `regional` all tissues have one mean, but each a half of the genome of its own."""
    rng = np.random.default_rng(seed)
    rows, code = [], 0
    with TokenStoreWriter(path, length=CONTEXT + CPGS, seed=0, fields={"weight": "float32", "cpg": "int32"}) as writer:
        for k, (tissue, rate) in enumerate(rates.items()):
            for i in range(samples):
                parts = ("train", "test") if by == "sample" else (("test", "train", "train", "validation")[i % 4],)
                for part in parts:
                    number = rng.integers(1, GENOME - CPGS, n)
                    here = rate
                    if regional:
                        block = number // 125 % 32
                        here = np.where((block * (k + 1)) % 5 < 2, 0.9, 0.1)
                    weight = rng.integers(1, 4, n)
                    writer.write(reads(rng, here, n), code, weight=weight, cpg=number)
                    rows.append({"group": f"{tissue}-{i}", "split": part, "tissue": tissue,
                                 "tissue_coarse": tissue.split("-")[0]})  # fmt: skip
                    code += 1
        meta = {"kind": "methylation", "data": "simulated", "context": CONTEXT, "labels": ["tissue", "tissue_coarse"],
                "genome": {"cpgs": GENOME, "contigs": "file"}}  # fmt: skip
        writer.finish(pd.DataFrame(rows), meta)
    return SetStore.open(path)


class RateModel(torch.nn.Module):
    """Embeds the share of methylated CpGs and generates reads of it; `blind` to it, the embedding is noise."""

    device, latent_dim, config = torch.device("cpu"), 2, {"training": {}}
    dim, begins = CONTEXT + CPGS, True

    def __init__(self, blind: bool = False):
        super().__init__()
        self.blind, self.heads = blind, {}

    def encode(self, x, *, mask=None, weight=None):
        c, t = DNA.encode("CT").tolist()
        weight = torch.ones(x.shape[:2]) if weight is None else weight
        weight = weight if mask is None else weight * mask
        cpgs = x[..., CONTEXT:]
        share = (weight[..., None] * (cpgs == c)).sum((1, 2)) / (weight[..., None] * ((cpgs == c) | (cpgs == t))).sum(
            (1, 2)
        )
        noise = torch.sin(1e4 * x[:, 0].double() @ torch.arange(1.0, self.dim + 1).double()).float()
        return torch.stack([noise if self.blind else share, noise * 1e-3], 1)

    def sample(self, z, n, *, generator=None, given=None):
        rng = np.random.default_rng(int(torch.randint(2**31, (1,), generator=generator)))
        rate = 0.5 if self.blind else float(z[0, 0])
        x = torch.from_numpy(reads(rng, rate, n))[None]
        if given is not None:
            x[:, :, :CONTEXT] = given
        return x


def embed_whole(model, store, groups=None, *, se=True):
    """As `embed_store`, without the stages of a real encoder."""
    groups = np.arange(len(store)) if groups is None else groups
    z = [model.encode(torch.from_numpy(store.read(g))[None], weight=torch.from_numpy(store.read_weights(g))[None])
         for g in groups]  # fmt: skip
    return torch.cat(z).numpy(), None
