"""Simulated sequences, repeats of random k-mers with substitutions: a group is a kmer."""

from pathlib import Path

from gde.prepare.common.pattern_store import write
from gde.sets.patterns import Patterns


def prepare(cfg: dict, out: Path, *, name: str, seed: int, provenance: dict | None = None) -> None:
    """Write the store of dataset `name` at `out` from cfg (kind dna_multinomial or synthetic_dna).

    groups : group = pattern, the k-mer; truth : k-mer (g, unit), its tokens. meta["patterns"] says what `Patterns`
    needs, all kmers in order. What is held out: sequences of every k-mer (split.by sample), or k-mers whole (group).
    """
    write(Patterns, cfg, out, name=name, seed=seed, provenance=provenance)
