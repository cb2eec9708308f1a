"""Verification: are results what they were when they were made? Files against their digests, and every link of the
chain from a user's file over set store and run to metrics, embeddings and samples; or two directories against each
other."""

from collections.abc import Iterator
from pathlib import Path

from gde.errors import GdeError, bad
from gde.files.io import SUMS, read_sums, sha256_file, verify_sums
from gde.files.seals import Audited, audit, digests
from gde.runs.canonical import canonical_digest
from gde.runs.input_links import Finding, links

OK, DAMAGED, MISSING, UNLISTED, BARE = "ok", "damaged", "missing", "unlisted", "no digest"
NOT_RESULTS = ("logs", "benchmarks", "report")


def verify(directory: Path) -> Iterator[Finding]:
    """Everything below a directory of results, one finding for each file and each link.

    A state of `gde.runs.input_links.WRONG` is a difference. GdeError when there is no such directory, or nothing in it.
    """
    if not directory.is_dir():
        raise bad(directory, "no such directory", "results, or a directory in it", "build the experiment first")
    whole = list(units(directory))
    if not whole:
        found, expected = "nothing that gde wrote", "a set store, run, experiment or grid"
        raise bad(directory, found, expected, "give results/<experiment>, or no directory for all")
    for unit in whole:
        damaged = False
        try:
            files = list(files_of(unit))
        except GdeError as e:  # a damaged SHA256SUMS: what it lists is unknown
            yield Finding(DAMAGED, str(unit), str(e))
            continue
        for file in files:
            finding = judge(file, unit)
            damaged |= finding.state in (DAMAGED, MISSING)
            yield finding
        if not damaged:  # what a damaged file says of its inputs is worth nothing
            yield from links(unit)


def units(directory: Path) -> Iterator[Path]:
    """The set stores, runs and experiments (also a grid's cells) below a directory, itself included; what a grid has
    beside its cells comes with the grid."""
    marks = (SUMS, "run.json", "model/config.json", "metrics.json", "embeddings.h5ad")
    if any((directory / mark).exists() for mark in marks):
        yield directory
        if not is_grid(directory):
            return
    for child in sorted(p for p in directory.iterdir() if p.is_dir()):
        if not child.name.startswith(".") and child.name not in NOT_RESULTS:
            yield from units(child)


def is_grid(unit: Path) -> bool:
    """Whether a directory holds a grid's summary, and its cells below."""
    return (unit / "summary.tsv").is_file()


def files_of(unit: Path) -> Iterator[Audited]:
    """The files of a unit and their digests; a grid's without those of its cells, which are units of their own."""
    if not is_grid(unit):
        yield from audit(unit)
        return
    sums = read_sums(unit)
    for path in sorted(p for p in unit.iterdir() if p.is_file() and p.name != SUMS and not p.name.startswith(".")):
        yield Audited(path, sums[path.name], sha256_file(path)) if path.name in sums else Audited(path, *digests(path))
    if (unit / "figures").is_dir():
        yield from audit(unit / "figures")


def judge(file: Audited, unit: Path) -> Finding:
    """What the digests of one file say."""
    name = str(file.path)
    again = f"make it again: snakemake --force {file.path}"
    if file.found is None:
        return Finding(MISSING, name, f"found no such file, expected sha256 {file.recorded}; {again}")
    if file.recorded is None:
        if listed_elsewhere(file.path, unit):
            return Finding(UNLISTED, name, f"found a file that {SUMS} does not list; delete it, or {again}")
        if file.path.suffix == ".png":
            problem = png_problem(file.path)
            if problem:
                return Finding(DAMAGED, name, f"found {problem}, expected a whole image; {again}")
            return Finding(OK, name, file.found)
        return Finding(BARE, name)
    if file.recorded != file.found:
        return Finding(DAMAGED, name, f"found sha256 {file.found}, expected sha256 {file.recorded}; {again}")
    small = file.path.suffix in (".json", ".h5ad", ".tsv", ".md", ".html")
    return Finding(OK, name, canonical_digest(file.path) if small else file.found)


def listed_elsewhere(path: Path, unit: Path) -> bool:
    """Whether a directory above a file, up to the unit, lists its files; a grid's lists its summary only."""
    above = [p for p in path.parents if p == unit or unit in p.parents]
    return any((p / SUMS).exists() and not is_grid(p) for p in above)


def png_problem(path: Path) -> str | None:
    """What is wrong with an image, by the checksums that the format itself has in every part."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            image.verify()
    except (OSError, SyntaxError, ValueError) as e:  # what Pillow raises for a damaged file
        return f"a damaged image ({e})"
    return None


def fetched(root: Path = Path()) -> Iterator[Finding]:
    """The downloaded files that are here, against resources/sources.yaml and resources/sources.lock.json."""
    from gde.fetch.lockfile import difference, read_pins
    from gde.fetch.sources import TABLE, read_sources
    from gde.files.checksums import Digests

    if not (root / TABLE).is_file():
        return
    pins = read_pins(root)
    for source in read_sources(root).values():
        if source.package is None and (root / source.path).is_file():
            wrong = difference(source, digests := Digests.of(root / source.path), pins)
            if wrong:
                detail = f"found {wrong[0]}, expected {wrong[1]} ({wrong[2]}); delete it and run again"
                yield Finding(DAMAGED, str(source.path), detail)
            else:
                yield Finding(OK, str(source.path), digests.sha256)


def canonical_digests(directory: Path) -> dict[str, str]:
    """File name -> digest of its content (`gde.runs.canonical.canonical_digest`), for results/<experiment>.

    Hidden files, logs and sums are left out. Raises GdeError for a missing directory or a model whose files do not fit
    their sums.
    """
    if not directory.is_dir():
        raise bad(directory, "no such directory", "results/<experiment>", "build the experiment first")
    if (directory / "model").is_dir():
        verify_sums(directory / "model")
    names = sorted(p.relative_to(directory) for p in directory.rglob("*") if p.is_file())
    names = (n for n in names if n.name not in (SUMS, "log.jsonl"))
    names = (n for n in names if not any(part.startswith(".") for part in n.parts))  # e.g. .snakemake_timestamp
    return {str(n): canonical_digest(directory / n) for n in names}


def compare(a: dict[str, str], b: dict[str, str], first: Path, second: Path) -> None:
    """GdeError naming the files in which two directories differ."""
    differ = [name for name in sorted(a.keys() | b.keys()) if a.get(name) != b.get(name)]
    if differ:
        found = f"other results in {', '.join(differ[:5])}{' ...' if len(differ) > 5 else ''}"
        raise bad(second, found, f"those of {first}", "compare settings, seed, data and code with `gde compare`")
