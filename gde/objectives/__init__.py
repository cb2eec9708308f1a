"""How encoder and generator are trained together."""

REGISTRY = {"reconstruction": "gde.objectives.reconstruction:reconstruction"}
