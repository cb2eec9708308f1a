"""The experiment that `gde init` writes for `.pat.gz` and BAM files: a sample each."""

from gde.errors import GdeError, bad
from gde.files.sniffing import check_file
from gde.prepare.common.proposal import Given, Proposal, Setting
from gde.prepare.common.query_kind import columns_among, no_options
from gde.prepare.methylation import parts_of
from gde.prepare.methylation_samples import Sample, samples_of

ENDINGS = (".pat.gz", ".pat", ".bam")
SPLITS = (  # the first that the samples allow
    ({"by": "group"}, "whole samples are held out, a share of every tissue's"),
    ({"by": "group", "validation": "reads"}, "whole samples test; too few are left to validate on"),
    ({"by": "sample"}, "reads of every sample are held out: no tissue has two; group: whole samples"),
)


def propose(given: Given) -> Proposal | None:
    """Settings for files of reads; None for others. GdeError without the genome, and for two samples of one name."""
    if not all(file.name.endswith(ENDINGS) for file in given.files):
        return None
    no_options(given.options(), "reads of methylation", but=("groupby", "genome"))
    columns_among(given.groupby, ["sample"], "a group of reads, which is a file's sample")
    if given.genome is None:
        remedy = "give --genome FASTA, plain or gzip"
        raise bad(given.files[0], "reads of methylation without a genome", "what they were aligned to", remedy)
    check_file(given.genome, "a genome: FASTA", "correct --genome")
    samples = samples_of([str(file) for file in given.files], None, {})
    split, why = split_of(samples)
    tissues = ", ".join(sorted({sample.tissue for sample in samples}))
    return Proposal(
        f"Reads of DNA methylation of {len(samples)} samples; a set is a sample",
        [
            Setting("files", given.patterns(ENDINGS), "or patterns, such as reads/*.pat.gz; a sample each"),
            Setting("genome", str(given.genome), "that the reads were aligned to"),
            Setting("samples", "samples.csv", f"a table: file,tissue,...; else names tell: {tissues}", asleep=True),
            Setting("context", 100, "residues of the genome before a read's first CpG; amplicons: about 12"),
            Setting("min_size", 20, "samples of fewer different reads are left out, and named"),
            Setting("split", split, why),
        ],
    )


def split_of(samples: list[Sample]) -> tuple[dict[str, str], str]:
    """The strictest split that as many samples of these tissues allow, and why."""
    for split, why in SPLITS[:-1]:
        try:
            parts_of(samples, {"split": {"fractions": [0.6, 0.1, 0.3], "seed": 0, "validation": "samples", **split}})
        except GdeError:
            continue
        return split, why
    return SPLITS[-1]
