"""Keys and values of the positions so far, kept so that the next position need not compute them again."""

from torch import Tensor


class KeyValues:
    """Room for the keys and values of `length` positions; a position is written once, nothing is ever copied."""

    def __init__(self, length: int):
        self.length, self.held = length, 0  # positions that are filled
        self.keys: Tensor | None = None  # (r, heads, length, e); made with the first ones, in their type and position
        self.values: Tensor | None = None

    def add(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Append keys and values (r, heads, t, e) of the next t positions.   returns all so far (r, heads, held, e)."""
        if self.keys is None:
            rows, heads, _, width = keys.shape
            self.keys, self.values = (v.new_empty(rows, heads, self.length, width) for v in (keys, values))
        part = slice(self.held, self.held + keys.shape[2])
        self.keys[:, :, part], self.values[:, :, part] = keys, values
        self.held = part.stop
        return self.keys[:, :, : self.held], self.values[:, :, : self.held]
