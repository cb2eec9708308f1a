"""Networks in which every layer matters."""

import torch


def enlarge(module, seed=0):
    """Weights large enough for every layer to matter: SiLU layers as torch starts them damp their input tenfold."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in module.parameters():
            p += 0.5 * torch.randn(p.shape, generator=generator)
    return module
