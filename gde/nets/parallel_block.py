"""A transformer block whose attention and MLP read the same norm, as in GPT-J and ProGen2."""

from torch import Tensor, nn
from torch.nn.functional import gelu, scaled_dot_product_attention

from gde.nets.key_values import KeyValues
from gde.nets.rotary import turned
from gde.nets.sequence_condition import Film, modulated


class ParallelBlock(nn.Module):
    """h + attention(norm h) + mlp(norm h): causal, rotary positions on part of each head, no bias in the attention."""

    def __init__(self, hidden: int, heads: int):
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(hidden)
        self.query_key_value = nn.Linear(hidden, 3 * hidden, bias=False)  # all queries, then keys, then values
        self.out = nn.Linear(hidden, hidden, bias=False)
        self.up = nn.Linear(hidden, 4 * hidden)
        self.down = nn.Linear(4 * hidden, hidden)

    def forward(self, h: Tensor, rotation: Tensor, film: Film | None, cache: KeyValues | None = None) -> Tensor:
        """h : (r, t, hidden); rotation : of these t positions; film : of the norm, (r, 1, hidden) each.

        cache : keys and values of the positions before; h is then the one next position, t = 1.
        """
        y = modulated(self.norm(h), film)
        heads = self.query_key_value(y).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)  # (3, r, heads, t, e)
        query, key, value = turned(heads[0], rotation), turned(heads[1], rotation), heads[2]
        if cache is not None:
            key, value = cache.add(key, value)
        seen = scaled_dot_product_attention(query, key, value, is_causal=cache is None)  # (r, heads, t, e)
        attended = self.out(seen.transpose(1, 2).flatten(2))
        return h + attended + self.down(gelu(self.up(y), approximate="tanh"))
