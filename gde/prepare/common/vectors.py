"""Vectors of conditions for a set store: from a file of embeddings, or from which genes vary together."""

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from gde.errors import bad
from gde.files.sniffing import looks_like_html, not_utf8
from gde.readers.delimited import read_rows
from gde.readers.hdf5 import check_exists, open_hdf5, text
from gde.readers.parquet import damage
from gde.sets.vectors import Vectors

log = logging.getLogger(__name__)
SHOWN = 10  # missing names listed in a message
SAME = 1e-9  # relative difference of vectors that are one
FORMATS = (".npz", ".parquet", ".csv", ".tsv", ".h5ad")


def read_vectors(path: str | Path) -> Vectors:
    """Vectors by name from a file, told by its ending; nothing in it is ever executed.

    .npz : arrays `names` (n,) text and `vectors` (n, k).   .h5ad : X, a row per name of obs.
    .parquet, .csv, .tsv : a row per name; the first column (or a Parquet index of text) is the name.
    GdeError: another format, a file that is damaged, text among the numbers, NaN, a name twice.
    """
    path = Path(path).expanduser()
    check_exists(path)
    suffix = path.suffix.lower()
    if suffix in (".pickle", ".pkl", ".pt"):
        remedy = "convert it once to .npz (arrays names and vectors) or .parquet on a machine you can lose"
        raise bad(path, f"a {suffix} file, which can run code when it is read", ", ".join(FORMATS), remedy)
    if suffix not in FORMATS:
        raise bad(path, f"the ending {suffix!r}", ", ".join(FORMATS), "convert the file")
    if looks_like_html(path):
        raise bad(path, "an HTML page", f"a {suffix} file", "fetch it again")
    names, table = {".npz": _npz, ".h5ad": _h5ad}.get(suffix, _frame)(path)
    if not np.isfinite(table).all():
        i = int(np.argwhere(~np.isfinite(table))[0][0])
        raise bad(f"{path}: row {i + 1} ({names[i]})", "NaN or infinity", "finite numbers", "remove or fill the row")
    return Vectors(names, table.astype(np.float32), path.name)


def _npz(path: Path) -> tuple[list[str], np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files}
    except Exception as e:  # zipfile, zlib and numpy raise unrelated types
        found = f"an unreadable archive ({str(e).splitlines()[0]})"
        raise bad(path, found, "numpy arrays without objects", "write it again with np.savez") from e
    if not {"names", "vectors"} <= arrays.keys() or arrays["vectors"].dtype.kind not in "fiu":
        raise bad(path, f"arrays {', '.join(arrays) or 'none'}", "names (text) and vectors (numbers)", "rename them")
    if arrays["vectors"].ndim != 2 or len(arrays["names"]) != len(arrays["vectors"]):
        found = f"{len(arrays['names'])} names and vectors {arrays['vectors'].shape}"
        raise bad(path, found, "one row of vectors per name", "check how the file was written")
    return [str(name) for name in text(arrays["names"])], arrays["vectors"]


def _h5ad(path: Path) -> tuple[list[str], np.ndarray]:
    from gde.readers.sealed_h5ad import read_anndata

    with open_hdf5(path):
        pass
    data = read_anndata(path)
    x = data.X.toarray() if hasattr(data.X, "toarray") else np.asarray(data.X)
    return [str(name) for name in data.obs_names], x


def _frame(path: Path) -> tuple[list[str], np.ndarray]:
    import pandas as pd

    if path.suffix != ".parquet":
        return _rows(path)
    with damage(path):
        frame = pd.read_parquet(path)
    names = frame.index if frame.index.dtype.kind in "OUT" else None
    if names is None:
        names, frame = frame.iloc[:, 0], frame.iloc[:, 1:]
    if frame.shape[1] == 0:
        raise bad(path, "one column", "a name and its numbers in each row", "check the separator")
    for column in frame:
        if frame[column].dtype.kind not in "fiu":
            found = f"{frame[column].dtype} in column {column!r}"
            raise bad(path, found, "numbers in all columns but the first", "remove the column")
    return [str(name) for name in names], frame.to_numpy(dtype=float)


def _rows(path: Path) -> tuple[list[str], np.ndarray]:
    """Of CSV or TSV. A name is what stands there: `NA` and `nan` are genes too."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as f:
            header, *rows = list(read_rows(f, "\t" if path.suffix.lower() == ".tsv" else ",", path)) or [[]]
    except UnicodeDecodeError as e:
        raise not_utf8(path, open, "a table") from e
    if len(header) < 2:
        raise bad(path, "one column", "a name and its numbers in each row", "check the separator")
    table = np.empty((len(rows), len(header) - 1))
    for i, row in enumerate(rows):
        try:
            table[i] = [float(value) if value.strip() else np.nan for value in row[1:]]
        except ValueError as e:
            column = next(c for c, value in zip(header[1:], row[1:], strict=True) if not _is_number(value))
            found = f"{row[header.index(column)]!r} in column {column!r}"
            raise bad(f"{path}: row {i + 1}", found, "numbers in all columns but the first", "remove the column") from e
    return [row[0] for row in rows], table


def _is_number(text: str) -> bool:
    try:
        float(text.strip() or 0)
    except ValueError:
        return False
    return True


def match(
    vectors: Vectors,
    wanted: Sequence[str],
    *,
    where: str,
    n_pcs: int | None = None,
    missing: Literal["refuse", "mean"] = "refuse",
) -> tuple[Vectors, list[str]]:
    """The vectors of the conditions `wanted`, and the names that had none.

    missing : refuse = GdeError that counts and lists them; mean = the mean of those found, that is, nothing known: they
    are logged, and `lost` in the result. GdeError also where the vectors tell no two conditions apart.
    n_pcs : principal components of the vectors of all names in the file; centred and, with or without them, divided by
    one number, so that the mean square of an entry is 1.
    """
    wanted = list(dict.fromkeys(map(str, wanted)))
    row = vectors.rows(wanted)
    lost = [name for name, r in zip(wanted, row, strict=True) if r < 0]
    listed = ", ".join(lost[:SHOWN]) + (", …" if len(lost) > SHOWN else "")
    if len(lost) == len(wanted) or (lost and missing == "refuse"):
        found = f"no vector for {len(lost)} of {len(wanted)} conditions ({listed})"
        remedy = "give vectors for them, or set `missing: mean` to know nothing about them"
        if len(lost) == len(wanted):
            remedy = "check that the file names conditions as the data do (symbols, identifiers)"
        raise bad(where, found, "one for each", remedy)
    table = vectors.table.astype(float)
    table = table - table.mean(0)
    if n_pcs is not None and n_pcs < min(table.shape):
        _, _, vt = np.linalg.svd(table, full_matrices=False)
        table = table @ (vt[:n_pcs].T * np.sign(vt[np.arange(n_pcs), np.abs(vt[:n_pcs]).argmax(1)]))
    table = table[row.clip(0)]
    known = row >= 0
    if np.ptp(table[known], axis=0).max(initial=0) <= SAME * max(np.abs(vectors.table).max(initial=0), 1.0):
        found = f"{known.sum()} of {len(wanted)} conditions with a vector, all alike"
        remedy = "give a file with vectors of all conditions, or set vectors: null to predict none that never trained"
        raise bad(where, found, "two that differ, or one condition is not told from another", remedy)
    if lost:
        said = "the mean vector stands for them, which tells nothing"
        log.info("%s: no vector for %d of %d conditions (%s): %s", where, len(lost), len(wanted), listed, said)
    table = np.where(known[:, None], table, table[known].mean(0))
    table = table / (np.sqrt(np.square(table - table.mean(0)).mean()) or 1.0)
    return Vectors(wanted, table.astype(np.float32), vectors.source, tuple(lost)), lost


def coexpression(chunks: Iterable[Any], names: Sequence[str], n_pcs: int) -> Vectors:
    """A vector for every gene from which genes vary together among the rows given: control cells that train.

    chunks : rows (n, genes) of log-normalised expression, sparse or dense. Genes are standardised; a gene's vector is
    its correlation with the n_pcs largest principal components. Genes that do not vary get zeros.
    Randomised range finder on the second pass is not needed: the Gram matrix of rows is, whichever side is smaller.
    GdeError for fewer rows than components.
    """
    rows = [np.asarray(c.toarray() if hasattr(c, "toarray") else c, dtype=np.float32) for c in chunks]
    x = np.concatenate(rows) if rows else np.zeros((0, len(names)), np.float32)
    if min(x.shape) <= n_pcs:
        found = f"{len(x)} control cells of {x.shape[1]} genes"
        raise bad("vectors: coexpression", found, f"more than n_pcs = {n_pcs} of both", "lower n_pcs")
    x -= x.mean(0)
    sd = x.std(0)
    x /= np.where(sd > 0, sd, 1.0)
    gram = x @ x.T if len(x) <= x.shape[1] else x.T @ x
    values, sides = np.linalg.eigh(gram.astype(float))
    values, sides = values[::-1][:n_pcs], sides[:, ::-1][:, :n_pcs]
    loadings = x.T @ sides / np.sqrt(values.clip(min=1e-12)) if len(x) <= x.shape[1] else sides
    table = loadings * np.sqrt(values.clip(min=0) / len(x))  # (genes, k): correlations with the components
    table = table * np.sign(table[np.abs(table).argmax(0), np.arange(n_pcs)])
    return Vectors([str(n) for n in names], table.astype(np.float32), f"coexpression of {len(x)} control cells")
