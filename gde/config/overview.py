"""The tables of kinds in config/README.md, from what their classes say of themselves."""

from collections.abc import Iterable, Mapping

from gde.config.base import Section
from gde.config.datasets import DATASETS
from gde.config.datasets.base import Pictures, Simulated, TokenSequences, Vectors
from gde.config.datasets.screens import ImageScreen
from gde.config.encoders import ENCODERS
from gde.config.evaluations import EVALUATIONS
from gde.config.generators import GENERATORS
from gde.config.objectives import OBJECTIVES

CALLED = {
    Vectors: "vectors",
    TokenSequences: "sequences",
    Simulated: "simulated families",
    Pictures: "pictures",
    ImageScreen: "simulated screens",
}


def kinds() -> str:
    """All of them."""
    return "\n".join([kinds_of_data(), kinds_of_models()])


def kinds_of_data() -> str:
    """Every kind of data set: what it is, what its samples are, and the evaluation that it has."""
    rows = []
    for kind, data in DATASETS.items():
        samples = "dna or protein" if "alphabet" in data.model_fields else data.sample_type
        rows.append((f"`{kind}`", _about(data), samples, f"`{data.evaluation}`"))
    return _table(("`dataset.kind`", "data", "samples", "evaluation"), rows)


def kinds_of_models() -> str:
    """Every kind of encoder, generator, objective and evaluation, with what it is for."""
    out = []
    for section, kinds in (("encoder", ENCODERS), ("generator", GENERATORS)):
        rows = [(f"`{kind}`", _about(options), ", ".join(options.sample_types)) for kind, options in kinds.items()]
        out.append(_table((f"`{section}.kind`", "what it is", "samples"), rows))
    out.append(_table(("`objective.kind`", "what is learned"), _described(OBJECTIVES)))
    rows = []
    for kind, evaluation in EVALUATIONS.items():
        groups = dict.fromkeys(metric.partition("/")[0] for metric in evaluation.metrics)
        rows.append((f"`{kind}`", _about(evaluation), CALLED[evaluation.of], ", ".join(f"`{g}/`" for g in groups)))
    out.append(_table(("`evaluation.kind`", "what is asked", "of", "metrics"), rows))
    return "\n".join(out)


def _described(kinds: Mapping[str, type[Section]]) -> list[tuple[str, str]]:
    return [(f"`{kind}`", _about(options)) for kind, options in kinds.items()]


def _about(options: type[Section]) -> str:
    return options.model_fields["kind"].description or ""


def _table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    cells = [header, *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    head, *body = (f"| {' | '.join(line)} |\n" for line in cells)
    return "".join([head, "|---" * len(header), "|\n", *body])
