"""Proteins and texts, and encoders of them behind a language model."""

import json

import torch

from gde.encoders.protein_lm import ProteinLm
from gde.sets.types.alphabet import ALPHABETS

PROTEIN, TEXT = ALPHABETS["protein"], ALPHABETS["text"]
SEQUENCES = ["MKV", "ACDEFGHIKLMNPQRSTVWYX", "G", "MKVLLAXX", "MKV"]
TEXTS = ["The viruses of the spike.", "cafés", "the", "spikes of virus of spikes"]
LENGTH = 32
MODES = ("frozen", "full", "lora")


def proteins(length=LENGTH, sequences=SEQUENCES):
    return torch.from_numpy(PROTEIN.pad(sequences, length))


def protein_lm(path, mode, *, length=LENGTH, then=None, **options):
    torch.manual_seed(1)
    then = then or {"kind": "resnet", "hidden": 16}
    made = ProteinLm(
        ProteinLm.Options(then=then, mode=mode, weights=None if path is None else str(path), **options),
        dim=length,
        latent_dim=7,
    )
    made.initialise()
    return made


def edit_config(path, **changes):
    config = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps(config | changes))
