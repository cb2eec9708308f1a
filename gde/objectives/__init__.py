"""Objectives: how encoder and generator are trained together."""

REGISTRY = {
    "reconstruction": "gde.objectives.reconstruction:reconstruction",
    "classification": "gde.objectives.classification:classification",
    "ordered": "gde.objectives.ordered:ordered",
    "perturbation": "gde.objectives.perturbation:perturbation",
}
