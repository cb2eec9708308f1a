"""What an experiment on sequences starts from where its file says nothing: small enough for a laptop.

Sequences cost by their letters, so the defaults of vectors would fill a machine's memory.
"""

from typing import Any

ADAMW = {"kind": "adamw", "lr": 1e-3, "weight_decay": 0.01}
GENERAL: dict[str, Any] = {
    "encoder": {"kind": "dna_conv", "hidden": 32, "layers": 2, "pool": 4},
    "generator": {"kind": "hyenadna", "hidden": 64, "layers": 2, "subsample": 4},
    "latent_dim": 64,
    "training": {"steps": 1000, "n_sets": 8, "set_size": 32},
}
# as config/experiments/<kind>.yaml, laptop
STARTS: dict[str, dict[str, Any]] = {
    "virus": {
        "encoder": {"kind": "dna_conv", "hidden": 16, "layers": 1, "kernel": 5, "pool": 4, "readout": "places"},
        "generator": {"kind": "gpt", "hidden": 64, "layers": 2, "conditioning": "adaln", "sites": 16, "subsample": 1},
        "latent_dim": 64,
        "mixer": {"kind": "dirichlet_k", "k": 2, "alpha": 1.0},
        "training": {
            "steps": 400,
            "n_sets": 8,
            "set_size": 16,
            "optimizer": ADAMW | {"lr": 2e-3},
            "scheduler": {"kind": "cosine", "warmup": 15},
            "validate_every": 50,
        },
    },
    "pfam": {
        "encoder": {"kind": "dna_conv", "hidden": 48, "layers": 2, "kernel": 7, "pool": 2},
        "generator": {"kind": "gpt", "hidden": 64, "layers": 2, "conditioning": "additive", "subsample": 2},
        "latent_dim": 128,
        "training": {
            "steps": 1500,
            "n_sets": 8,
            "set_size": 16,
            "optimizer": ADAMW,
            "scheduler": {"kind": "cosine", "warmup": 100},
        },
    },
    "pubmed": {
        "encoder": {"kind": "dna_conv", "hidden": 64, "layers": 2, "kernel": 7, "pool": 4},
        "generator": {"kind": "gpt", "hidden": 64, "layers": 2, "subsample": 2, "temperature": 0.8},
        "latent_dim": 128,
        "training": {
            "steps": 600,
            "n_sets": 6,
            "shards": 2,
            "set_size": 20,
            "optimizer": ADAMW,
            "scheduler": {"kind": "cosine", "warmup": 60},
        },
    },
}


def start_of(dataset: str) -> dict[str, Any]:
    """Sections of an experiment on sequences of a kind of data set."""
    return STARTS.get(dataset, GENERAL)
