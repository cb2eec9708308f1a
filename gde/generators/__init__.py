"""Conditional generators. A new one is a file here, a line in REGISTRY and its options in `gde.config.generators`."""

REGISTRY = {
    "flow": "gde.generators.flow:Flow",
    "ddpm": "gde.generators.ddpm:Ddpm",
}
