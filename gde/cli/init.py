"""A commented experiment file for a user's files: as the kind of data says that they are of, or guessed."""

import os
import re
from pathlib import Path

import numpy as np
import scipy.sparse as sp
import yaml

from gde.config import RESERVED
from gde.config.datasets import DATASETS
from gde.errors import bad
from gde.files.io import atomic_write
from gde.files.sniffing import check_file
from gde.nets.registry import named
from gde.prepare.common.grouping import guess_groupby
from gde.prepare.common.proposal import Given
from gde.prepare.common.query_kind import no_options
from gde.prepare.common.query_rows import is_table
from gde.readers import hdf5
from gde.readers.anndata import read_cells
from gde.readers.sequence_files import TABLE, ending_of
from gde.readers.table import Table
from gde.readers.totals import row_totals, spread
from gde.readers.values import MAX_LOG, MOST_SPREAD, rounding

CELLS_LOOKED_AT = 2000
WIDE = 10**6  # no line breaks
SEQUENCE = "sequence"
MOST_EQUAL = 1.5  # 95th by 5th percentile of totals that were made equal
MOST_FRACTIONS = 0.9  # of counts with fractions: small ones stay whole
TEMPLATE = """\
# Written by `gde init`. Every key has a default: config/README.md lists them all.
description: {description}

dataset:
  kind: h5ad
  path: {path}
  # One set of cells per combination of these columns. In the file: {columns}
  groupby: {groupby}
  # counts, fractional_counts (estimates): per-10k and log1p are done here | normalised: log1p | lognorm, scaled: kept
  values: {values}
  # layer: counts         # read this layer instead of X
  # use_raw: true         # or .raw
  # labels: [condition]   # columns, constant within a group, that the embedding should tell apart
  n_hvg: {n_hvg}          # most variable genes kept, chosen on training cells; null = all
  n_pcs: {n_pcs}          # principal components: auto = as many as hold in cells they are not fitted on; null = genes
  min_size: {min_size}    # smaller groups are left out
  split:
    by: {by}              # group: whole groups are held out; sample: cells of each; or a column, e.g. donor
    fractions: [0.7, 0.1, 0.2]   # train, validation, test

# Uncomment to change what the model and its training default to:
# encoder: {{kind: resnet, hidden: 128}}
# generator: {{kind: flow, hidden: 128}}
# latent_dim: 32
# training: {{steps: 2000, set_size: 64}}
"""


def init(given: Given, root: Path, *, name: str | None = None, min_size: int = 3) -> tuple[Path, str]:
    """Write config/experiments/<name>.yaml below `root` and return its path and name.

    The first kind of data that recognises the files (`DataSet.propose`) says how; else they are a table, sequences
    (`gde.readers.sequence_files`) or an .h5ad. Raises GdeError when a file is none of these, a groupby column is
    missing or cannot be guessed, an option is for other files, or the experiment exists.
    """
    path = given.files[0]
    for file in given.files:
        if not os.path.isdir(file):
            check_file(file, "a file of data", "correct the path")
    name = name or name_from(path if len(given.files) == 1 else path.absolute().parent)
    if not re.fullmatch("[A-Za-z][A-Za-z0-9_]+", name):
        raise bad("--name", repr(name), "a letter, then letters, digits and _", "give another --name")
    if name in RESERVED:
        raise bad("--name", f"the reserved name {name!r}", f"none of {', '.join(RESERVED)}", "give another --name")
    out = root / "config" / "experiments" / f"{name}.yaml"
    if out.exists():
        raise bad(out, "an experiment of this name", "a new name", "give --name, or edit the file")
    text = proposed(given) or described(given, min_size)
    with atomic_write(out) as f:
        f.write(text)
    return out, name


def proposed(given: Given) -> str | None:
    """The text of an experiment file, by the first kind of data that the files are of; None where they are of none."""
    for kind, data in DATASETS.items():
        if data.propose and (proposal := named(data.propose)(given)):
            return proposal.text(kind)
    return None


def described(given: Given, min_size: int) -> str:
    """The text of an experiment file for a table, sequences or an .h5ad."""
    no_options(given.options(), f"{given.files[0]}", but=("groupby",))
    path, groupby = given.only(), given.groupby
    if is_table(path) and not has_sequences(path):
        from gde.cli.init_table import describe_table

        return describe_table(path, groupby)
    if ending_of(path) is not None:
        from gde.cli.init_sequences import describe_sequences

        return describe_sequences(path, groupby)
    return describe_cells(path, groupby, min_size)


def has_sequences(path: Path) -> bool:
    """Whether a table has the column that files of sequences have."""
    return ending_of(path) in TABLE and SEQUENCE in Table(path, [], None).features


def name_from(path: Path) -> str:
    """An experiment's name from that of a file, without its ending and the digits that it begins with."""
    stem = Path(path.name.removesuffix(".gz")).stem
    return re.sub(r"\W+", "_", stem).strip("_").lstrip("0123456789_").lower()


def describe_cells(path: Path, groupby: list[str] | None, min_size: int) -> str:
    """The text of an experiment file for the cells of an .h5ad."""
    with read_cells(path, values="scaled") as cells:
        columns = {c: len(set(cells.columns([c])[c].astype(str))) for c in hdf5.columns(path)}
        n_cells, n_genes = len(cells), len(cells.var_names)
        groupby = groupby or guess_groupby(columns, n_cells, path)
        keys = cells.columns(groupby).astype(str).agg("|".join, axis=1)
        values = guess_values(next(cells.chunks())[1][:CELLS_LOOKED_AT])
    groups = int((keys.value_counts() >= min_size).sum())
    description = f"{n_cells} cells of {path.name}; a set is one {' x '.join(groupby)}"
    return TEMPLATE.format(
        description=yaml.safe_dump(description, width=WIDE).split("\n")[0],
        path=yaml.safe_dump(str(path), width=WIDE).split("\n")[0],
        columns=", ".join(f"{c} ({n})" for c, n in columns.items()),
        groupby=yaml.safe_dump(groupby, default_flow_style=True, width=WIDE).strip(),
        values=values,
        n_hvg=2000 if n_genes > 2000 and values != "scaled" else "null",
        n_pcs="auto" if n_genes > 50 else "null",
        min_size=min_size,
        by="group" if groups >= 20 else "sample",
    )


def guess_values(x: "sp.csr_matrix | np.ndarray") -> str:
    """What the numbers of the first cells x (n, genes), CSR or dense, can be.

    Negative: scaled. Whole but for rounding: counts. Small, and of equal totals once the logarithm is taken back:
    lognorm. Of equal totals as they are: normalised. Others small and never whole: lognorm, of another base or of some
    genes. The rest are counts with fractions.
    """
    values = (x.data if sp.issparse(x) else np.asarray(x).ravel()).astype(np.float64)
    values = values[values != 0]
    if values.size and values.min() < 0:
        return "scaled"
    apart = np.abs(values - np.rint(values))
    if (apart <= rounding(values)).all():
        return "counts"
    small = values.max() <= MAX_LOG
    if small and spread(row_totals(x, np.expm1)) <= MOST_SPREAD:
        return "lognorm"
    if not small and spread(row_totals(x)) <= MOST_EQUAL:
        return "normalised"
    return "lognorm" if small and (apart > 0).mean() > MOST_FRACTIONS else "fractional_counts"
