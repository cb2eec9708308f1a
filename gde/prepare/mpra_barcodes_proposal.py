"""The experiment that `gde init` writes for a table of the barcodes of a reporter assay."""

import os
import re
from collections.abc import Sequence

from gde.prepare.common.proposal import Given, Proposal, Setting
from gde.prepare.common.query_kind import columns_among, no_options
from gde.prepare.common.query_rows import is_table
from gde.readers.table import Table

COUNTS = re.compile(r"(.*)(dna|rna)(.*)", re.I)
BARCODE = re.compile(r"barcode|^bc$", re.I)
OLIGO = re.compile(r"oligo|element|name|insert", re.I)
SIZES = (20, 10, 5, 3)  # samples of an element, the first that leaves some elements
SOME = 20


def propose(given: Given) -> Proposal | None:
    """Settings for a table with a column of barcodes, one of elements, and counts of DNA and RNA for each replicate;
    None for others."""
    if not is_table(given.files[0]) or not os.path.isfile(given.files[0]):
        return None
    names = [*(table := Table(given.files[0], [], None)).features, *table.left_out]
    barcode = next(filter(BARCODE.search, names), None)
    oligo = next((n for n in names if n != barcode and OLIGO.search(n)), None)
    dna, rna = pairs(names)
    if not (barcode and oligo and dna):
        return None
    path = given.only()
    no_options(given.options(), "barcodes of a reporter assay", but=("groupby",))
    columns_among(given.groupby, ["oligo"], "a table of barcodes, grouped by element")
    frame = Table(path, [oligo, *dna], [], text_only=True, empty=True).frame()
    seen = (frame[dna].astype(str).apply(lambda column: column.str.strip()) != "").sum(1).groupby(frame[oligo]).sum()
    size = next((n for n in SIZES if (seen >= n).sum() >= SOME), SIZES[-1])
    return Proposal(
        f"{len(frame)} barcodes of {path.name}; a set is an element, a sample a barcode's log2 RNA / DNA",
        [
            Setting("path", str(path)),
            Setting("columns", {"barcode": barcode, "oligo": oligo, "dna": dna, "rna": rna}),
            Setting("replicates", "apart", "a sample for each barcode and replicate; together: those seen in all"),
            Setting("min_size", size, f"elements of fewer samples are left out; {(seen >= size).sum()} have as many"),
            Setting("split", {"by": "group"}, "whole elements are held out; sample: barcodes of each"),
        ],
    )


def pairs(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """The columns of DNA and of RNA counts that differ in that word alone, in the order of the file."""
    parts = {n: m for n in names if (m := COUNTS.fullmatch(n))}
    rest = {(m[1], m[2].lower(), m[3]): n for n, m in parts.items()}
    both = [(before, after) for before, kind, after in rest if kind == "dna" and (before, "rna", after) in rest]
    return [rest[b, "dna", a] for b, a in both], [rest[b, "rna", a] for b, a in both]
