"""Reads of a new sample for a trained model: from a .pat or BAM file, in the form that the model was trained on."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pandas as pd

from gde.errors import bad
from gde.prepare.common.query_sequences import sequence_store
from gde.prepare.methylation import FIELDS, reads_of, sequences
from gde.prepare.methylation_samples import samples_of
from gde.readers.cpg import CpGs
from gde.readers.genome import open_genome
from gde.sets.store.set_store import SetStore
from gde.sets.store.token_writer import TokenStoreWriter

if TYPE_CHECKING:
    from gde.models.base import Model

ENDINGS = (".pat.gz", ".pat", ".bam")
STORES = Path("results/sets")  # where training keeps what it maps of a genome


@contextmanager
def read_store(
    model: "Model", data: str | Path, groupby: str | list[str] | None = None, **options: Any
) -> Iterator[SetStore]:
    """The reads of a .pat or BAM file as one group, as `gde.embed.open_data`, by the settings and the genome of
    training; of another file, sequences that are in the form of training, as `sequence_store`.

    GdeError for columns other than `sample`, options that are for sequences, and what training refuses of such a file.
    """
    path, cfg = Path(data), model.config["dataset"]
    if not path.name.lower().endswith(ENDINGS):
        with sequence_store(model, data, groupby, **options) as store:
            yield store
        return
    columns = [groupby] if isinstance(groupby, str) else list(groupby or [])
    if columns not in ([], ["sample"]):
        raise bad("--groupby", ", ".join(columns), "sample: a file of reads is one sample", "leave it out")
    if given := ["--" + name.replace("_", "-") for name, value in options.items() if value is not None]:
        raise bad(", ".join(given), f"{path}, a file of reads", "a file of sequences", "leave it out")
    (sample,) = samples_of([str(path)], None, {})
    with TemporaryDirectory() as scratch:
        folder = STORES if STORES.is_dir() else Path(scratch)
        cpgs = CpGs(open_genome(Path(cfg["genome"]).expanduser(), folder), cfg["contigs"])
        stored = Path(scratch) / "sets"
        with TokenStoreWriter(stored, alphabet="dna", length=model.dim, seed=0, fields=FIELDS) as writer:
            for reads in reads_of(sample, cpgs, cfg):
                tokens, row, number = sequences(reads, cpgs, cfg, path)
                writer.write(tokens, row * 0, weight=reads.count[row], cpg=number)
            if not writer.rows:
                raise bad(path, "no read with a call", "some", "give a sample with reads on CpGs")
            groups = pd.DataFrame([{"group": sample.name, "split": "test", "sample": sample.name}])
            writer.finish(groups, {"kind": "query", "data": "user", "context": cfg["context"]})
        yield SetStore.open(stored, verify=False)  # written a moment ago, by this process
