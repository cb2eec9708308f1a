"""A kind is one class: what the classes say exists, and the rooms that build without them know the same kinds."""

from dataclasses import fields
from importlib import import_module

import pytest

from gde import encoders, generators, objectives
from gde.config.datasets import DATASETS, kind_of_data, sample_type_of
from gde.config.datasets.base import DataSet, Pictures, Simulated, TokenSequences, Vectors
from gde.config.encoders import ENCODERS
from gde.config.encoders.base import EncoderKind
from gde.config.evaluations import EVALUATIONS
from gde.config.experiment import fitting
from gde.config.generators import GENERATORS
from gde.config.kinds import kinds_in
from gde.config.objectives import OBJECTIVES
from gde.nets.registry import resolve_kind
from gde.sets.families import REGISTRY as FAMILIES
from gde.sets.types import REGISTRY as SAMPLE_TYPES
from gde.sets.types import sample_type

ROOMS = {"encoder": (ENCODERS, encoders), "generator": (GENERATORS, generators), "objective": (OBJECTIVES, objectives)}


@pytest.mark.parametrize("room", ROOMS)
def test_what_is_configured_is_what_can_be_built(room):
    kinds, package = ROOMS[room]
    assert set(kinds) == set(package.REGISTRY)


@pytest.mark.parametrize(("room", "kind"), [(r, k) for r in ("encoder", "generator") for k in ROOMS[r][0]])
def test_settings_are_the_options(room, kind):
    kinds, package = ROOMS[room]
    options = resolve_kind(package.REGISTRY, kind).Options
    assert set(kinds[kind].model_fields) - {"kind"} == {field.name for field in fields(options)}


@pytest.mark.parametrize("name", [c.prepare for c in DATASETS.values()] + [c.evaluate for c in EVALUATIONS.values()])
def test_functions_exist(name):
    module, function = name.split(":")
    assert callable(getattr(import_module(module), function))


def test_families_are_simulated():
    assert {kind for kind, data in DATASETS.items() if issubclass(data, Simulated)} == set(FAMILIES)


@pytest.mark.parametrize("kind", DATASETS)
def test_the_default_evaluation_is_for_the_data(kind):
    assert issubclass(DATASETS[kind], EVALUATIONS[DATASETS[kind].evaluation].of)
    assert sum(issubclass(DATASETS[kind], base) for base in (Vectors, TokenSequences, Pictures, Simulated)) == 1
    assert DATASETS[kind].sample_type in SAMPLE_TYPES


@pytest.mark.parametrize("kind", DATASETS)
def test_what_an_experiment_starts_from_fits_its_samples(kind):
    data = DATASETS[kind]
    for section, kinds in (("encoder", ENCODERS), ("generator", GENERATORS)):
        assert data.start[section]["kind"] in fitting(kinds, sample_type(data.sample_type))


@pytest.mark.parametrize("name", SAMPLE_TYPES)
def test_every_type_of_sample_can_be_embedded_and_generated(name):
    assert fitting(ENCODERS, sample_type(name)) and fitting(GENERATORS, sample_type(name))


def test_metrics_and_figures_are_named_once():
    for evaluation in EVALUATIONS.values():
        assert len(set(evaluation.metrics)) == len(evaluation.metrics) > 0
        assert len(set(evaluation.figures)) == len(evaluation.figures) > 0
        assert set(evaluation.files) <= set(evaluation.model_fields)


def test_kinds_are_the_classes_that_a_module_defines():
    """An imported class and one without a kind are none; order is that of the modules, and in them of the text."""
    from gde.config.encoders import language, vectors

    assert list(kinds_in(EncoderKind, language)) == ["protein_lm", "text_lm"]  # which imports ResNet
    assert list(kinds_in(EncoderKind, language, vectors))[:3] == ["protein_lm", "text_lm", "mean"]
    assert not kinds_in(DataSet, vectors)


def test_the_alphabet_is_of_the_settings():
    assert sample_type_of({"kind": "sequences", "alphabet": "protein"}).name == "protein"
    assert sample_type_of({"kind": "digits"}).alphabet is None
    assert kind_of_data({"kind": "digits"}).shape({"kind": "digits"}) == (1797, 64)


def test_only_the_chosen_kinds_are_built():
    import subprocess
    import sys

    code = """
from gde.config import resolve
from gde.config.encoders import ENCODERS
resolve("gmm", {})
built = [k for k, c in ENCODERS.items() if c.__pydantic_complete__]
print(*built)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["resnet"]
