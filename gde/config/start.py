"""Start: what an experiment's settings start from, written out before presets and overrides are laid on them."""

from copy import deepcopy
from typing import Any, get_args

from gde.config.budget import AUTO, LONG
from gde.config.datasets import DATASETS
from gde.config.datasets.base import BY_DATA, DataSet
from gde.config.encoders import ENCODERS
from gde.config.experiment import Experiment
from gde.config.kinds import kind_of
from gde.config.loading import Tree, merge
from gde.config.messages import submodels


def with_kinds(tree: Tree) -> Tree:
    """Write out the default kinds, so that a preset or override merges into them, and what the kind of data starts
    from in sections that are not there."""
    data = dict(tree.data)
    dataset = data.get("dataset")
    kind = str(dataset.get("kind")) if isinstance(dataset, dict) else ""
    known = DATASETS.get(kind, DataSet)
    data = started(data, known.start_of(dataset if isinstance(dataset, dict) else {}))
    defaults = {"model": "gde", "objective": "reconstruction", "evaluation": known.evaluation}
    if isinstance(data.get("mixer"), dict):
        defaults["mixer"] = "dirichlet_k"
    for section, kind in defaults.items():
        value = data.get(section, {})
        if isinstance(value, dict) and "kind" not in value:
            data[section] = {"kind": kind, **value}
    chosen = data["encoder"]
    if isinstance(chosen, dict) and _has_encoder_behind(chosen):
        then = chosen.get("then", {})
        if isinstance(then, dict) and "kind" not in then:
            data["encoder"] = {**chosen, "then": {"kind": "resnet", **then}}
    training = data.get("training", {})
    if isinstance(training, dict):
        training = dict(training)
        for section, kind in {"optimizer": "adamw", "scheduler": "cosine"}.items():
            value = training.get(section, {})
            if isinstance(value, dict) and "kind" not in value:
                training[section] = {"kind": kind, **value}
        data["training"] = training
    return Tree(data, tree.marks)


def _words(field: Any) -> set[Any]:
    """The words that a field may be instead of a number."""
    return {word for part in get_args(field.annotation) for word in get_args(part)}


def longer(base: Tree) -> Tree:
    """The paper preset of a file that has none: where the data decide on the steps, ten times as many."""
    training = base.data.get("training")
    by_data = isinstance(training, dict) and training.get("steps") == AUTO
    return Tree({"training": {"steps": LONG}} if by_data else {})


def _has_encoder_behind(encoder: dict[str, Any]) -> bool:
    known = ENCODERS.get(str(encoder.get("kind")))
    return known is not None and "then" in known.model_fields


def started(data: dict[str, Any], start: dict[str, Any]) -> dict[str, Any]:
    """Settings laid on those that they start from; a section that names its kind takes the old one's place, but for
    what the data decide (`auto`). Where `training.steps` is given, their schedule is not left to the data either."""
    start = deepcopy(start)
    for section in [k for k, v in data.items() if isinstance(v, dict) and "kind" in v and k in start]:
        kind, models = data[section]["kind"], submodels(Experiment.model_fields[section].annotation)
        fields = next((m.model_fields for m in models if kind_of(m) == kind), {})
        by_data = {k for k, v in start[section].items() if v == AUTO and k in fields and AUTO in _words(fields[k])}
        start[section] = {"kind": kind} | dict.fromkeys(by_data, AUTO)
    training = data.get("training")
    if isinstance(training, dict) and "steps" in training and "training" in start:
        start["training"] = {k: v for k, v in start["training"].items() if k not in BY_DATA}
    return merge(Tree(start), Tree(data)).data
