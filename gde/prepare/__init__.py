"""One module per source of data: prepare(cfg, out, *, name, seed, provenance) writes a set store, or raises and leaves
nothing."""

from pathlib import Path
from typing import Any

REGISTRY = {
    "normal": "gde.prepare.simulate:prepare",
    "poisson": "gde.prepare.simulate:prepare",
    "multinomial": "gde.prepare.simulate:prepare",
    "mvn": "gde.prepare.simulate:prepare",
    "mvn_lowrank": "gde.prepare.simulate:prepare",
    "gmm": "gde.prepare.simulate:prepare",
    "h5ad": "gde.prepare.h5ad:prepare",
    "table": "gde.prepare.table:prepare",
    "digits": "gde.prepare.digits:prepare",
    "pbmc68k": "gde.prepare.pbmc68k:prepare",
    "lineage_tracing": "gde.prepare.lineage_tracing:prepare",
    "perturb_seq": "gde.prepare.perturb_seq:prepare",
    "donors": "gde.prepare.donors:prepare",
    "methylation": "gde.prepare.methylation:prepare",
    "gpra": "gde.prepare.gpra:prepare",
    "mpra_bins": "gde.prepare.mpra_bins:prepare",
    "mpra_barcodes": "gde.prepare.mpra_barcodes:prepare",
    "dna_multinomial": "gde.prepare.synthetic_dna:prepare",
    "synthetic_dna": "gde.prepare.synthetic_dna:prepare",
    "sequences": "gde.prepare.sequences:prepare",
    "virus": "gde.prepare.virus:prepare",
    "pfam": "gde.prepare.pfam:prepare",
    "protein_motifs": "gde.prepare.protein_motifs:prepare",
    "pubmed": "gde.prepare.pubmed:prepare",
}


def prepare_store(settings: dict[str, Any], out: Path) -> None:
    """Write the set store of an experiment at `out`, with the record of where it came from.

    settings : `name`, `seed` and `dataset` of the resolved experiment.
    """
    from gde.definitions.digest import code_digest
    from gde.digest import prepare_roots
    from gde.nets.registry import resolve_kind
    from gde.provenance import provenance

    dataset, seed = settings["dataset"], settings["seed"]
    seeds = {"experiment": seed} | ({"split": dataset["split"]["seed"]} if dataset.get("split") else {})
    record = provenance(settings, code=code_digest(prepare_roots(settings)), seeds=seeds, inputs={})
    prepare = resolve_kind(REGISTRY, dataset["kind"])
    prepare(dataset, Path(out), name=settings["name"], seed=seed, provenance={"dataset": dataset, **record})
