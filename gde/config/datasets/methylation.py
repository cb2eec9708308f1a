"""Reads of DNA methylation."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from gde.config.base import Count, Names, Section, Whole, check_idle, refuse
from gde.config.datasets.base import ADAMW, BY_DATA, PatternFiles, TokenSequences
from gde.files.counts import about_all
from gde.files.input_files import expand, pattern_files

MARGIN = 512  # residues upstream that are kept at a contig's edge (`gde.readers.genome`)


class MethylationSplit(Section):
    """What is held out of methylation samples."""

    by: str = Field(
        "group",
        min_length=1,
        description="`group`: whole samples, a share of every tissue's; `sample`: reads of every sample; or a column "
        "of dataset.samples whose values stay together, such as donor, of whom halves and replicates are",
    )
    fractions: Annotated[list[Annotated[float, Field(gt=0, lt=1)]], Field(min_length=3, max_length=3)] = Field(
        [0.6, 0.1, 0.3], description="train, validation, test; a tissue of one sample trains"
    )
    validation: Literal["samples", "reads"] = Field(
        "samples",
        description="unless by sample: what validates, further whole samples, or, where tissues have too few, reads of "
        "the samples that train",
    )
    seed: Whole = Field(0, description="seed of the split, apart from the training seed")

    @model_validator(mode="after")
    def possible(self):
        if abs(sum(self.fractions) - 1) > 1e-6:
            refuse("fractions", self.fractions, "three numbers that sum to 1", "adjust one of them")
        return self


class BamReads(Section):
    """Which alignments of a BAM file are used, and how."""

    min_mapping_quality: Whole = Field(10, description="alignments of a lower mapping quality are left out")
    min_base_quality: Whole = Field(5, description="CpGs read with a lower quality are unknown")
    duplicates: bool = Field(False, description="use alignments that are marked as duplicates")
    secondary: bool = Field(False, description="use secondary and supplementary alignments")
    max_fragment: Count = Field(1000, description="mates that start further apart are two reads, otherwise one")


class Methylation(PatternFiles, TokenSequences):
    """Reads of DNA methylation, a sample for each file."""

    prepare: ClassVar = "gde.prepare.methylation:prepare"
    READER: ClassVar = "gde.prepare.methylation_query:read_store"
    examine: ClassVar = "gde.prepare.methylation:examine"
    propose: ClassVar = "gde.prepare.methylation_proposal:propose"
    evaluation: ClassVar = "methylation"
    # as config/experiments/methylation.yaml, laptop, but for the steps
    start: ClassVar = {
        "encoder": {"kind": "dna_conv", "hidden": 64, "layers": 3, "kernel": 7, "pool": 4},
        "generator": {
            "kind": "hyenadna",
            "hidden": 64,
            "layers": 3,
            "conditioning": "adaln",
            "context": 100,
            "context_weight": 0.05,
            "subsample": 32,
        },
        "latent_dim": 64,
        "mixer": {"kind": "dirichlet_k", "k": 3, "alpha": 1.0},
        "training": {"n_sets": 8, "set_size": 200, "optimizer": ADAMW, **BY_DATA},
    }
    kind: Literal["methylation"] = Field(
        description="reads of DNA methylation from .pat.gz files (wgbstools) or BAM files; a group is a sample"
    )
    files: Names = Field(
        description="files, or patterns of files such as resources/methylation/*.pat.gz; a sample each"
    )
    genome: str = Field(min_length=1, description="FASTA file, plain or gzip, that the reads were aligned to")
    contigs: Literal["auto", "file", "chromosomes"] = Field(
        "auto",
        description="how the CpGs of the genome are numbered: through its contigs as in the `file`; through "
        "`chromosomes` 1, 2, ..., X, Y, M alone, as wgbstools does; `auto` = the first of both that the files fit",
    )
    ignore_contigs: list[str] = Field([], description="contigs left out, e.g. spiked-in controls")
    samples: str | None = Field(
        None,
        description="CSV or TSV with the columns file, tissue and perhaps coarse; null = names of files tell, as in "
        "GSM5652176_Blood-T-CD4-Z000000TT.hg38.pat.gz",
    )
    coarse: dict[str, str] = Field({}, description="tissue: coarse tissue; others' is the first word of the tissue")
    context: Count = Field(100, description="residues of the genome before a read's first CpG")
    cpgs: Count = Field(28, description="CpGs of a read; one of more is cut into pieces of as many")
    bam: BamReads = Field(BamReads(), description="which alignments of BAM files are used")
    min_size: Count = Field(20, description="samples of fewer different reads are left out, and named")
    split: MethylationSplit = Field(MethylationSplit(), description="what is held out; whole samples")

    @model_validator(mode="after")
    def possible(self):
        if self.context > MARGIN:
            refuse("context", self.context, f"at most {MARGIN}", "lower it")
        if self.cpgs > 256:
            refuse("cpgs", self.cpgs, "at most 256", "lower it")
        if self.split.by not in ("group", "sample") and self.samples is None:
            refuse("split.by", self.split.by, "'group' or 'sample' without a table of samples", "set dataset.samples")
        endings = (".pat.gz", ".pat", ".bam")
        for file in self.files:
            if not file.endswith(endings):
                refuse("files", file, f"names that end in {', '.join(endings)}", "correct it")
        if not any(file.endswith(".bam") for file in self.files):
            check_idle(self, "bam", "where no file ends in .bam", "remove the section")
        if twice := [file for file in self.files if self.files.count(file) > 1]:
            refuse("files", twice[0], "each file once", "remove the second")
        return self

    @classmethod
    def group_columns(cls, dataset: Mapping[str, Any]) -> list[str]:
        return ["sample"]

    @classmethod
    def input_files(cls, dataset: Mapping[str, Any]) -> dict[str, str]:
        more = {key: expand(dataset[key]) for key in ("genome", "samples") if dataset[key]}
        return super().input_files(dataset) | more

    @classmethod
    def shape(cls, dataset: Mapping[str, Any]) -> tuple[int | None, int | None]:
        files = [Path(file) for file in pattern_files(dataset).values()]
        bam = any(file.suffix == ".bam" for file in files)
        return None if bam else about_all(files), dataset["context"] + dataset["cpgs"]
