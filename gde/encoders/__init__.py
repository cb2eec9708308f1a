"""Set encoders. A new one is a file here with its options, a line in REGISTRY, a section of `gde.config`."""

REGISTRY = {
    "mean": "gde.encoders.mean:Mean",
    "mlp": "gde.encoders.mlp:Mlp",
    "gnn": "gde.encoders.gnn:Gnn",
    "resnet": "gde.encoders.resnet:ResNet",
    "median_gnn": "gde.encoders.median_gnn:MedianGnn",
    "kernel_mean": "gde.encoders.kernel_mean:KernelMean",
    "pca_mean": "gde.encoders.pca_mean:PcaMean",
    "attention": "gde.encoders.attention:Attention",
    "resnet_attention": "gde.encoders.resnet_attention:ResNetAttention",
    "dna_conv": "gde.encoders.dna_conv:DnaConv",
    "image_conv": "gde.encoders.image_conv:ImageConv",
    "protein_lm": "gde.encoders.protein_lm:ProteinLm",
    "text_lm": "gde.encoders.text_lm:TextLm",
}
