"""A one-letter typo anywhere is refused in one line with file, line, key and the name that was meant."""

import re

import pytest
from helpers import NAMES, data, paths, project, renamed, replaced, typo, write

from gde.config import resolve, resolve_all
from gde.config.loading import dotted
from gde.errors import GdeError


def refusal(tmp_path, config=None, files=(), *, name=None):
    """What is said of all experiments, or of one."""
    with pytest.raises(GdeError) as e:
        resolve(name, config or {}, tmp_path, files) if name else resolve_all(config or {}, tmp_path, files)
    assert "\n" not in str(e.value)
    return str(e.value)


@pytest.mark.parametrize("name", NAMES)
def test_every_key_of_every_file(tmp_path, name):
    project(tmp_path)
    original = data(name)
    for path in paths(original):
        if path[-2:-1] in (("files",), ("control",)):
            continue  # cell lines and columns, which only the data can tell
        wrong = typo(path[-1])
        file = write(tmp_path, name, renamed(original, path, wrong))
        message = refusal(tmp_path, name=name)
        line = next(i for i, text in enumerate(file.read_text().splitlines(), 1) if re.search(rf"\b{wrong}: ?", text))
        where = dotted((*path[:-1], wrong))
        assert message.startswith(f"config/experiments/{name}.yaml:"), message
        assert f": {where}: found {wrong!r}, expected" in message, message
        assert message.endswith(f"did you mean {path[-1]!r}?"), message
        found = file.read_text().splitlines()[int(message.split(":")[1]) - 1]
        assert wrong in found, (message, line)
    assert refusal(tmp_path) == message  # whichever experiment is asked for


@pytest.mark.parametrize("name", NAMES)
def test_every_kind_of_every_file(tmp_path, name):
    project(tmp_path)
    original = data(name)
    for path in (p for p in paths(original) if p[-1] == "kind"):
        right = original
        for key in path:
            right = right[key]
        write(tmp_path, name, replaced(original, path, typo(right)))
        message = refusal(tmp_path, name=name)
        assert f": {dotted(path)}: found {typo(right)!r}" in message
        assert message.endswith(f"did you mean {right!r}?")
    assert refusal(tmp_path) == message  # whichever experiment is asked for


CONFIG = {
    "experiments": ["gmm", "pbmc68k"],
    "preset": "laptop",
    "seed": 0,
    "accelerator": "auto",
    "gmm": {"training": {"optimizer": {"lr": 0.001}, "steps": 5}, "encoder": {"kind": "mean"}, "latent_dim": 4},
}


@pytest.mark.parametrize("path", list(paths(CONFIG)), ids=dotted)
def test_every_key_of_config(tmp_path, path):
    """The same in config/config.yaml (with its line) and in --config."""
    project(tmp_path)
    config = renamed(CONFIG, path, typo(path[-1]))
    message = refusal(tmp_path, config)
    assert message.startswith(f"--config: {dotted((*path[:-1], typo(path[-1])))}: found {typo(path[-1])!r}"), message
    assert message.endswith(f"did you mean {path[-1]!r}?")

    import yaml

    file = tmp_path / "config/config.yaml"
    file.write_text(yaml.safe_dump(config, sort_keys=False))
    message = refusal(tmp_path, config, ["config/config.yaml"])
    assert message.startswith("config/config.yaml:")
    assert typo(path[-1]) in file.read_text().splitlines()[int(message.split(":")[1]) - 1]


@pytest.mark.parametrize(
    ("config", "key", "meant"),
    [
        ({"experiments": ["gmmm"]}, "experiments[0]", "gmm"),
        ({"preset": "laptp"}, "preset", "laptop"),
        ({"accelerator": "cdua"}, "accelerator", "cuda"),
        ({"gmm": {"encoder": {"kind": "resnt"}}}, "gmm.encoder.kind", "resnet"),
        ({"gmm": {"generator": {"solver": "hein"}}}, "gmm.generator.solver", "heun"),
    ],
)
def test_names_in_config(tmp_path, config, key, meant):
    message = refusal(project(tmp_path), config)
    assert message.startswith(f"--config: {key}: found ")
    assert message.endswith(f"did you mean {meant!r}?")


@pytest.mark.parametrize(
    ("path", "value", "found", "expected"),
    [
        (("latent_dim",), 0, "0", "a number >= 1"),
        (("latent_dim",), "64", "'64'", "a whole number"),
        (("latent_dim",), 2.5, "2.5", "a whole number"),
        (("latent_dim",), 64.0, "64.0", "a whole number or 'auto'; write 64"),
        (("latent_dim",), True, "true", "a whole number"),
        (("latent_dim",), 10**30, str(10**30), "a number <= 1000000000"),
        (("published", "geometry/w2_spearman", "requires", "dataset.df"), float("nan"), "nan", "a finite number"),
        (("training", "steps"), None, "nothing", "a whole number"),
        (("training", "optimizer", "lr"), -1.0, "-1.0", "a number > 0"),
        (("training", "optimizer", "lr"), float("inf"), "inf", "a finite number"),
        (("training", "ema"), 1.0, "1.0", "a number < 1"),
        (("training", "n_sets"), 30, "4", "a divisor of n_sets = 30"),
        (("dataset", "df"), 3, "3", "an integer > dim + 1 = 3"),
        (("dataset", "mean_low"), 9.0, "9.0", "at most mean_high = 5.0"),
        (("generator", "evaluations"), 15, "15", "an even number for solver midpoint"),
        (("generator", "guidance"), 2.0, "2.0", "1 when drop is 0"),
        (("encoder",), "resnet", "'resnet'", "a mapping of keys"),
        (("training",), [1], "[1]", "a mapping of keys"),
        (("mixer",), {"kind": "dirichlet_k"}, "'dirichlet_k'", "null for a simulated family"),
        (("evaluation",), {"kind": "samples"}, "'samples'", "'simulated' for dataset gmm"),
        (("presets", "smoke", "latent_dim"), 0, "0", "a number >= 1"),
        (("presets", "paper", "encoder"), {"kind": "gnn", "depth": 1}, "'depth'", "one of kind, hidden, layers"),
    ],
    ids=lambda v: dotted(v) if isinstance(v, tuple) else None,
)
def test_impossible_values(tmp_path, path, value, found, expected):
    project(tmp_path)
    content = data("gmm")
    part = content
    for key in path[:-1]:
        part = part.setdefault(key, {})
    part[path[-1]] = value
    write(tmp_path, "gmm", content)
    message = refusal(tmp_path)
    assert message.startswith("config/experiments/gmm.yaml:")
    assert f": found {found}, expected {expected}" in message


@pytest.mark.parametrize("section", ["dataset", "mixer", "published", "description"])
def test_preset_cannot_touch_the_protocol(tmp_path, section):
    project(tmp_path)
    content = data("gmm")
    content["presets"]["smoke"][section] = {"df": 20} if section == "dataset" else content.get(section)
    write(tmp_path, "gmm", content)
    message = refusal(tmp_path)
    assert ": presets.smoke." in message
    assert "never distribution, split or protocol" in message or "did you mean" in message


def test_presets_only_in_the_experiment_file(tmp_path):
    message = refusal(project(tmp_path), {"gmm": {"presets": {"smoke": {}}}})
    assert message.startswith("--config: gmm.presets: found ")


def test_metric_names_are_checked(tmp_path):
    project(tmp_path)
    content = data("pbmc68k")
    content["published"] = {"labels/accuracie": {"value": 1.0, "source": "x"}}
    write(tmp_path, "pbmc68k", content)
    assert refusal(tmp_path).endswith("did you mean 'labels/accuracy'?")


@pytest.mark.parametrize(
    "value, found", [(0, "found 0, expected a number >= 1"), ("most", "found 'most', expected a whole number")]
)
def test_a_value_that_may_be_one_of_several_things(tmp_path, value, found):
    """One line with all of them, under the key that stands in the file."""
    project(tmp_path)
    original = data("pubmed")
    original["dataset"]["baseline"] = value
    write(tmp_path, "pubmed", original)
    message = refusal(tmp_path)
    assert f": dataset.baseline: {found} or 'all'; see config/README.md" in message
