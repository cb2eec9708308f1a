"""A residual MLP over samples, modulated by the embedding of their set."""

from torch import Tensor, nn

Modulation = list[tuple[Tensor, Tensor]]


class FilmMLP(nn.Module):
    """Residual MLP on samples with FiLM (feature-wise affine) modulation by the embedding (Perez et al. 2018).

    The embedding enters through the modulation only, which is therefore one small matrix product per set, computed
    once however many samples or solver steps follow (`modulation`). The output layer starts at zero.
    """

    def __init__(self, in_dim: int, out_dim: int, latent_dim: int, *, hidden: int, layers: int):
        super().__init__()
        self.input = nn.Linear(in_dim, hidden)
        self.embed = nn.Sequential(nn.Linear(latent_dim, hidden), nn.SiLU())
        self.film = nn.Linear(hidden, layers * 2 * hidden)
        self.norms = nn.ModuleList(nn.LayerNorm(hidden, elementwise_affine=False) for _ in range(layers))
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Linear(hidden, hidden), nn.SiLU(), nn.Linear(hidden, hidden)) for _ in range(layers)
        )
        self.output = nn.Linear(hidden, out_dim)
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)

    def modulation(self, z: Tensor) -> Modulation:
        """Scale and shift of every block: z (b, l) -> layers x ((b, 1, hidden), (b, 1, hidden))."""
        pairs = self.film(self.embed(z))[:, None].chunk(len(self.blocks), -1)
        return [tuple((1 + pair).chunk(2, -1)) for pair in pairs]

    def forward(self, y: Tensor, modulation: Modulation) -> Tensor:
        """y : (b, n, in_dim).   returns (b, n, out_dim)."""
        return self.output(self.features(y, modulation))

    def features(self, y: Tensor, modulation: Modulation) -> Tensor:
        """What the output layer sees: (b, n, in_dim) -> (b, n, hidden)."""
        h = self.input(y)
        for norm, block, (scale, shift) in zip(self.norms, self.blocks, modulation, strict=True):
            h = h + block(norm(h) * scale + (shift - 1))
        return h
