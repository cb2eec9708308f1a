"""Set encoders. A new one is a file here, a line in REGISTRY and its options in `gde.config.encoders`."""

REGISTRY = {
    "mean": "gde.encoders.mean:Mean",
    "mlp": "gde.encoders.mlp:Mlp",
    "gnn": "gde.encoders.gnn:Gnn",
    "resnet": "gde.encoders.resnet:ResNet",
}
