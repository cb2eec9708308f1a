"""One module per source of data: prepare(cfg, out, *, name, seed) writes a set store, or raises and leaves nothing."""

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
}
