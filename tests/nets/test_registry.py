"""Kinds by name."""

import sys
from dataclasses import MISSING, FrozenInstanceError, dataclass, fields

import pytest

from gde import encoders, generators
from gde.nets.registry import Options, build, resolve_kind

REGISTRY = {"box": f"{__name__}:Box", "unused": "no_such_module:Thing"}


@dataclass(frozen=True, kw_only=True)
class BoxOptions(Options):
    colour: str = "red"
    lids: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.lids < 0:
            raise ValueError(f"lids: found {self.lids}")


class Box:
    Options = BoxOptions

    def __init__(self, options: BoxOptions, *, width: int):
        self.options, self.width = options, width


def test_options_and_sizes_reach_the_constructor():
    made = build(REGISTRY, {"kind": "box", "lids": 3}, width=4)
    assert (made.options, made.width) == (BoxOptions(colour="red", lids=3), 4)
    assert resolve_kind(REGISTRY, "box") is Box


def test_options_do_not_change():
    with pytest.raises(FrozenInstanceError):
        build(REGISTRY, {"kind": "box"}, width=4).options.lids = 2


@pytest.mark.parametrize("registry", [encoders.REGISTRY, generators.REGISTRY], ids=["encoders", "generators"])
def test_every_kind_has_options(registry):
    """Frozen, each with its default; but for the section `then`, of which only the configuration has one."""
    for kind in registry:
        options = resolve_kind(registry, kind).Options
        assert issubclass(options, Options) and options.__dataclass_params__.frozen
        assert {field.name for field in fields(options) if field.default is MISSING} <= {"then"}


def test_an_unknown_kind_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="kind: found 'bxo', expected one of box, unused"):
        build(REGISTRY, {"kind": "bxo"})


def test_an_unknown_option_is_refused():
    with pytest.raises(TypeError, match="weight"):
        build(REGISTRY, {"kind": "box", "weight": 1}, width=4)
    with pytest.raises(TypeError, match="width"):  # a size is none
        build(REGISTRY, {"kind": "box", "width": 1})


def test_an_impossible_option_is_refused():
    with pytest.raises(ValueError, match="lids: found -1"):
        build(REGISTRY, {"kind": "box", "lids": -1}, width=4)


def test_only_the_kind_asked_for_is_imported():
    resolve_kind(REGISTRY, "box")
    assert "no_such_module" not in sys.modules
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        resolve_kind(REGISTRY, "unused")


def test_building_leaves_the_section_as_it_was():
    section = {"kind": "box", "lids": 3}
    build(REGISTRY, section, width=4)
    assert section == {"kind": "box", "lids": 3}
