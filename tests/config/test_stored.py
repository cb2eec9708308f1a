"""Settings that come back from files: whole and possible, or refused with file and key."""

from pathlib import Path

import pytest
import tiny

from gde.config import training_slice
from gde.config.stored import check_architecture, check_resolved
from gde.errors import GdeError

FILE = Path("run.json")


def test_what_gde_writes_passes():
    check_resolved(tiny.experiment(), FILE)
    check_resolved(training_slice(tiny.experiment()), FILE)
    check_architecture(tiny.experiment() | {"heads": {"classifier": {"classes": ["a", "b"]}}, "run": "x"}, FILE)


@pytest.mark.parametrize("key", sorted(training_slice(tiny.experiment())))
def test_no_key_may_be_missing(key):
    config = training_slice(tiny.experiment())
    del config[key]
    with pytest.raises(GdeError, match=rf"^run\.json: {key}: found nothing"):
        check_resolved(config, FILE)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("training.steps", "5", "training.steps: found '5', expected a whole number"),
        ("encoder.kind", "resnt", "encoder.kind: found 'resnt'"),
        ("generator.evaluations", 0, "generator.evaluations: found 0, expected a number >= 1"),
    ],
)
def test_impossible_values(key, value, message):
    config = training_slice(tiny.experiment())
    section, option = key.split(".")
    config[section] = config[section] | {option: value}
    with pytest.raises(GdeError, match=rf"^run\.json: {message}"):
        check_resolved(config, FILE)


@pytest.mark.parametrize("name", ["", "../x", "/etc/x", 5])
def test_a_name_stays_below_the_results(name):
    with pytest.raises(GdeError, match=r"run\.json: name: found"):
        check_resolved(tiny.experiment() | {"name": name}, FILE)


@pytest.mark.parametrize("heads", [["classifier"], {"other": {}}, {"classifier": 5}])
def test_heads(heads):
    with pytest.raises(GdeError, match=r"run\.json: heads: found"):
        check_architecture(tiny.experiment() | {"heads": heads}, FILE)


@pytest.mark.parametrize("config", [None, [], "x", 5])
def test_no_mapping(config):
    for check in (check_resolved, check_architecture):
        with pytest.raises(GdeError, match=r"^run\.json: found .*, expected a mapping of keys"):
            check(config, FILE)
