"""Settings of Sphinx."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
project = "gde"
release = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
extensions = ["myst_nb", "sphinx.ext.autodoc"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "off"  # outputs are kept; tests/docs executes them
html_theme = "furo"
html_title = "gde"
exclude_patterns = ["_build", "requirements.lock"]
autodoc_typehints = "none"
suppress_warnings = ["myst.xref_missing", "misc.highlighting_failure"]


def verbatim(app, what, name, obj, options, lines):
    """Docstrings are laid out as plain text: what stands below the first paragraph is shown as it is."""
    end = next((i for i, line in enumerate(lines) if not line.strip()), len(lines))
    rest = lines[end:]
    lines[end:] = ["", "::", "", *(f"    {line}" if line else "" for line in rest)] if any(rest) else []


def setup(app):
    app.connect("autodoc-process-docstring", verbatim)
