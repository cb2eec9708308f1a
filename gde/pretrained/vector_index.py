"""Index of vectors: where keys are found: sorted arrays, 40 bytes a key."""

import numpy as np

PLACE = np.dtype([("block", "<i4"), ("row", "<u4")])


class Index:
    """Key (S32) -> block and row.

    Runs of sorted keys, each more than twice as long as the next: what is added joins the short ones, so that a key is
    moved a few times only, and a search looks at a few runs.
    """

    def __init__(self):
        self._runs: list[tuple[np.ndarray, np.ndarray]] = []  # keys (n,), places (n,)

    def __len__(self) -> int:
        return sum(len(keys) for keys, _ in self._runs)

    def add(self, keys: np.ndarray, block: int) -> None:
        """Take in the keys (n,) of a block, but those that are there."""
        keys, rows = np.unique(keys, return_index=True)
        new = self.find(keys)["block"] < 0
        keys, rows = keys[new], rows[new]
        places = np.empty(len(keys), PLACE)
        places["block"], places["row"] = block, rows
        if len(keys):
            self._runs.append((keys, places))
        while len(self._runs) > 1 and len(self._runs[-2][0]) <= 2 * len(self._runs[-1][0]):
            keys, places = (np.concatenate(pair) for pair in zip(*self._runs[-2:], strict=True))
            order = np.argsort(keys, kind="stable")
            self._runs[-2:] = [(keys[order], places[order])]

    def find(self, keys: np.ndarray) -> np.ndarray:
        """Places (n,) of keys (n,); block -1 of those that are not there."""
        out = np.empty(len(keys), PLACE)
        out["block"] = -1
        for known, places in self._runs:
            at = np.searchsorted(known, keys)
            at[at == len(known)] = 0
            there = known[at] == keys
            out[there] = places[at[there]]
        return out

    def drop(self, block: int) -> None:
        """Forget the keys of a block."""
        kept = [(keys, places, places["block"] != block) for keys, places in self._runs]
        self._runs = [(keys[own], places[own]) for keys, places, own in kept if own.any()]
