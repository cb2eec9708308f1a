"""Files of AnnData that gde wrote, with their digests inside."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from gde.errors import bad
from gde.files.seals import check_seal
from gde.readers.hdf5 import check_exists, open_hdf5

if TYPE_CHECKING:
    import anndata

log = logging.getLogger(__name__)


def read_anndata(path: Path, *, sealed: bool = False) -> "anndata.AnnData":
    """Read an .h5ad written by gde, or with not `sealed` one that a user cut out of such a file.

    GdeError names a file that is missing, damaged or edited.
    """
    import anndata

    check_exists(Path(path))
    whole = check_seal(path, required=sealed)  # first: HDF5 says less about a damaged file
    with open_hdf5(Path(path)):  # says in one line what is wrong with a file that is no HDF5
        pass
    if not whole:
        log.warning("%s: not written by gde, so it has no digest to be checked against", path)
    try:
        return anndata.read_h5ad(path)
    except Exception as e:  # anndata's own errors have no type in common
        remedy = "embed the data again, or write the file with AnnData.write_h5ad"
        raise bad(path, f"no AnnData ({type(e).__name__})", "an .h5ad file written by gde", remedy) from e
