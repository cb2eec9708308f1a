"""Velocity: the networks of flow matching and diffusion, by what samples are: vectors or images."""

REGISTRY = {
    "vectors": "gde.nets.conditional:ConditionalMLP",
    "images": "gde.nets.unet:UNet",
}
