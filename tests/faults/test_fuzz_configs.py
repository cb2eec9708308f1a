"""Mutated configurations: every invalid one is refused in one line that names file and key, every valid one is read."""

import os
import random
import shutil
from datetime import date
from pathlib import Path

import pytest
import yaml
from fuzz import INVALID, SEED, VALID, Case, Tally, at, paths, put, rename

from gde.config import find_all, resolve_all, resolve_grids, settings
from gde.config.loading import read_yaml

ROOT = Path(__file__).resolve().parents[2]
NAMES = sorted(p.stem for p in (ROOT / "config/experiments").glob("*.yaml"))
CONFIG = Path("config/config.yaml")

SIGNED = {"mean_low", "mean_high", "value", "values", "early", "late"}  # negative is as good as positive
WHOLE = {"seed", "warmup", "geodesic_pairs", "exact_sets", "context", "keep_every", "coverage_replicates"}  # 0 is fine
FRACTIONS_OK = {*SIGNED, "dataset.alpha.0"}  # numbers, though written without a point here
NULLABLE = {"mixer", "n_pcs", "n_hvg", "vectors", "grad_clip", "presets", "evaluations", "generated"}
FREE = {"description", "source"}  # any text
# Names of files, columns and genes: which of them exist, only the data can tell.
NAMED = {"path", "folder", "files", "genes", "donor", "labels", "batch", "cell_type", "within"}
SAFE = {"steps", "latent_dim", "test_sets", "validation_sets", "validate_every", "log_every", "checkpoint_every"}
LOOK_ALIKE = str.maketrans("aeopcxyi", "аеорсхуі")  # Cyrillic


def read_config(root: Path) -> dict:
    """config/config.yaml as `gde check` reads it."""
    return read_yaml(root / CONFIG, str(CONFIG)).data


def everything(root: Path) -> list:
    """What `gde check` and the workflow read: settings, experiments and grids."""
    config = read_config(root)
    chosen, _ = settings(config, root, [root / CONFIG])
    grids = resolve_grids(config, root, [root / CONFIG])
    cells = {path: (cell.store, cell.resolved) for grid in grids.values() for path, cell in grid.cells.items()}
    return [chosen, resolve_all(config, root, [root / CONFIG]), cells]


def alone(root: Path, name: str) -> dict:
    """The one experiment of a project, resolved."""
    return resolve_all(read_config(root), root, [root / CONFIG])[name]


@pytest.fixture
def project(tmp_path):
    """project(name): a root that holds config.yaml and all experiments, or the one called `name`."""

    def make(name: str | None = None) -> Path:
        root = tmp_path / (name or "all")
        shutil.copytree(ROOT / "config", root / "config", ignore=shutil.ignore_patterns("README.md"))
        if name:
            for file in (root / "config/experiments").iterdir():
                if file.stem != name:
                    file.unlink()
            (root / CONFIG).write_text(f"experiments: [{name}]\n")
        return root

    return make


def names_of(path: tuple) -> set[str]:
    return {str(key) for key in path}


def swaps(path: tuple, value) -> list[tuple[str, object, str]]:
    """(operator, new value, effect) for a value of a configuration; empty where the effect would be a guess."""
    key = next(k for k in reversed(path) if isinstance(k, str))
    text = key in FREE
    free = "requires" in path or path[:2] == ("objective", "control")  # compared with another value, not checked
    if isinstance(value, dict):
        out = [("text for a mapping", "abc", INVALID), ("list for a mapping", [1, [2]], INVALID)]
        out += [("number for a mapping", 7, INVALID)]
        out += [("null for a mapping", None, VALID if key in NULLABLE else INVALID)]
        return out
    if isinstance(value, list):
        scalar = [] if key == "alpha" else [("number for a list", 7, INVALID)]
        return [*scalar, ("nested list", [[value]], INVALID), ("mapping for a list", {"a": value}, INVALID)]
    if free:
        return [("not a number", float("nan"), INVALID), ("infinity", float("inf"), INVALID)]
    if isinstance(value, bool):
        return [("text for a switch", "yes", INVALID), ("number for a switch", 1, INVALID),
                ("null for a switch", None, INVALID), ("list for a switch", [value], INVALID)]  # fmt: skip
    if value is None:
        return [("mapping for a value", {"a": 1}, INVALID), ("not a number", float("nan"), INVALID),
                ("switch for a value", True, INVALID)]  # fmt: skip
    if isinstance(value, str):
        other = VALID if text else INVALID
        if path[-2:] == ("split", "by"):  # a column's name, which only the data can tell
            return [("number for a text", 5, INVALID), ("empty text", "", INVALID)]
        if names_of(path) & NAMED:
            return [("number for a text", 5, INVALID), ("list for a text", [[value]], INVALID),
                    ("line break", f"{value}\n", INVALID), ("very long text", "x" * 100_000, INVALID),
                    ("control characters", "\x1b[31m\u2028\u202e", INVALID)]  # fmt: skip
        return [("look-alike residues", "а" + value.translate(LOOK_ALIKE), other),
                ("other text", f"../{value}\n", other),
                ("number for a text", 5, INVALID), ("list for a text", [[value]], INVALID),
                ("null for a text", None, INVALID), ("very long text", "x" * 100_000, other),
                ("control characters", "\x1b[31m\u2028\u202e", other)]  # fmt: skip
    out = [("text for a number", "abc", INVALID), ("not a number", float("nan"), INVALID),
           ("infinity", float("-inf"), INVALID), ("mapping for a number", {"a": 1}, INVALID),
           ("switch for a number", True, INVALID)]  # fmt: skip
    if key not in NULLABLE:
        out.append(("null for a number", None, INVALID))
    if key != "alpha":
        out.append(("list for a number", [[value]], INVALID))
    if not names_of(path) & SIGNED:
        out.append(("negative", -1 - value, INVALID))
    if isinstance(value, int) and not names_of(path) & FRACTIONS_OK:
        out += [("fraction", value + 0.5, INVALID), ("huge", 10**30, INVALID)]
        if key not in WHOLE:
            out.append(("zero", 0, INVALID))
        if key in SAFE:
            out.append(("one more", value + 1, VALID))
    elif key == "lr":
        out.append(("twice as much", value * 2, VALID))
    return out


def typos(path: tuple, rng: random.Random) -> list[tuple[str, str, str]]:
    """(operator, new name of the key, effect)."""
    key = path[-1]
    if not isinstance(key, str) or path[-2:-1] in (("files",), ("control",)):  # cell lines and columns: any name
        return []
    if len(path) == 2 and path[0] == "grids":
        return [("typo", key + "x", VALID), ("climbing name", f"../{key}", INVALID)]
    i = rng.randrange(len(key))
    swapped = key.translate(LOOK_ALIKE)
    out = [("typo", key[:i] + key[i + 1 :] + "q", INVALID), ("capital", key.upper(), INVALID),
           ("space", key + " ", INVALID), ("climbing name", f"../{key}", INVALID),
           ("long", key * 3000, INVALID)]  # fmt: skip
    return out + ([("look-alike key", swapped, INVALID)] if swapped != key else [])


def mutations(data, rng: random.Random):
    """An endless stream of (operator, path, mutated data, new value, effect)."""
    everywhere = list(paths(data))
    while True:
        path = rng.choice(everywhere)
        renamings = [(op, path, rename(data, path, new), None, effect) for op, new, effect in typos(path, rng)]
        replacements = [
            (op, path, put(data, path, new), new, effect) for op, new, effect in swaps(path, at(data, path))
        ]
        if options := rng.choice([renamings, replacements]):
            yield rng.choice(options)


@pytest.mark.parametrize("name", NAMES)
def test_values_and_keys_of_experiments(project, record_property, name):
    root, rng, tally = project(name), random.Random(f"{SEED} {name}"), Tally()
    file = root / f"config/experiments/{name}.yaml"
    data, original = read_yaml(file).data, alone(root, name)
    for operator, path, mutated, new, effect in (m for m, _ in zip(mutations(data, rng), range(18), strict=False)):
        file.write_text(yaml.safe_dump(mutated, sort_keys=False, allow_unicode=True))
        expected = None
        if effect == VALID and path[0] == "presets":
            expected = original  # another preset is chosen
        elif effect == VALID:
            expected = put(original, path, new)
        where = f"config/experiments/{name}.yaml"
        tally.add(Case(f"{name}: {operator} at {path}", effect, lambda: alone(root, name), where, expected), root)
    tally.check(record_property, 18)


def test_values_and_keys_of_config(project, record_property):
    root, rng, tally = project(), random.Random(f"{SEED} config"), Tally()
    data = read_config(root)
    for operator, path, mutated, _, effect in (m for m, _ in zip(mutations(data, rng), range(60), strict=False)):
        (root / CONFIG).write_text(yaml.safe_dump(mutated, sort_keys=False, allow_unicode=True))
        tally.add(Case(f"config: {operator} at {path}", effect, lambda: bool(everything(root)), ""), root)
    tally.check(record_property, 60)


BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 10)
)
TEXTS = {  # what is done to the text of a file
    "tab for spaces": (INVALID, lambda t: t.replace("\n  ", "\n\t", 1)),
    "bytes of latin-1": (INVALID, lambda t: t.encode() + "# é".encode("latin-1")),
    "utf-16": (INVALID, lambda t: t.encode("utf-16")),
    "NUL": (INVALID, lambda t: t.replace(":", ":\0", 1)),
    "control character": (INVALID, lambda t: t + "# \x07\n"),
    "first key twice": (INVALID, lambda t: t + next(line for line in t.splitlines() if line[:1].isalpha()) + "\n"),
    "bracket left open": (INVALID, lambda t: t + "extra: [1, {a: 2}\n"),
    "quote left open": (INVALID, lambda t: t + "extra: 'text\n"),
    "list that holds itself": (INVALID, lambda t: t + "extra: &a [*a]\n"),
    "mapping that holds itself": (INVALID, lambda t: t + "extra: &a {b: {c: *a}}\n"),
    "alias of nothing": (INVALID, lambda t: t + "extra: *nowhere\n"),
    "a billion laughs": (INVALID, lambda t: t + BOMB),
    "nested ten thousand deep": (INVALID, lambda t: t + "extra: " + "[" * 10_000 + "]" * 10_000 + "\n"),
    "nested five hundred deep": (INVALID, lambda t: t + "extra: " + "{a: " * 500 + "1" + "}" * 500 + "\n"),
    "python object": (INVALID, lambda t: t + "extra: !!python/object/apply:os.system ['touch fuzzed']\n"),
    "python name": (INVALID, lambda t: t + "extra: !!python/name:os.system x\n"),
    "tag on a mapping": (INVALID, lambda t: f"!!python/object:builtins.dict\n{t}"),
    "tag on a section": (INVALID, lambda t: t.replace(":\n  ", ": !!python/object:gde.cli.main\n  ", 1)),
    "set": (INVALID, lambda t: t.replace(":\n  ", ": !!set\n  ", 1)),
    "own tag": (INVALID, lambda t: t.replace(":\n  ", ": !mine:map\n  ", 1)),
    "number as a key": (INVALID, lambda t: t + "5: x\n"),
    "list as a key": (INVALID, lambda t: t + "? [a, b]\n: x\n"),
    "empty key": (INVALID, lambda t: t + "'': x\n"),
    "merge key": (INVALID, lambda t: t + "<<: {a: 1}\n"),
    "two documents": (INVALID, lambda t: t + "---\nextra: 1\n"),
    "list of everything": (INVALID, lambda t: "".join(f"- {line}\n" for line in t.splitlines() if line[:1].isalpha())),
    "one word": (INVALID, lambda t: "word"),
    "HTML": (INVALID, lambda t: "<!DOCTYPE html>\n<html><body>404</body></html>\n"),
    "noise": (INVALID, lambda t: random.Random(SEED).randbytes(4000)),
    "pickle": (INVALID, lambda t: b"\x80\x04cos\nsystem\n."),
    "line breaks of Windows": (VALID, lambda t: t.replace("\n", "\r\n").encode()),
    "byte order mark": (VALID, lambda t: b"\xef\xbb\xbf" + t.encode()),
    "comments and empty lines": (VALID, lambda t: t.replace("\n", "  # é 漢 \n\n")),
    "document marks": (VALID, lambda t: f"---\n{t}...\n"),
    "keys in quotes": (VALID, lambda t: t.replace("\ndescription:", '\n"description":')),
}  # fmt: skip
NUMBERS = {  # in place of a whole number
    "a number of 5000 digits": (INVALID, "1" * 5000),
    "a trailing underscore": (INVALID, "5__"),
    "two points": (INVALID, "5.0.0"),
    "the tag of a switch": (INVALID, "!!bool 5"),
    "the tag of nothing": (INVALID, "!!null 5"),
    "a binary value": (INVALID, "!!binary NQ=="),
    "a time": (INVALID, "1:30"),
    "hexadecimal": (INVALID, "0x10"),
    "Arabic digits": (INVALID, "٥"),
    "beyond floating point": (INVALID, "1e999"),
    "an own tag": (INVALID, "!mine:int 5"),
    "an alias": (VALID, "&n {value}"),
    "its tag": (VALID, "!!int {value}"),
    "its tag and quotes": (VALID, '!!int "{value}"'),
    "a plus": (VALID, "+{value}"),
}


@pytest.mark.parametrize("which", ["gmm", "pbmc68k", "config"])
def test_texts(project, record_property, which):
    root, tally = project(None if which == "config" else which), Tally()
    file = root / (CONFIG if which == "config" else f"config/experiments/{which}.yaml")
    text, key = file.read_text(), "seed: 0" if which == "config" else "latent_dim: 32"

    def read():
        return everything(root) if which == "config" else alone(root, which)

    original = read()
    for name, (effect, change) in TEXTS.items():
        changed = change(text)
        file.write_bytes(changed if isinstance(changed, bytes) else changed.encode())
        tally.add(Case(f"{which}: {name}", effect, read, file.name, original if effect == VALID else None), root)
    for name, (effect, number) in NUMBERS.items():
        first, value = key.split(": ")
        assert f"\n{key}" in text
        file.write_text(text.replace(f"\n{key}", f"\n{first}: {number.format(value=value)}"))
        tally.add(Case(f"{which}: {name}", effect, read, file.name, original if effect == VALID else None), root)
    file.write_bytes(b"")
    tally.add(Case(f"{which}: empty", VALID if which == "config" else INVALID, read), root)
    assert not Path("fuzzed").exists()
    tally.check(record_property, len(TEXTS) + len(NUMBERS) + 1)


def named_pipe(path: Path) -> None:
    os.mkfifo(path)


FILES = {  # what lies in config/experiments beside gmm.yaml
    "directory": ("other.yaml", Path.mkdir),
    "named pipe": ("other.yaml", named_pipe),
    "link to nothing": ("other.yaml", lambda p: p.symlink_to("nowhere.yaml")),
    "link to itself": ("other.yaml", lambda p: p.symlink_to(p)),
    "link to a device": ("other.yaml", lambda p: p.symlink_to("/dev/zero")),
    "link to a directory": ("other.yaml", lambda p: p.symlink_to(p.parent)),
    "reserved name": ("runs.yaml", Path.touch),
    "other ending": ("other.yml", Path.touch),
    "space": ("my data.yaml", Path.touch),
    "line break": ("two\nlines.yaml", Path.touch),
    "quote": ("it's.yaml", Path.touch),
    "look-alike": ("gmм.yaml", Path.touch),
    "bytes that are no text": (os.fsdecode(b"caf\xe9.yaml"), Path.touch),
    "escape codes": ("\x1b[31mred.yaml", Path.touch),
    "one residue": ("a.yaml", Path.touch),
    "too long for a directory": ("a" * 240 + ".yaml", lambda p: p.write_text("dataset: {kind: mvn}\n")),
}


def checked(root: Path) -> dict:
    """The experiments, all files being right: what `gde check` refuses, though others of them could run."""
    found = find_all(read_config(root), root, [root / CONFIG])
    assert "gmm" in found.experiments
    if found.problems:
        raise found.problems[0]
    return found.experiments


def test_files(project, record_property):
    root, tally = project("gmm"), Tally()
    for name, (file, make) in FILES.items():
        path = root / "config/experiments" / file
        make(path)
        tally.add(Case(f"file: {name}", INVALID, lambda: checked(root), "config/experiments/"), root)
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    for name, make in {"directory": Path.mkdir, "named pipe": named_pipe, "absent": lambda p: None}.items():
        (root / CONFIG).unlink(missing_ok=True)
        make(root / CONFIG)
        tally.add(Case(f"config.yaml: {name}", INVALID, lambda: alone(root, "gmm"), str(CONFIG)), root)
        if name == "directory":
            (root / CONFIG).rmdir()
    tally.check(record_property, len(FILES) + 3)


COMMAND_LINE = {  # as Snakemake hands --config over: nested values are text
    "trailing underscore": (INVALID, {"gmm": {"training": {"steps": "5_"}}}),
    "5000 digits": (INVALID, {"gmm": {"training": {"steps": "1" * 5000}}}),
    "not a number": (INVALID, {"gmm": {"training": {"optimizer": {"lr": ".nan"}}}}),
    "infinity": (INVALID, {"gmm": {"training": {"optimizer": {"lr": "1e999"}}}}),
    "list for a section": (INVALID, {"gmm": [1]}),
    "nothing for a section": (INVALID, {"gmm": None}),
    "number as a key": (INVALID, {5: 1}),
    "number as a key below": (INVALID, {"gmm": {5: 1}}),
    "nothing as a key below": (INVALID, {"gmm": {"training": {None: 1}}}),
    "a date": (INVALID, {"gmm": {"latent_dim": date(2020, 1, 1)}}),
    "bytes": (INVALID, {"seed": b"5"}),
    "line break in a name": (INVALID, {"gm\nm": {}}),
    "name that climbs": (INVALID, {"experiments": ["../gmm"]}),
    "absolute name": (INVALID, {"experiments": ["/etc/passwd"]}),
    "base that climbs": (INVALID, {"grids": {"gg": {"base": "../gmm", "axes": {"seed": [0]}}}}),
    "grid that climbs": (INVALID, {"grids": {"../g": {"base": "gmm", "axes": {"seed": [0]}}}}),
    "axis that climbs": (INVALID, {"grids": {"gg": {"base": "gmm", "axes": {"../seed": [0]}}}}),
    "axis of nothing": (INVALID, {"grids": {"gg": {"base": "gmm", "axes": {"": [0]}}}}),
    "axis of odd places": (INVALID, {"grids": {"gg": {"base": "gmm", "axes": {"dataset.alpha.²": [1.0]}}}}),
    "place in no list": (INVALID, {"grids": {"gg": {"base": "gmm", "axes": {"dataset.alpha.9": [1.0]}}}}),
    "nothing twice": (INVALID, {"grids": {"gg": {"base": "gmm", "axes": {"seed": [1, 1]}}}}),
    "nothing in an axis": (INVALID, {"grids": {"gg": {"base": "gmm", "axes": {"encoder": [None]}}}}),
    "lists in an axis": (INVALID, {"grids": {"gg": {"base": "gmm", "axes": {"encoder": [[["mean"]]]}}}}),
    "a million cells": (INVALID, {"grids": {"gg": {"base": "gmm", "axes": {"seed": list(range(1000)),
                                  "latent_dim": list(range(1, 1001))}}}}),
    "numbers as text": (VALID, {"gmm": {"training": {"steps": "7", "optimizer": {"lr": "2e-4"}}}}),
    "value whose name climbs": (VALID, {"grids": {"gg": {"base": "gmm", "axes": {
        "encoder": [{"kind": "mean", "name": "../../x"}]}}}}),
}  # fmt: skip


def test_command_line(project, record_property):
    root, tally = project("gmm"), Tally()

    def read(config):
        cells = [path for grid in resolve_grids(config, root).values() for path in grid.cells]
        assert all(".." not in Path(path).parts and path.startswith("grid/") for path in cells)
        return resolve_all(config, root)

    for name, (effect, config) in COMMAND_LINE.items():
        tally.add(
            Case(f"--config: {name}", effect, lambda config=config: read({"experiments": ["gmm"], **config})), root
        )
    tally.check(record_property, len(COMMAND_LINE))
