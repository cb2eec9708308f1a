"""Figures of a finished evaluation, as the rule `figure` draws them, without a process for each."""

from pathlib import Path

from gde.config import resolve
from gde.config.figures import figures_of
from gde.figures import draw


def draw_all(root: Path, name: str, out: Path) -> list[str]:
    """Draw every figure of an experiment that was evaluated in the project; returns their names."""
    names = figures_of(resolve(name, {"preset": "smoke"}, root))
    for figure in names:
        files = out / f"{figure}.svg", out / f"{figure}.png"
        draw(figure, root / f"results/{name}/tables", root / f"results/{name}/metrics.json", *files)
        assert all(file.stat().st_size > 1000 for file in files), figure
    return list(names)
