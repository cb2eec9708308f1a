"""Conditional generators. A new one is a file here with its options, a line in REGISTRY, a section of `gde.config`."""

REGISTRY = {
    "flow": "gde.generators.flow:Flow",
    "ddpm": "gde.generators.ddpm:Ddpm",
    "ddpm_subset": "gde.generators.ddpm_subset:DdpmSubset",
    "cvae": "gde.generators.cvae:Cvae",
    "cnn_vae": "gde.generators.cnn_vae:CnnVae",
    "sliced_w2": "gde.generators.sliced_w2:SlicedW2",
    "exact_ot": "gde.generators.exact_ot:ExactOt",
    "sinkhorn": "gde.generators.sinkhorn:Sinkhorn",
    "mmd": "gde.generators.mmd:Mmd",
    "wormhole": "gde.generators.wormhole:Wormhole",
    "hyenadna": "gde.generators.hyenadna:HyenaDna",
    "dna_vae": "gde.generators.dna_vae:DnaVae",
    "gpt": "gde.generators.gpt:Gpt",
    "gpt2": "gde.generators.gpt2:Gpt2",
    "progen2": "gde.generators.progen2:ProGen2",
}
