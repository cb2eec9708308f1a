"""The experiment that `gde init` writes for spike proteins in GISAID's layout."""

import os
from collections import Counter
from pathlib import Path

from gde.prepare.common.proposal import Given, Proposal, Setting
from gde.prepare.common.query_kind import columns_among, no_options
from gde.prepare.virus_gisaid import DATE, EXPECTED, FIELDS, HOST, REMEDY
from gde.readers.fasta import fasta_blocks
from gde.readers.sequence_files import FASTA

PACKED = (".gz", ".xz", ".zst")
LOOKED_AT = 200_000  # records that are counted
LARGE, FEW, WHOLE = 16, 3, 20  # sequences of a group; groups that make an experiment; that are held out whole


def propose(given: Given) -> Proposal | None:
    """Settings for a FASTA file whose first header is GISAID's; None for others."""
    path = given.files[0]
    if not is_spikes(path):
        return None
    path = given.only()
    no_options(given.options(), "spike proteins", but=("groupby",))
    months, pairs, hosts = counted(path)
    large = [sum(n >= LARGE for n in counts.values()) for counts in (pairs, months)]
    if given.groupby:
        own = ["month"] if len(given.groupby) == 1 else ["country", "month"]
        groupby = columns_among(given.groupby, own, "a file of GISAID")
    else:
        groupby = ["country", "month"] if large[0] >= WHOLE or large[0] > large[1] else ["month"]
    groups = large[0] if "country" in groupby else large[1]
    first = "in the first records" if sum(months.values()) >= LOOKED_AT else "here"
    told = f"{large[0]} countries in a month, and {large[1]} months, have {LARGE} or more {first}"
    found = ", ".join(f"{host} ({n})" for host, n in hosts.most_common(5))
    whole = "group: whole groups are held out; sample: sequences of every group, for few groups"
    return Proposal(
        f"Spike proteins of {path.name}; a set is a {' in a '.join(groupby)}",
        [
            Setting("source", "gisaid", "layout of the headers"),
            Setting("sequences", str(path)),
            Setting("hosts", ["Human"], f"in the file: {found}", asleep=True),
            Setting("groupby", groupby, told),
            Setting("min_size", LARGE, "groups of fewer sequences are left out, and named"),
            Setting("last_months", 0, "months at the end that are held out whole"),
            Setting("split", {"by": "group" if groups >= WHOLE else "sample"}, whole),
        ],
    )


def is_spikes(path: Path) -> bool:
    """Whether a FASTA file begins with a header of GISAID's spikeprot files."""
    name = path.name.lower()
    for packed in PACKED:
        name = name.removesuffix(packed)
    if not name.endswith(FASTA) or not os.path.isfile(path):
        return False
    header = next(fasta_blocks(path, EXPECTED, remedy=REMEDY)).headers[0]
    fields = header.split(b"|")
    return len(fields) == FIELDS and fields[0].lower() == b"spike"


def counted(path: Path) -> tuple[Counter, Counter, Counter]:
    """Sequences of each month, of each country in a month, and of each host, among the first LOOKED_AT records whose
    headers have all fields."""
    months, pairs, hosts = Counter(), Counter(), Counter()
    for block in fasta_blocks(path, EXPECTED, remedy=REMEDY):
        for header in block.headers:
            fields = header.split(b"|")
            date = fields[DATE][:7] if len(fields) == FIELDS else b""
            if len(date) == 7:
                months[date] += 1
                pairs[date, fields[-1]] += 1
                hosts[fields[HOST].decode("latin-1")] += 1
        if block.first + len(block) > LOOKED_AT:
            break
    return months, pairs, hosts
