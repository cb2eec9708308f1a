"""Data sets of sequences: published assays, simulated patterns, and a user's own."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from gde.config.base import Count, Names, NonNegative, Section, Whole, refuse
from gde.config.split import Split

MARGIN = 512  # letters upstream that are kept at a contig's edge (`gde.prepare.genome`)


class SequenceSplit(Section):
    """What is held out of sequences, apart from what a data set always holds out."""

    fractions: Annotated[list[Annotated[float, Field(gt=0, lt=1)]], Field(min_length=3, max_length=3)] = Field(
        [0.7, 0.1, 0.2], description="train, validation, test"
    )
    seed: Whole = Field(0, description="seed of the split, apart from the training seed")

    @model_validator(mode="after")
    def possible(self):
        if abs(sum(self.fractions) - 1) > 1e-6:
            refuse("fractions", self.fractions, "three numbers that sum to 1", "adjust one of them")
        return self


class Gpra(Section):
    """Promoters with their expression, ranked into quantiles."""

    kind: Literal["gpra"] = Field(
        description="promoters and their expression, lines of `sequence<TAB>expression`; a group is a quantile of it"
    )
    files: Annotated[dict[str, str], Field(min_length=1)] = Field(
        description="condition: file, plain or gzip; the quantiles are of each condition by itself"
    )
    length: Annotated[int, Field(ge=1, le=4096)] = Field(128, description="letters that a promoter has at most")
    too_long: Literal["refuse", "drop"] = Field(
        "refuse", description="longer promoters: an error, or left out and counted"
    )
    quantiles: Annotated[int, Field(ge=4, le=256)] = Field(
        100, description="quantiles of expression; promoters that tie are ordered by the split's seed"
    )
    top: Whole = Field(5, description="highest quantiles that are held out whole, whatever the split")
    min_size: Count = Field(1, description="groups of fewer promoters are left out, and counted")
    split: SequenceSplit = Field(
        SequenceSplit(), description="what is held out below: sequences, the same ones in every condition"
    )

    @model_validator(mode="after")
    def possible(self):
        if self.top > self.quantiles - 3:
            refuse("top", self.top, f"at most quantiles - 3 = {self.quantiles - 3}", "lower it")
        for condition, file in self.files.items():
            if not condition or "|" in condition or not file:
                refuse("files", f"{condition}: {file}", "a name without '|', and a file", "rename the condition")
        return self


class ElementColumns(Section):
    """Columns of a table of elements."""

    name: str = Field("seq_id", min_length=1, description="the element's name, with the suffix of its orientation")
    sequence: str = Field("seq", min_length=1, description="its sequence")
    activity: str = Field("mean_value", min_length=1, description="its measured activity, e.g. log2 RNA / DNA")


class MpraBins(Section):
    """Regulatory elements in bins of their measured activity."""

    kind: Literal["mpra_bins"] = Field(
        description="elements of a reporter assay with their activity, from a table; a group is a bin of activity"
    )
    path: str = Field(min_length=1, description="CSV, TSV or Parquet with one row per element")
    columns: ElementColumns = Field(ElementColumns(), description="what the columns are called")
    length: Annotated[int, Field(ge=1, le=4096)] = Field(230, description="letters that an element has at most")
    bins: Annotated[int, Field(ge=3, le=256)] = Field(20, description="bins of activity, of equally many elements")
    orientations: list[str] = Field(
        ["_F", "_Reversed:"],
        description="suffixes of names: those of one element, and of its reverse complement, which share a split",
    )
    min_size: Count = Field(1, description="bins of fewer elements in a split are left out, and counted")
    split: SequenceSplit = Field(SequenceSplit(), description="what is held out: elements, in both orientations")


class BarcodeColumns(Section):
    """Columns of a table of barcode counts."""

    barcode: str = Field("barcode", min_length=1, description="the barcode")
    oligo: str = Field("oligo_name", min_length=1, description="the element that it reports on: the group")
    dna: Names = Field(["dna_count_1", "dna_count_2", "dna_count_3"], description="DNA counts of each replicate")
    rna: Names = Field(["rna_count_1", "rna_count_2", "rna_count_3"], description="RNA counts of each replicate")


class MpraBarcodes(Section):
    """Barcodes of reporter elements, as numbers."""

    kind: Literal["mpra_barcodes"] = Field(
        description="barcode counts of a reporter assay; a group is an element, a sample a barcode's log2 RNA / DNA"
    )
    path: str = Field(min_length=1, description="CSV, TSV or Parquet with one row per barcode; empty = not seen")
    columns: BarcodeColumns = Field(BarcodeColumns(), description="what the columns are called")
    replicates: Literal["apart", "together"] = Field(
        "apart",
        description="apart: a sample for each barcode and replicate; together: a sample has all replicates, and "
        "barcodes that are missing in one are left out",
    )
    pseudocount: NonNegative = Field(0.5, description="added to the counts of RNA and of DNA")
    min_dna: Count = Field(1, description="fewer DNA counts in a replicate are taken as not seen")
    scale: bool = Field(True, description="centre and scale, fitted on training samples")
    min_size: Count = Field(20, description="elements of fewer samples are left out, and counted")
    split: Split = Field(Split(), description="what is held out; by group, which is an element")

    @model_validator(mode="after")
    def possible(self):
        if self.split.by not in ("group", "sample"):
            refuse("split.by", self.split.by, "'group' or 'sample'", "choose one of them")
        return self


class MethylationSplit(Section):
    """What is held out of methylation samples."""

    by: Literal["group", "sample"] = Field(
        "group", description="`group`: whole samples, a share of every tissue's; `sample`: reads of every sample"
    )
    fractions: Annotated[list[Annotated[float, Field(gt=0, lt=1)]], Field(min_length=3, max_length=3)] = Field(
        [0.6, 0.1, 0.3], description="train, validation, test; a tissue of one sample trains"
    )
    validation: Literal["samples", "reads"] = Field(
        "samples",
        description="by group: what validates, further whole samples, or, where tissues have too few, reads of the "
        "samples that train",
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


class Methylation(Section):
    """Reads of DNA methylation, a sample for each file."""

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
    ignore_contigs: list[str] = Field([], description=".pat files: contigs left out, e.g. spiked-in controls")
    samples: str | None = Field(
        None,
        description="CSV or TSV with the columns file, tissue and perhaps coarse; null = names of files tell, as in "
        "GSM5652176_Blood-T-CD4-Z000000TT.hg38.pat.gz",
    )
    coarse: dict[str, str] = Field({}, description="tissue: coarse tissue; others' is the first word of the tissue")
    context: Count = Field(100, description="letters of the genome before a read's first CpG")
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
        endings = (".pat.gz", ".pat", ".bam")
        for file in self.files:
            if not file.endswith(endings):
                refuse("files", file, f"names that end in {', '.join(endings)}", "correct it")
        if twice := [file for file in self.files if self.files.count(file) > 1]:
            refuse("files", twice[0], "each file once", "remove the second")
        return self


class RepeatedWords(Section):
    """Simulated sequences that repeat a word."""

    length: Annotated[int, Field(ge=8, le=100_000)] = Field(64, description="letters of a sequence")
    unit: Annotated[int, Field(ge=2, le=8)] = Field(4, description="letters of a word, which a sequence repeats")
    substitutions: Annotated[float, Field(ge=0, lt=0.75)] = Field(
        0.1, description="probability that a letter is replaced by another one"
    )

    @model_validator(mode="after")
    def possible(self):
        if self.length < self.unit:
            refuse("length", self.length, f"at least unit = {self.unit}", "raise it")
        if self.split.by not in ("group", "sample"):
            refuse("split.by", self.split.by, "'group' or 'sample' for simulated patterns", "choose one of them")
        return self


class DnaMultinomial(RepeatedWords):
    """Three random words: mixtures of them are multinomial distributions."""

    kind: Literal["dna_multinomial"] = Field(
        description="simulated sequences that repeat one of a few random words; a group is a word"
    )
    patterns: Annotated[int, Field(ge=3)] = Field(3, description="words; with three the simplex is evaluated")
    size: Annotated[int, Field(ge=3)] = Field(30_000, description="sequences of each word")
    split: Split = Field(Split(by="sample"), description="what is held out; by sample, since the words are few")


class SyntheticDna(RepeatedWords):
    """Many random words, of which some are held out."""

    kind: Literal["synthetic_dna"] = Field(
        description="simulated sequences that repeat one of many random words; a group is a word"
    )
    patterns: Annotated[int, Field(ge=3)] = Field(60, description="words; with unit 4 there are 60 distinct ones")
    size: Annotated[int, Field(ge=3)] = Field(2000, description="sequences of each word")
    split: Split = Field(Split(), description="what is held out; whole words")


class Sequences(Section):
    """A user's sequences."""

    kind: Literal["sequences"] = Field(description="sequences of a FASTA, FASTQ, CSV or TSV file, plain or gzip")
    path: str = Field(
        min_length=1, description="the file, relative to the working directory; its ending says the format"
    )
    alphabet: Literal["dna", "protein"] = Field(
        "dna",
        description="letters, in either case: `dna`: A, C, G, T and N; `protein`: the twenty amino acids and X, a stop "
        "(*) at the end is taken off",
    )
    fields: str | None = Field(
        None,
        description="FASTA, FASTQ: what headers say: `key=value`, in words or behind `;` or `|`; or a pattern such as "
        "'{name} {sample}|{tissue}'. null = the name alone, their first word",
    )
    sequence: str = Field("sequence", min_length=1, description="CSV, TSV: column of the sequences")
    name: str | None = Field(None, description="column or field that names a sequence; FASTA: null = first word")
    groupby: Names = Field(description="columns or fields that together name a group: one embedding each")
    labels: list[str] = Field([], description="further columns or fields to keep; scored and coloured by the first")
    weight: str | None = Field(None, description="column or field: how many a sequence stands for; null = one")
    length: Count | None = Field(None, description="letters of a sequence at most; null = those of the longest")
    too_long: Literal["refuse", "cut", "drop"] = Field(
        "refuse", description="what becomes of longer sequences: an error, their beginning, or nothing; counted"
    )
    other_letters: Literal["refuse", "N", "X"] = Field(
        "refuse",
        description="letters that stand for several, such as R and Y of DNA, B and Z of proteins (and the rare J, U, "
        "O): an error, or N of DNA, X of proteins; counted",
    )
    repeated_names: Literal["refuse", "keep"] = Field(
        "refuse", description="a name that occurs twice: an error, which a file put together twice shows, or kept"
    )
    min_size: Count = Field(3, description="groups with fewer sequences are left out, and named")
    split: Split = Field(Split(), description="what is held out; by group. by: sequence keeps equal sequences together")

    @model_validator(mode="after")
    def possible(self):
        for key in ("groupby", "labels"):
            names = getattr(self, key)
            if twice := [name for name in names if names.count(name) > 1 or not name]:
                refuse(key, twice[0], "each column once, by its name", "take it out")
        unknown = {"dna": "N", "protein": "X"}[self.alphabet]
        if self.other_letters not in ("refuse", unknown):
            refuse("other_letters", self.other_letters, f"'refuse' or '{unknown}' of {self.alphabet}", "choose one")
        if self.length is None and self.too_long != "refuse":
            refuse("too_long", self.too_long, "'refuse' without dataset.length", "set dataset.length too")
        if self.weight in (*self.groupby, *self.labels):
            refuse("weight", self.weight, "another column than those of groupby and labels", "take it out there")
        return self
