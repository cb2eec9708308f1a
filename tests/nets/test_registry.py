"""Kinds by name."""

import sys
from fractions import Fraction

import pytest

from gde.nets.registry import build, resolve_kind

REGISTRY = {"fraction": "fractions:Fraction", "unused": "no_such_module:Thing"}


def test_options_and_fixed_arguments_reach_the_constructor():
    assert build(REGISTRY, {"kind": "fraction", "numerator": 3}, denominator=4) == Fraction(3, 4)
    assert resolve_kind(REGISTRY, "fraction") is Fraction


def test_an_unknown_kind_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="kind: found 'fractoin', expected one of fraction, unused"):
        build(REGISTRY, {"kind": "fractoin"})


def test_an_unknown_option_is_refused():
    with pytest.raises(TypeError, match="colour"):
        build(REGISTRY, {"kind": "fraction", "colour": 1})


def test_only_the_kind_asked_for_is_imported():
    resolve_kind(REGISTRY, "fraction")
    assert "no_such_module" not in sys.modules
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        resolve_kind(REGISTRY, "unused")


def test_building_leaves_the_section_as_it_was():
    section = {"kind": "fraction", "numerator": 3}
    build(REGISTRY, section)
    assert section == {"kind": "fraction", "numerator": 3}
