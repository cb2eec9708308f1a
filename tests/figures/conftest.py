"""Figures are drawn of what the stand-ins of tests/evaluate give."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "evaluate"))
pytest.register_assert_rewrite("drawing")
