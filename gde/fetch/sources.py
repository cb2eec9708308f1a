"""Sources: what can be downloaded: resources/sources.yaml, checked, and which of its files an experiment reads."""

import importlib.util
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from gde.config.base import Count, Section
from gde.config.datasets import kind_of_data
from gde.config.inputs import named
from gde.config.loading import Mark, Tree, read_shared, read_yaml
from gde.config.messages import explain, show
from gde.errors import GdeError, bad
from gde.files.product import product_file

RESOURCES = Path("resources")
TABLE = RESOURCES / "sources.yaml"
PINS = RESOURCES / "sources.lock.json"
LOCKS = RESOURCES / ".locks"  # of processes that write there now; empty and gone otherwise
DATASET = re.compile(r"(weights/)?[a-z][a-z0-9_]*")  # resources/weights/<name>/ holds a published model
PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")  # of a file's path: no leading dot, no space, nothing to escape with
UNFINISHED = (".part", ".part.json")
URL = re.compile(r"(https?://[^\s/]+/|file:///)\S+")

Hex = Annotated[str, Field(min_length=1)]


class File(Section):
    """A file as published."""

    urls: list[str] | None = Field(None, description="addresses in the order they are tried; null = none is known")
    bytes: Count | None = Field(None, description="size; null = not published")
    sha256: Hex | None = Field(None, description="published digest; null = the first download's is kept")
    md5: Hex | None = Field(None, description="published digest, where there is no SHA-256")
    package: str | None = Field(None, description="bundled: package/path/inside/it")


class Listing(Section):
    """A directory whose files are found when they are fetched, an .md5 beside each."""

    url: str = Field(pattern=URL.pattern, description="address of the directory")
    name: str = Field(min_length=1, description="regular expression of the names, with the groups year and number")
    fewest: Count | None = Field(None, description="files of a year that is known; a later one has more")


class Conversion(Section):
    """A file that is made of a fetched one, because the publisher has only pickles (`gde.fetch.conversion`)."""

    source: str = Field(min_length=1, description="a file of the data set: the pickle, or an archive with it")
    member: str | None = Field(None, description="its name in the archive, or a pattern; null = the only pickle")


class DataSet(Section):
    """A data set of resources/sources.yaml."""

    title: str = Field(min_length=1, description="what it is")
    access: Literal["open", "user", "bundled"] = Field(
        description="open = fetched; user = to be put there by the user; bundled = part of an installed package"
    )
    origin: str = Field(min_length=1, description="where it comes from, for a reader")
    licence: str | None = Field(description="null = none is stated by the publisher")
    citation: str = Field(min_length=1, description="what to cite")
    files: dict[str, File] = Field({}, description="path below resources/<data set>/: file")
    converted: dict[str, Conversion] = Field({}, description="path below resources/<data set>/: what it is made of")
    listing: Listing | None = Field(None, description="where further files are found, whose names change every year")


@dataclass(frozen=True)
class Listed:
    """A listing of files that can be had, with what is known about them all."""

    dataset: str
    url: str
    name: str
    origin: str
    licence: str | None
    citation: str
    fewest: int | None = None


@dataclass(frozen=True)
class Source:
    """One file that can be had, with what is known about it; unknown values are None."""

    dataset: str
    file: str
    access: str
    origin: str
    licence: str | None
    citation: str
    urls: tuple[str, ...]
    bytes: int | None
    sha256: str | None
    md5: str | None
    package: str | None

    @property
    def path(self) -> Path:
        """Where the file is or will be: below resources/, or inside an installed package."""
        if self.package is None:
            return RESOURCES / self.dataset / self.file
        package, _, inside = self.package.partition("/")
        spec = importlib.util.find_spec(package)  # without importing it
        if spec is None or spec.origin is None:
            raise bad(package, "not installed", f"the package that ships {self.file}", "install requirements.lock")
        return Path(spec.origin).parent / inside

    @property
    def digest(self) -> str | None:
        """The published digest as 'sha256 …' or 'md5 …'."""
        return f"sha256 {self.sha256}" if self.sha256 else f"md5 {self.md5}" if self.md5 else None


def read_sources(root: Path = Path()) -> dict[str, Source]:
    """Every file of resources/sources.yaml by its path ('resources/larry/x.gz'; bundled: '<data set>/<file>'): of
    the one below `root`, else of the product's.

    GdeError names file, line and key of whatever is unknown, impossible or would leave resources/.
    """
    return dict(_check_table(read_shared(product_file(TABLE, root), str(TABLE))))


@lru_cache
def _check_table(tree: Tree) -> dict[str, Source]:
    out: dict[str, Source] = {}
    for name in tree.data:
        part = tree.sub(name)
        if not DATASET.fullmatch(name):
            raise _wrong(
                tree.mark((name,)), repr(name), "small letters, digits and _; weights/ before a model's", "rename it"
            )
        try:
            checked = DataSet.model_validate(part.data)
        except ValidationError as e:
            raise explain(e, DataSet, part) from None
        common = checked.model_dump(exclude={"title", "files", "listing", "converted"})
        for file, conversion in checked.converted.items():
            _check_name(file, part.mark(("converted", file)))
            if file in checked.files or conversion.source not in checked.files:
                mark = part.mark(("converted", file, "source"))
                raise _wrong(mark, show(conversion.source), "one of `files`, and another name for it", "correct it")
        for file, facts in checked.files.items():
            _check_name(file, part.mark(("files", file)))
            _check_facts(facts, checked.access, lambda key, file=file, part=part: part.mark(("files", file, key)))
            values = facts.model_dump() | {"urls": tuple(facts.urls or ())}
            source = Source(dataset=name, file=file, **common, **values)
            out[f"{name}/{file}" if source.package else str(source.path)] = source
    for path in out:
        if above := next((str(p) for p in Path(path).parents if str(p) in out), None):
            raise bad(TABLE, f"{path} below {above}", "files, not folders, as names", "rename one of them")
    return out


def read_conversions(root: Path = Path()) -> dict[str, tuple[Path, str | None]]:
    """Path of every file that is made of a fetched one -> path of that, and which pickle of the archive is meant."""
    read_sources(root)  # checks all of it
    out = {}
    for name, known in read_yaml(product_file(TABLE, root), str(TABLE)).data.items():
        for file, conversion in known.get("converted", {}).items():
            out[str(RESOURCES / name / file)] = RESOURCES / name / conversion["source"], conversion.get("member")
    return out


def read_listing(dataset: str, root: Path = Path()) -> Listed:
    """The listing of a data set of resources/sources.yaml. GdeError where it has none."""
    read_sources(root)  # checks all of it
    known = read_yaml(product_file(TABLE, root), str(TABLE)).data.get(dataset, {})
    if not known.get("listing"):
        raise bad(TABLE, f"no listing of {dataset}", "where its files are found", "restore it")
    facts = {key: known.get(key) for key in ("origin", "licence", "citation")}
    return Listed(dataset, **known["listing"], **facts)


def files_of(
    dataset: Mapping[str, Any], root: Path = Path(), table: Mapping[str, Source] | None = None
) -> list[Source]:
    """The files of the table that a resolved `dataset` section reads: those its kind declares, and those it names.

    A kind that always reads the same files declares data sets by the class attribute `sources` of its class in
    `gde.config.datasets`. Others name files (`gde.config.inputs`), which may be the table's or a user's.
    table : what read_sources(root) gave, if that is at hand.
    """
    table = read_sources(root) if table is None else table
    declared = kind_of_data(dataset).sources
    if missing := set(declared) - {s.dataset for s in table.values()}:
        raise bad(TABLE, f"no files of {', '.join(sorted(missing))}", f"what {dataset['kind']} reads", "restore them")
    out = [s for s in table.values() if s.dataset in declared]
    wanted = named(dataset)
    return out + [s for p, s in table.items() if wanted(p) and s not in out]


def weights_of(
    resolved: Mapping[str, Any], root: Path = Path(), table: Mapping[str, Source] | None = None
) -> list[Source]:
    """The files of the table that a resolved experiment's encoder and generator start from: those in the directories
    that their `weights` name. Files of a user's own directories are not in the table."""
    table = read_sources(root) if table is None else table
    named = (resolved.get(part, {}).get("weights") for part in ("encoder", "generator"))
    folders = {os.path.normpath(path) for path in named if path}
    return [s for path, s in table.items() if os.path.dirname(path) in folders and s.package is None]


def ask_for(source: Source) -> GdeError:
    """The error that tells the user where to get a file and where to put it."""
    why = "it needs your login or consent" if source.access == "user" else f"{TABLE} knows no address of it"
    licence = f" (licence: {source.licence})" if source.licence else ""
    return bad(
        source.path,
        "no such file",
        f"one that you put there, since {why}",
        f"get it from {source.origin}{licence} and put it at {source.path}; it is then checked and recorded",
    )


def _wrong(mark: Mark, found: str, expected: str, remedy: str) -> GdeError:
    return bad(f"{mark.where}: {mark.key}", found, expected, remedy)


def _check_name(file: str, mark: Mark) -> None:
    if not all(PART.fullmatch(part) for part in file.split("/")):
        expected = "a path inside the data set's folder, of letters, digits and ._+-"
        raise _wrong(mark, repr(file), expected, "rename the file; it need not be called as on the server")
    if file.endswith(UNFINISHED):
        raise _wrong(mark, repr(file), "another ending", "these are the names of unfinished downloads")


def _check_facts(file: File, access: str, mark: Any) -> None:
    for algorithm, digits in (("sha256", 64), ("md5", 32)):
        digest = getattr(file, algorithm)
        if digest is not None and not re.fullmatch(rf"[0-9a-f]{{{digits}}}", digest):
            expected = f"{digits} hexadecimal digits in small letters"
            raise _wrong(mark(algorithm), show(digest), expected, "copy it again")
    for i, url in enumerate(file.urls or ()):
        if not URL.fullmatch(url):
            where = mark("urls")
            key = Mark(where.where, f"{where.key}[{i}]")
            raise _wrong(key, show(url), "an address that begins with https://, http:// or file:///", "correct it")
    if file.urls is not None and access != "open":
        raise _wrong(mark("urls"), "addresses", f"none where access is {access}", "name the place in `origin`")
    if (file.package is None) == (access == "bundled"):
        found, remedy = "nothing" if file.package is None else show(file.package), "correct access or package"
        raise _wrong(mark("package"), found, "a package's file where access is bundled, else nothing", remedy)
