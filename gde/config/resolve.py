"""Resolved settings: from files, preset and command line to one plain dict per experiment, with every key explicit.

Order, later wins: the experiment's file, its preset, config/config.yaml, --config.
"""

from collections.abc import Mapping, Sequence
from functools import cache, lru_cache, reduce
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from gde.config.datasets.base import Simulated
from gde.config.experiment import Budget, Config, Experiment, Presets
from gde.config.like import LIKE, inherited
from gde.config.listing import EXPERIMENTS, experiment_file, experiment_names, list_experiments
from gde.config.loading import Tree, from_snakemake, merge, read_shared
from gde.config.messages import explain_all, nearest, show, submodels, unknown
from gde.config.smoke import smoke
from gde.config.start import longer, with_kinds
from gde.errors import GdeError, bad
from gde.files.io import sha256_json

TRAINING = ("name", "seed", "dataset", "encoder", "generator", "latent_dim", "objective", "mixer", "training")
MODEL = "model"  # its kind, which the config.json of an older model does not name
BESIDE = (
    "beside_weights"  # digests of the files of published models, where a run is of any (`gde.fetch.published_models`)
)


def settings(config: Mapping[str, Any], root: Path, configfiles: Sequence[str | Path] = ()) -> tuple[dict, Tree]:
    """Validate what stands above the experiments: {experiments, preset, seed, accelerator}, and the marked config.
    A file of config/experiments that is wrong is not looked at: it stops only what uses it."""
    names = experiment_names(root)
    files = [read_shared(root / f, shown(f, root)) for f in configfiles]
    tree = from_snakemake(dict(config), files)
    checked, problems = check_settings(tree, names)
    if problems:
        raise problems[0]
    return checked, tree


def check_settings(tree: Tree, names: list[str]) -> tuple[dict, list[GdeError]]:
    """What stands above the experiments, with the defaults in the place of what is wrong, and what is wrong."""
    own = Config.model_fields
    problems = [unknown(*tree.mark((k,)), k, [*own, *names]) for k in tree.data if k not in own and k not in names]
    top = {k: v for k, v in tree.data.items() if k in own}
    try:
        checked = Config.model_validate(top).model_dump()
    except ValidationError as e:
        problems += explain_all(e, Config, Tree(top, tree.marks))
        # a rule about several keys has no place of its own, but names one of them
        wrong = {(*error["loc"], error.get("ctx", {}).get("key", "").split(".")[0])[0] for error in e.errors()}
        checked = Config.model_validate({k: v for k, v in top.items() if k not in wrong}).model_dump()
        if "experiments" in wrong:
            checked["experiments"] = []
    for i, name in enumerate(checked["experiments"]):
        if name not in names:
            problems.append(unknown(*tree.mark(("experiments", i)), name, names))
    checked["experiments"] = [name for name in checked["experiments"] if name in names]
    return checked, problems


def resolve(
    name: str, config: Mapping[str, Any], root: Path = Path(), configfiles: Sequence[str | Path] = ()
) -> dict[str, Any]:
    """The experiment `name` as plain, JSON-able data with every key explicit.

    config : what Snakemake merged from config/config.yaml and --config.   root : directory that holds config/.
    configfiles : files `config` was read from, for the line numbers of errors.
    Raises GdeError for anything unknown or impossible in its file, any of its presets, or `config`.
    """
    checked, tree = settings(config, root, configfiles)
    names, wrong = list_experiments(root)
    if name not in names:
        raise wrong.get(name) or unknown("experiment", name, name, names)
    return _resolve(name, checked, tree, root)


def resolve_given(name: str, tree: Tree, top: dict[str, Any], root: Path) -> dict[str, Any]:
    """As `resolve`, of an experiment that stands in no file: `tree` holds what its file would, with the marks that
    errors name.

    top : preset, seed, accelerator.   root : directory whose config/ the experiments are in that `like` names.
    """
    checked, problems = check_settings(Tree(top, tree.marks), experiment_names(root))
    base, presets, more = _examine(inherited(tree, root))
    for problem in (*problems, *more):
        raise problem
    return complete(name, merge(base, presets[checked["preset"]]), checked["seed"], checked["preset"])


def resolve_all(
    config: Mapping[str, Any], root: Path = Path(), configfiles: Sequence[str | Path] = ()
) -> dict[str, dict[str, Any]]:
    """Every experiment by name, also those that `experiments` leaves out: all files are checked."""
    checked, tree = settings(config, root, configfiles)
    return {name: _resolve(name, checked, tree, root) for name in experiment_names(root)}


def training_slice(resolved: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a resolved experiment that the trained weights depend on."""
    return {key: resolved[key] for key in TRAINING} | {k: resolved[k] for k in (MODEL, BESIDE) if k in resolved}


def run_id(resolved: Mapping[str, Any], store_digest: str, code_digest: str) -> str:
    """<name>-<8 hex>: the run that these settings, this store and this code make; a grid cell's path is joined by +."""
    digest = sha256_json([training_slice(resolved), store_digest, code_digest])
    return f"{resolved['name'].replace('/', '+')}-{digest[:8]}"


def _resolve(name: str, checked: dict, tree: Tree, root: Path) -> dict[str, Any]:
    base, *parts = layers(name, checked["preset"], tree, root)
    return complete(name, reduce(merge, parts, base), checked["seed"], checked["preset"])


def layers(name: str, preset: str, tree: Tree, root: Path) -> list[Tree]:
    """What an experiment is made of, to be merged in order: its file, the preset, config/config.yaml with --config.

    The file is checked with every preset.
    """
    base, presets, problems = read_experiment(*experiment_file(name, root), root)
    if problems:
        raise problems[0]
    return [base, presets[preset], *overrides(name, tree)]


def overrides(name: str, tree: Tree) -> list[Tree]:
    """What config/config.yaml and --config say of an experiment: one tree, or none."""
    if name not in tree.data:
        return []
    over = tree.sub(name)
    if not isinstance(over.data, dict):
        where, key = tree.mark((name,))
        raise bad(f"{where}: {key}", show(over.data), "a mapping of keys", "see config/README.md")
    for word in ("presets", LIKE):
        if word in over.data:
            where, key = tree.mark((name, word))
            file = EXPERIMENTS / f"{name}.yaml"
            raise bad(f"{where}: {key}", word, "it in the experiment's file", f"move it to {file}")
    return [over]


def complete(name: str, chosen: Tree, seed: int, preset: str) -> dict[str, Any]:
    """The resolved form of merged settings: every key explicit, plain data."""
    experiment = _validate(with_kinds(chosen)).model_dump()
    like = experiment.pop(LIKE)
    head = {"name": name, "description": experiment.pop("description"), **({LIKE: like} if like else {})}
    return {**head, "seed": seed, "preset": preset, **experiment}


def read_experiment(path: Path, name: str, root: Path) -> tuple[Tree, dict[str, Tree], list[GdeError]]:
    """An experiment's file without its presets, its presets, and all that is wrong with it in any of them.

    GdeError for a file that is no YAML, and for one that cannot inherit what it is `like`.
    """
    base, presets, problems = _examine(inherited(read_shared(path, name), root, (path.resolve(),)))
    return base, dict(presets), list(problems)


@lru_cache(maxsize=512)
def _examine(whole: Tree) -> tuple[Tree, dict[str, Tree], list[GdeError]]:
    """`read_experiment` of what a file holds: of an unchanged file `read_shared` gives the same."""
    base = Tree({k: v for k, v in whole.data.items() if k != "presets"}, whole.marks)
    given = whole.data.get("presets") or {}
    if not isinstance(given, dict):
        where, key = whole.mark(("presets",))
        raise bad(f"{where}: {key}", show(given), "a mapping of presets", "see config/README.md")
    base = with_kinds(base)
    presets, problems = {}, []
    for preset in given:
        if preset not in Presets.model_fields:
            problems.append(unknown(*whole.mark(("presets", preset)), preset, Presets.model_fields))
            continue
        part = whole.sub("presets", preset)
        if wrong := _check_preset(part):
            problems += wrong
        presets[preset] = Tree({}) if wrong else part
    for preset in Presets.model_fields:
        if preset not in presets:
            presets[preset] = smoke(base) if preset == "smoke" else longer(base) if preset == "paper" else Tree({})
    for part in (Tree({}), *presets.values()):
        problems += validate(merge(base, part))[1]
    return base, presets, list({str(p): p for p in problems}.values())


def _check_preset(part: Tree) -> list[GdeError]:
    """What is wrong with a preset: it scales the budget and may not change what is measured on what."""
    problems = []
    remedy = "a preset scales the budget, never distribution, split or protocol: set this above the presets"
    for options, path in ((Budget.model_fields, ()), (Simulated.model_fields, ("dataset",))):
        data = part.data.get(path[0], {}) if path else part.data
        if not isinstance(data, dict):
            where, key = part.mark(path)
            return [*problems, bad(f"{where}: {key}", show(data), "a mapping of keys", "see config/README.md")]
        problems += [unknown(*part.mark((*path, key)), key, options, remedy) for key in data if key not in options]
    return problems


def _validate(tree: Tree) -> Experiment:
    experiment, problems = validate(tree)
    if problems:
        raise problems[0]
    return experiment


def validate(tree: Tree) -> tuple[Experiment | None, list[GdeError]]:
    """An experiment, if its settings are valid, and all that is wrong with them."""
    try:
        experiment = Experiment.model_validate(tree.data)
    except ValidationError as e:
        return None, explain_all(e, Experiment, tree)
    keys = dotted_keys(Experiment)
    problems = []
    for metric, published in experiment.published.items():
        for key in published.requires:
            if key not in keys:
                meant = nearest(key, keys) or ""
                close = [k for k in sorted(keys) if k.rpartition(".")[0] == meant.rpartition(".")[0]]
                problems.append(unknown(*tree.mark(("published", metric, "requires", key)), key, close))
    return experiment, problems


@cache
def dotted_keys(model: Any) -> frozenset[str]:
    """Every key below a model, of all kinds: {'encoder.hidden', ...}."""
    out = set()
    for key, field in model.model_fields.items():
        out.add(key)
        out |= {f"{key}.{k}" for m in submodels(field.annotation) for k in dotted_keys(m)}
    return frozenset(out)


def shown(file: str | Path, root: Path) -> str:
    path = Path(file)
    try:
        return str(path.resolve().relative_to(root.resolve()))
    except ValueError:
        return str(path)
