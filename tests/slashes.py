"""Keys with a slash in an .h5ad file."""

import h5py


def nested_keys(file) -> list[str]:
    """Paths of HDF5 groups that are no element of AnnData: what a slash in a key makes."""
    with h5py.File(file) as f:
        found = []
        f.visititems(
            lambda path, node: (
                found.append(path) if isinstance(node, h5py.Group) and "encoding-type" not in node.attrs else None
            )
        )
        return found
