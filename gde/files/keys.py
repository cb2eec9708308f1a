"""Keys of .h5ad files: HDF5 reads a slash as a group inside a group, and anndata warns of it."""

from collections.abc import Collection, Sequence


def without_slashes(names: Sequence[str], taken: Collection[str] = ()) -> list[str]:
    """Distinct names with `_` for every `/`, and with _1, _2, ... behind those that are then `taken` or another's.

    A name without a slash that is not taken stays as it is.
    """
    kept = {name for name in names if "/" not in name and name not in taken}
    used, out = {*taken, *kept}, []
    for name in names:
        new, n = name.replace("/", "_"), 0
        while new in used and name not in kept:
            n += 1
            new = f"{name.replace('/', '_')}_{n}"
        used.add(new)
        out.append(new)
    return out
