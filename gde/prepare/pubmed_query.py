"""Documents of new XML of PubMed for a trained model: a group is a major MeSH term, as in training."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from gde.errors import bad
from gde.prepare.common.query_kind import columns_among, no_options
from gde.prepare.common.query_sequences import sequence_store
from gde.prepare.pubmed import Citations
from gde.sets.store.set_store import SetStore
from gde.sets.store.token_writer import TokenStoreWriter

if TYPE_CHECKING:
    from gde.models.base import Model

ENDINGS = (".xml", ".xml.gz")


@contextmanager
def document_store(
    model: "Model", data: str | Path, groupby: str | list[str] | None = None, **options: Any
) -> Iterator[SetStore]:
    """The documents of an XML file of PubMed by their major MeSH terms, as `gde.embed.open_data`: every term, with a
    document in the group of each of its terms; of another file, texts, as `sequence_store`.

    GdeError for columns other than `term`, no document, and what `read_citations` refuses.
    """
    path, cfg = Path(data), model.config["dataset"]
    if not path.name.lower().endswith(ENDINGS):
        with sequence_store(model, data, groupby, **options) as store:
            yield store
        return
    columns = columns_among(groupby, ["term"], f"{path}, a file of PubMed")
    no_options(options, f"{path}, a file of PubMed", but=("too_long",))
    too_long = options.get("too_long") or cfg["too_long"]
    with TemporaryDirectory() as scratch, TemporaryFile(dir=scratch) as spool:
        read = Citations(spool, {**cfg, "length": model.dim, "too_long": too_long})
        read.add(path)
        if not len(read.characters):
            raise bad(path, "no document with an abstract and a major term", "some", "give another file")
        n_terms = np.frombuffer(read.n_terms, np.uint16).astype(int)
        term, first = np.frombuffer(read.term, np.int32), np.append(0, np.cumsum(n_terms))
        if not columns:  # each document once
            n_terms, term, first = np.ones_like(n_terms), np.zeros(len(n_terms), np.int32), np.arange(len(n_terms) + 1)
        sets = Path(scratch) / "sets"
        with TokenStoreWriter(sets, alphabet="text", length=model.dim, seed=0) as writer:
            for tokens, documents in read.texts():
                own = term[first[documents[0]] : first[documents[-1] + 1]]
                writer.write(np.repeat(tokens, n_terms[documents], axis=0), own.astype(int))
            names = [name for name, _ in read.terms] if columns else ["all"]
            groups = pd.DataFrame({"group": names, "split": "test", "term" if columns else "all": names})
            writer.finish(groups, {"kind": "query", "data": "user"})
        yield SetStore.open(sets, verify=False)  # written a moment ago, by this process
