"""Single-cell data sets with a design: clones over days, perturbed genes, donors."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from gde.config.base import Count, Names, Section, Share, Whole, refuse
from gde.config.datasets.base import COMPONENTS, VALUES, Components, Values, Vectors, check_path
from gde.config.datasets.tables import h5ad_shape
from gde.config.kinds import ByKind
from gde.config.split import Split
from gde.files.input_files import lineage_files, screen_files, vectors_file

HVG = "highly variable genes kept, chosen on training cells; null = all"
SCALE = "centre and scale genes (clipped at 10), fitted on training cells"
SMALL = "groups with fewer cells are left out, and counted"
MISSING = "genes without a vector: refuse = an error that lists them; mean = the mean vector, which tells nothing"
Missing = Literal["refuse", "mean"]


class LineageTracing(Vectors):
    """Clones followed over days, in the layout of Weinreb et al. 2020."""

    prepare: ClassVar = "gde.prepare.lineage_tracing:prepare"
    examine: ClassVar = "gde.prepare.lineage_tracing:examine"
    evaluation: ClassVar = "lineage"
    kind: Literal["lineage_tracing"] = Field(
        description="clones followed over days (LARRY, Weinreb et al. 2020); a group is a clone on a day"
    )
    folder: str = Field(
        "resources/lineage_tracing", min_length=1, description="directory of the four files, named as in the release"
    )
    values: Values = Field("normalised", description=VALUES)
    by_well: bool = Field(False, description="a group is a clone on a day in a well, to compare sister cells")
    n_hvg: Count | None = Field(2000, description=HVG)
    scale: bool = Field(True, description=SCALE)
    n_pcs: Components = Field("auto", description=COMPONENTS)
    min_size: Count = Field(3, description=SMALL)
    split: Split = Field(Split(by="clone"), description="what is held out; whole clones")

    @classmethod
    def input_files(cls, dataset: Mapping[str, Any]) -> dict[str, str]:
        return {f"folder ({key})": file for key, file in lineage_files(dataset).items()}

    @classmethod
    def examined_files(cls, dataset: Mapping[str, Any]) -> dict[str, str]:
        return {f"folder ({key})": file for key, file in lineage_files(dataset).items() if key != "counts"}


class HoldOut(Section):
    """Which perturbations are held out: named genes, and a random share of the others."""

    genes: list[str] = Field([], description="perturbed genes that are tested on")
    lines: Names | None = Field(
        None,
        description="cell lines that `genes` are held out in, while they train in the others; null = in all of them",
    )
    validation: Share = Field(0.1, description="share of the other genes that validate, in every line")
    test: Share = Field(0.1, description="share of the other genes that are tested on, held out in every line")
    seed: Whole = Field(0, description="seed of the split, apart from the training seed")

    @model_validator(mode="after")
    def possible(self):
        if self.validation + self.test >= 1:
            refuse("test", self.test, "with `validation` less than 1", "leave some genes to train on")
        if not self.genes and not self.test:
            refuse("test", self.test, "above 0 where no genes are named", "name genes, or hold out a share of them")
        if self.validation == 0:
            refuse("validation", self.validation, "above 0", "early stopping needs genes to validate on")
        twice = sorted({g for g in self.genes if self.genes.count(g) > 1})
        if twice:
            refuse("genes", twice[0], "each gene once", "remove the second")
        return self


class VectorFile(Section):
    """Vectors of genes from a file, e.g. GenePT."""

    kind: Literal["file"] = Field(description="a file of vectors, by gene symbol")
    path: str = Field(min_length=1, description=".npz (names, vectors), .parquet, .csv, .tsv or .h5ad; never a pickle")
    n_pcs: Count | None = Field(None, description="principal components of the file's vectors; null = as they are")
    missing: Missing = Field("refuse", description=MISSING)


class Coexpression(Section):
    """Vectors of genes from the control cells."""

    kind: Literal["coexpression"] = Field(
        description="principal components of a gene's correlations with expressed genes, over control cells"
    )
    n_pcs: Count = Field(64, description="principal components")
    missing: Missing = Field("mean", description=f"{MISSING}; missing are genes that are not measured in all lines")


class PerturbSeq(Vectors):
    """A screen of perturbed genes in one or more cell lines."""

    prepare: ClassVar = "gde.prepare.perturb_seq:prepare"
    ROWS: ClassVar = "gde.prepare.perturb_seq_query:open_rows"
    examine: ClassVar = "gde.prepare.perturb_seq:examine"
    evaluation: ClassVar = "perturbation"
    controls: ClassVar = True
    kind: Literal["perturb_seq"] = Field(
        description="a Perturb-seq screen (Replogle et al. 2022 and others); a group is a perturbed gene in a cell line"
    )
    files: dict[str, str | None] = Field(
        description="cell line: its .h5ad file; genes are those that all files have. An override leaves one out by null"
    )
    gene: str = Field("auto", description="column of obs with the perturbed gene; auto = `gene`, else `perturbation`")
    control: str = Field("auto", description="its value for control cells; auto = `non-targeting`, `control` or `ctrl`")
    batch: str | None = Field(
        "auto", description="column of obs with the batch; auto = `gem_group`, `gemgroup` or `batch`; null = one batch"
    )
    genes: str = Field(
        "auto",
        description="column of var with gene symbols; auto = `gene_name`, `feature_name`, `gene_symbols` or the index, "
        "where most perturbed genes are found",
    )
    layer: str | None = Field(None, description="layer to read instead of X")
    values: Values = Field("counts", description=VALUES)
    n_hvg: Count | None = Field(2000, description=HVG)
    scale: bool = Field(False, description=SCALE)
    n_pcs: Components = Field(None, description=COMPONENTS)
    vectors: Annotated[VectorFile | Coexpression, ByKind()] | None = Field(
        Coexpression(kind="coexpression"),
        description="what describes a gene, so that one that was not trained can be predicted; null = nothing",
    )
    min_size: Count = Field(20, description=SMALL)
    split: HoldOut = Field(HoldOut(), description="what is held out")

    @model_validator(mode="after")
    def possible(self):
        lines = [line for line, file in self.files.items() if file]
        for line in lines:
            check_path(f"files.{line}", self.files[line])
        if not lines:
            refuse("files", self.files, "one file or more", "give a file for a cell line")
        unknown = [line for line in self.split.lines or () if line not in lines]
        if unknown:
            refuse("split.lines", unknown[0], f"one of {', '.join(lines)}", "name cell lines as in files")
        if self.split.lines and not self.split.genes:
            refuse("split.lines", self.split.lines, "null where no genes are named", "name genes, or remove lines")
        return self

    @classmethod
    def start_of(cls, dataset: Mapping[str, Any]) -> dict[str, Any]:
        """Shifts from the controls of the same cell line, of conditions that vectors describe where there are some."""
        conditions = "learned" if dataset.get("vectors", ...) is None else "vectors"
        return cls.start | {"objective": {"kind": "perturbation", "within": ["cell_line"], "conditions": conditions}}

    @classmethod
    def input_files(cls, dataset: Mapping[str, Any]) -> dict[str, str]:
        files = {f"files.{line}": file for line, file in screen_files(dataset).items()}
        vectors = vectors_file(dataset)
        return files | ({} if vectors is None else {"vectors.path": vectors})


class Donors(Vectors):
    """Cells of many donors."""

    prepare: ClassVar = "gde.prepare.donors:prepare"
    examine: ClassVar = "gde.prepare.donors:examine"
    evaluation: ClassVar = "donors"
    kind: Literal["donors"] = Field(description="cells of many donors; a group is a donor")
    path: str = Field(min_length=1, description="the .h5ad file, relative to the working directory")
    donor: str = Field("donor_id", min_length=1, description="column of obs with the donor")
    labels: Names = Field(description="columns of obs to predict, one value per donor; the first one is coloured by")
    batch: str | None = Field(None, description="column of obs with the batch, one value per group; null = none")
    cell_type: str | None = Field(None, description="column of obs with the cell type, for compositions; null = none")
    groupby: list[str] = Field([], description="further columns of obs that divide a donor's cells, e.g. a time point")
    layer: str | None = Field(None, description="layer to read instead of X")
    use_raw: bool = Field(False, description="read .raw instead of X")
    values: Values = Field("counts", description=VALUES)
    n_hvg: Count | None = Field(2000, description=HVG)
    scale: bool = Field(True, description=SCALE)
    n_pcs: Components = Field("auto", description=COMPONENTS)
    min_size: Count = Field(20, description=SMALL)
    split: Split = Field(Split(by="group"), description="what is held out; whole donors, also with `groupby`")

    @model_validator(mode="after")
    def possible(self):
        check_path("path", self.path)
        if self.layer is not None and self.use_raw:
            refuse("use_raw", True, "false when a layer is given", "remove layer or use_raw")
        if self.donor in self.labels:
            refuse("labels", self.donor, "columns other than the donor's", "remove it")
        return self

    @classmethod
    def group_columns(cls, dataset: Mapping[str, Any]) -> list[str]:
        return [dataset["donor"], *dataset["groupby"]]

    @classmethod
    def shape(cls, dataset: Mapping[str, Any]) -> tuple[int | None, int | None]:
        return h5ad_shape(dataset)
