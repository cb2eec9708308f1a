"""The experiment that `gde init` writes for a table of regulatory elements with their activity."""

import os

from gde.config.datasets.promoters import ElementColumns
from gde.prepare.common.proposal import Given, Proposal, Setting
from gde.prepare.common.query_kind import columns_among, no_options
from gde.prepare.common.query_rows import is_table
from gde.readers.table import Table

OWN = ElementColumns()
NAMES = {  # what the columns of such tables are called
    "name": (OWN.name, "name", "element", "element_id", "oligo_name"),
    "sequence": (OWN.sequence, "sequence"),
    "activity": (OWN.activity, "activity", "log2FC", "log2_rna_dna", "log2(RNA/DNA)"),
}
BINS, EACH = 20, 50  # as many bins, of as many elements at least


def propose(given: Given) -> Proposal | None:
    """Settings for a table with a column of each of NAMES; None for others."""
    if not is_table(given.files[0]) or not os.path.isfile(given.files[0]):
        return None
    names = [*(table := Table(given.files[0], [], None)).features, *table.left_out]
    columns = {key: next((n for n in some if n in names), None) for key, some in NAMES.items()}
    if None in columns.values():
        return None
    path = given.only()
    no_options(given.options(), "elements of a reporter assay", but=("groupby",))
    columns_among(given.groupby, ["bin"], "a table of elements, grouped by activity")
    frame = Table(path, list(columns.values()), [], text_only=True).frame()
    sequences = frame[columns["sequence"]].astype(str)
    longest, bins = int(sequences.str.len().max()), max(3, min(BINS, len(frame) // EACH))
    return Proposal(
        f"{len(frame)} elements of {path.name}; a set is a bin of activity",
        [
            Setting("path", str(path)),
            Setting("columns", columns, f"in the file: {', '.join(names)}"),
            Setting("length", longest, "residues that an element has at most"),
            Setting("bins", bins, "of activity, of equally many elements; a group each"),
            Setting("orientations", ["_F", "_Reversed:"], "suffixes of names: those share a split"),
            Setting("split", {"identity": 0.9}, "elements that agree at this share share a split; null: equal ones"),
        ],
    )
