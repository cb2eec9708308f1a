"""Settings of Sphinx."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
project = "gde"
release = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
extensions = ["myst_nb", "sphinx.ext.autodoc"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
myst_fence_as_directive = ["mermaid"]
nb_execution_mode = "off"  # outputs are kept; tests/docs executes them
html_theme = "furo"
html_title = "gde"
exclude_patterns = ["_build", "requirements.lock"]
autodoc_typehints = "none"
suppress_warnings = ["myst.xref_missing", "misc.highlighting_failure"]
