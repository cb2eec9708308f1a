"""Simulated peptides, random but for a motif: a group is a motif."""

from pathlib import Path

from gde.prepare.common.pattern_store import write
from gde.sets.motifs import Motifs


def prepare(cfg: dict, out: Path, *, name: str, seed: int, provenance: dict | None = None) -> None:
    """Write the store of dataset `name` at `out` from cfg (kind protein_motifs).

    groups : group = pattern, the motif; truth : k-mer (g, unit), its tokens. meta["patterns"] says what `Motifs` needs,
    all motifs in order. What is held out: peptides of every motif (split.by sample), or motifs whole (group).
    """
    write(Motifs, cfg, out, name=name, seed=seed, provenance=provenance)
