"""Sets of a few sequences, cut from the populations of a country in a month, and what describes each of them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch

from gde.embed import default_rows, encode_sets
from gde.errors import bad
from gde.evaluate.epidemic.frame import Frame
from gde.evaluate.shared.kmers import kmer_profile
from gde.evaluate.shared.rows import tokens_of
from gde.sets.store.columns import column, numbers

PAST, FUTURE = "past", "future"
PLACES = 4096  # tokens at sites, at most, whose shares are the baseline `sites`: those that vary most


@dataclass(frozen=True)
class Keys:
    """Of each group of a store (g,): country, month since 2019-12 as a number, and what it is there for: `train` (with
    what validates), `test`, or `future`, the months held out whole."""

    group: np.ndarray
    country: np.ndarray
    month: np.ndarray
    part: np.ndarray

    @property
    def unit(self) -> np.ndarray:
        """Numbers (g,), the same of all rows of a group: split by sample it has one in each split."""
        return np.unique(self.group, return_inverse=True)[1]

    @property
    def past(self) -> np.ndarray:
        """Groups (g,) bool of the months that are not held out."""
        return self.part != FUTURE


def keys_of(store: Any) -> Keys:
    """The columns month_index, country and era of a store; without a country all are of one. GdeError where there is
    no month, or no value."""
    where = "evaluation.kind"
    month = numbers(store, "month_index", where).to_numpy(float)
    nowhere = pd.Series("everywhere", store.groups.index, dtype=object)
    country = column(store, "country", where) if "country" in store.groups else nowhere
    if country.isna().any() or not np.isfinite(month).all():
        row = int((country.isna().to_numpy() | ~np.isfinite(month)).argmax())
        found = f"group {store.groups['group'].iloc[row]!r} without a country or a month"
        raise bad(store.path, found, "both of every group", "prepare again")
    split = store.groups["split"].to_numpy()
    part = np.where(split == "test", "test", "train").astype(object)
    if "era" in store.groups:
        part[(store.groups["era"] == FUTURE).to_numpy()] = FUTURE
    return Keys(store.groups["group"].astype(str).to_numpy(), country.astype(str).to_numpy(), month, part)


@dataclass(frozen=True)
class Sets:
    """Sets of sequences: rows of the store of each, and the group it was cut from (s,)."""

    rows: list[np.ndarray]
    group: np.ndarray

    def of(self, chosen: np.ndarray) -> "Sets":
        """The sets at `chosen`, numbers of them."""
        return Sets([self.rows[i] for i in chosen], self.group[chosen])


def cut_sets(store: Any, keys: Keys, size: int, repeats: int, most: int, rng: np.random.Generator) -> Sets:
    """At most `repeats` disjoint sets of `size` sequences of every group, one of all where it has fewer; of those that
    train, of those held out, and of those held out in time, at most `most` each, at random."""
    rows, group = [], []
    for g, (start, n) in enumerate(zip(store.starts, store.sizes, strict=True)):
        each = min(size, int(n))
        parts = min(repeats, int(n) // each)
        # sequences of a group lie in random order: any contiguous part is a fair sample
        first = int(start) + int(rng.integers(int(n) - parts * each + 1))
        for k in range(parts):
            rows.append(np.arange(first + k * each, first + (k + 1) * each))
            group.append(g)
    sets = Sets(rows, np.array(group))
    part = keys.part[sets.group]
    kept = [rng.permutation(np.flatnonzero(part == name))[:most] for name in ("train", "test", FUTURE)]
    return sets.of(np.sort(np.concatenate(kept)))


def views_of(model: Any, store: Any, sets: Sets, keys: Keys, frame: Frame, k: int) -> dict[str, np.ndarray]:
    """What describes every set, as rows (s, p) float64.

    gde : the embedding.   single_sequence : that of one of its sequences.   kmers : frequencies of words of k tokens.
    sites : shares of the tokens at the sites of the reference.   lm_mean : where the encoder reads sequences with a
    language model, the mean of what that makes of them.
    """
    at_once = default_rows(model)
    views = {"gde": _encoded(model, (tokens_of(store, rows) for rows in sets.rows), at_once)}
    views["single_sequence"] = _encoded(model, (tokens_of(store, rows[:1]) for rows in sets.rows), at_once)
    if (described := language_model(model)) is not None:
        views["lm_mean"] = np.stack([described(tokens_of(store, rows)) for rows in sets.rows])
    known = store.alphabet.known
    views["kmers"] = np.stack([kmer_profile(tokens_of(store, rows), k, known) for rows in sets.rows])
    views["sites"] = _shares(store, sets, keys, frame)
    return views


def _encoded(model: Any, sets: Any, at_once: int) -> np.ndarray:
    with torch.no_grad():
        return encode_sets(model, sets, at_once).astype(float)


def language_model(model: Any) -> Callable[[np.ndarray], np.ndarray] | None:
    """From the tokens (n, L) of a set to the mean (f,) of its language model's vectors; None without such a model."""
    if model.config["encoder"]["kind"] != "protein_lm":
        return None

    def described(tokens: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            x = model.encoder.prepare(model.sample_type.tensor(tokens)[None].to(model.device))
        return x[0].double().mean(0).cpu().numpy()

    return described


def _shares(store: Any, sets: Sets, keys: Keys, frame: Frame) -> np.ndarray:
    """Shares of the tokens at the sites, of those that vary most among the sets that train."""
    residues = np.arange(store.alphabet.known + 1)
    shares = np.empty((len(sets.rows), frame.sites * len(residues)), np.float32)
    for i, rows in enumerate(sets.rows):
        placed = frame.place(tokens_of(store, rows))
        shares[i] = (placed[:, :, None] == residues).mean(0, dtype=np.float32).ravel()
    varies = shares[keys.part[sets.group] == "train"].var(0)
    chosen = np.sort(np.argsort(-varies, kind="stable")[:PLACES])
    return shares[:, chosen].astype(float)
