"""Promoters of a new condition for a trained model: lines of a sequence, a tab and its expression, as in training."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from gde.errors import bad
from gde.prepare.common.quantiles import Ranking
from gde.prepare.common.query_kind import columns_among, no_options
from gde.prepare.common.query_sequences import sequence_store
from gde.prepare.common.sequence_lines import read_lines
from gde.readers.sequence_files import FASTA, FASTQ, ending_of
from gde.readers.text_lines import line_blocks
from gde.sets.random import seed_of
from gde.sets.store.set_store import SetStore
from gde.sets.store.token_writer import TokenStoreWriter
from gde.sets.types.alphabet import ALPHABETS

if TYPE_CHECKING:
    from gde.models.base import Model

DNA = ALPHABETS["dna"]
EXPECTED = "lines of a sequence, a tab and a number"


@contextmanager
def promoter_store(
    model: "Model", data: str | Path, groupby: str | list[str] | None = None, **options: Any
) -> Iterator[SetStore]:
    """The quantiles of expression of a file of promoters, as `gde.embed.open_data`: as many as in training, of this
    file by itself; of another file, sequences, as `sequence_store`.

    GdeError for columns other than `quantile`, fewer promoters than quantiles, and what `read_lines` refuses.
    """
    path, cfg = Path(data), model.config["dataset"]
    if not has_lines(path):
        with sequence_store(model, data, groupby, **options) as store:
            yield store
        return
    columns = columns_among(groupby, ["quantile"], f"{path}, a file of promoters")
    no_options(options, f"{path}, a file of promoters", but=("too_long",))
    too_long = options.get("too_long") or cfg["too_long"]
    with TemporaryDirectory() as scratch:
        with Ranking(Path(scratch), seed=seed_of(cfg["split"]["seed"], "ties")) as ranking:
            for lines in read_lines(path, DNA, model.dim, too_long="refuse" if too_long == "refuse" else "cut"):
                ranking.add(lines.numbers)
            number = cfg["quantiles"] if columns else 1
            if ranking.n < number:
                expected = f"one for each of {number} quantiles, as in training"
                remedy = "give more, or --groupby without a name to make all one group"
                raise bad(path, f"{ranking.n} promoters", expected, remedy)
            quantile = np.concatenate(list(ranking.quantiles(number)))
        start, sets = 0, Path(scratch) / "sets"
        with TokenStoreWriter(sets, alphabet="dna", length=model.dim, seed=0, fields={"expression": "float32"}) as w:
            for lines in read_lines(path, DNA, model.dim, too_long="cut"):
                own = quantile[start : start + len(lines.numbers)].astype(int)
                start += len(own)
                kept = lines.residues <= model.dim if too_long == "drop" else np.ones(len(own), bool)
                w.write(lines.tokens[kept], own[kept], expression=lines.numbers[kept])
            digits = len(str(number - 1))
            names = [f"q{q:0{digits}d}" if columns else "all" for q in range(number)]
            groups = pd.DataFrame({"group": names, "split": "test", "quantile" if columns else "all": names})
            if columns:
                groups["quantile"] = np.arange(number)
            w.finish(groups, {"kind": "query", "data": "user"})
        yield SetStore.open(sets, verify=False)  # written a moment ago, by this process


def has_lines(path: Path) -> bool:
    """Whether a file is of sequences, tabs and numbers, whatever it is called; not FASTA, FASTQ or a table."""
    ending = ending_of(path)
    if ending in (*FASTA, *FASTQ, ".csv"):
        return False
    if ending is None:
        return True
    first = next(iter(line_blocks(path, EXPECTED))).split(b"\n", 1)[0].split(b"\t")
    try:
        return len(first) == 2 and np.isfinite(float(first[1]))
    except ValueError:
        return False
