"""Near copies across the split: how many held-out sequences have one among those that trained, and what these tell."""

from collections.abc import Iterator

import numpy as np

from gde.evaluate.sequences.oracle import Measured
from gde.evaluate.shared.context import Context
from gde.evaluate.shared.metrics import interval_of_several, record
from gde.evaluate.shared.rows import ROWS, draw_tokens
from gde.sets.near_copies import NEAR, nearest
from gde.sets.types.alphabet import Alphabet

ASKED = 1000  # held-out sequences, at most, whose nearest training ones are looked for
READ = 1_000_000  # training sequences among which they are, at most about so many


def near_copies(ctx: Context) -> dict[str, dict]:
    """`split/near_copies`: share of the held-out sequences that agree with a training one at as many positions as near
    copies do: split.identity of the data set, else `NEAR`. Where it is large, metrics of sequences are optimistic."""
    store = ctx.store
    identity = (store.meta.get("split") or {}).get("identity") or NEAR
    rng = ctx.random("near_copies")
    asked = draw_tokens(store, "test", ASKED, rng)
    share, _ = nearest(asked, training(ctx), store.alphabet)
    near = (share >= identity).astype(float)
    return {
        "split/near_copies": record(
            near.mean(), n=len(near), higher_is_better=False, ci=interval_of_several(near, rng, repeats=ctx.repeats)
        )
    }


def training(ctx: Context) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Chunks of tokens (n, L) of training sequences, of each group by its size, and their rows (n,) in the store."""
    store = ctx.store
    groups = store.select(split="train")
    share = min(1.0, READ / store.sizes[groups].sum())
    if share < 1.0:
        ctx.leave_out("split/near_copies", f"copies among {100 * (1 - share):.0f} % of the training sequences")
    for g in groups:
        size = int(np.ceil(store.sizes[g] * share))
        for start in range(0, size, ROWS):
            stop = min(start + ROWS, size)
            yield store.read(int(g), slice(start, stop)), store.starts[g] + np.arange(start, stop)


def nearest_expression(train: Measured, test: Measured, alphabet: Alphabet) -> np.ndarray:
    """Expression (m,) of `test`: that of the nearest training sequence of the condition, the mean of these where none
    shares a k-mer."""
    out = np.zeros(len(test))
    for c in np.unique(test.condition):
        own, asked = np.flatnonzero(train.condition == c), np.flatnonzero(test.condition == c)
        chunks = ((train.tokens[own[i : i + ROWS]], own[i : i + ROWS]) for i in range(0, len(own), ROWS))
        _, row = nearest(test.tokens[asked], chunks, alphabet)
        out[asked] = np.where(row >= 0, train.expression[row], train.expression[own].mean())
    return out
