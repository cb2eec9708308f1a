"""Sizes: what of a set store, or of the files of one that is still to be made, a budget depends on."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from gde.config.budget import Sizes, is_open, settle
from gde.config.datasets import kind_of_data, sample_type_of
from gde.config.stored import check_resolved

if TYPE_CHECKING:
    from gde.sets.store.set_store import SetStore


def sizes_of(store: "SetStore") -> Sizes:
    """The sizes of what trains in a set store; of a simulated family, which is drawn afresh, those of a sample."""
    import numpy as np

    own = store.sizes[store.select("train")]
    features, positions = store.meta["dim"], store.sample_type.positions
    if len(own) == 0:
        return Sizes(features=features, positions=positions)
    typical = int(np.quantile(own, 0.75, method="lower"))
    return Sizes(int(own.sum()), len(own), typical, features, positions)


def expected(resolved: dict[str, Any], store: Path) -> dict[str, Any]:
    """`settled` by the set store that is there, or as far as settings and heads of files tell of one that is not."""
    if not is_open(resolved):
        return resolved
    if (store / "SHA256SUMS").is_file():
        from gde.sets.store.set_store import SetStore

        return settled(resolved, SetStore.open(store, verify=False))  # an estimate; training verifies
    dataset = resolved["dataset"]
    rows, features = kind_of_data(dataset).shape(dataset)
    share = ((dataset.get("split") or {}).get("fractions") or [1.0])[0]
    length = 1 if sample_type_of(dataset).alphabet is None else features or 1
    return settle(resolved, Sizes(None if rows is None else int(rows * share), features=features, positions=length))


def settled(resolved: dict[str, Any], store: "SetStore") -> dict[str, Any]:
    """A resolved experiment with numbers for what it leaves to the data of its store (`gde.config.budget.settle`).

    GdeError where these do not fit what is given, as a number of heads that does not divide the width.
    """
    if not is_open(resolved):
        return resolved
    out = settle(resolved, sizes_of(store))
    check_resolved(out, Path(f"{resolved['name']}, with the sizes of {store.path}"))
    return out
