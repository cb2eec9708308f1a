"""Regulatory elements of a new table for a trained model, in bins of their activity as in training."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from gde.prepare.common.query_kind import columns_among, no_options
from gde.prepare.common.query_sequences import sequence_store
from gde.prepare.mpra_bins import bin_of, read_elements
from gde.readers.sequence_files import FASTA, FASTQ, ending_of
from gde.sets.store.set_store import SetStore
from gde.sets.store.token_writer import TokenStoreWriter

if TYPE_CHECKING:
    from gde.models.base import Model


@contextmanager
def element_store(
    model: "Model", data: str | Path, groupby: str | list[str] | None = None, **options: Any
) -> Iterator[SetStore]:
    """The bins of activity of a table with the columns of training, as `gde.embed.open_data`: as many as in training,
    of this table by itself; of FASTA, FASTQ, and with `sequence` or other columns, sequences, as `sequence_store`.

    GdeError for what training refuses of such a table.
    """
    path, cfg = Path(data), model.config["dataset"]
    columns = [groupby] if isinstance(groupby, str) else list(groupby or [])
    if ending_of(path) in (*FASTA, *FASTQ) or options.get("sequence") or (columns and columns != ["bin"]):
        with sequence_store(model, data, groupby, **options) as store:
            yield store
        return
    columns = columns_among(groupby, ["bin"], f"{path}, a table of elements")
    no_options(options, f"{path}, a table of elements")
    _, tokens, activity, _ = read_elements(path, cfg)
    code = bin_of(activity, cfg, path) if columns else np.zeros(len(activity), np.int64)
    number = int(code.max()) + 1
    names = [f"bin{b:02d}" for b in range(number)] if columns else ["all"]
    groups = pd.DataFrame({"group": names, "split": "test", "bin" if columns else "all": range(number)})
    if columns:
        groups["activity"] = np.bincount(code, activity) / np.bincount(code)
    else:
        groups["all"] = "all"
    with TemporaryDirectory() as scratch:
        sets = Path(scratch) / "sets"
        with TokenStoreWriter(sets, alphabet="dna", length=model.dim, seed=0, fields={"expression": "float32"}) as w:
            w.write(tokens, code, expression=activity)
            w.finish(groups, {"kind": "query", "data": "user"})
        yield SetStore.open(sets, verify=False)  # written a moment ago, by this process
