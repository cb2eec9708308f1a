"""Simulated sequences, repeats of random words with substitutions: a group is a word."""

from pathlib import Path

from gde.prepare.common.pattern_store import write
from gde.sets.patterns import Patterns


def prepare(cfg: dict, out: Path, *, name: str, seed: int, provenance: dict | None = None) -> None:
    """Write the store of dataset `name` at `out` from cfg (kind dna_multinomial or synthetic_dna).

    groups : group = pattern, the word; truth : word (g, unit), its tokens. meta["patterns"] says what `Patterns` needs,
    all words in order. What is held out: sequences of every word (split.by sample), or words whole (group).
    """
    write(Patterns, cfg, out, name=name, seed=seed, provenance=provenance)
