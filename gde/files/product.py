"""Product: the files that come with gde, for a directory of one's own that holds configuration, data and results."""

import os
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]
# Of an installed package they stand in it, else it stands among them.
PRODUCT = _PACKAGE / "_product" if (_PACKAGE / "_product").is_dir() else _PACKAGE.parent
CONFIG = Path("config/config.yaml")


def product_file(path: str | Path, root: Path = Path()) -> Path:
    """`path` below `root`, one's own directory, or the product's file where only that is there."""
    own, shipped = root / path, PRODUCT / path
    return shipped if shipped.exists() and not os.path.lexists(own) else own  # a link that leads nowhere is one's own
