"""Figures of a finished evaluation, as the rule `figure` draws them, without a process for each."""

from pathlib import Path

import torch

from gde.config import resolve
from gde.config.figures import figures_of, tables_of
from gde.embed import embed_to_h5ad
from gde.figures import draw
from gde.tl.map_tables import write_map_tables


def draw_all(root: Path, name: str, out: Path) -> list[str]:
    """Draw every figure of an experiment that was evaluated in the project; returns their names."""
    names = figures_of(resolve(name, {"preset": "smoke"}, root))
    results = root / "results" / name
    tables = {"tables": results / "tables", "map": out / "map"}
    if "map" in map(tables_of, names):  # as the rules `embed` and `map` do
        embed_to_h5ad(results / "model", root / "results/sets" / name, out / "z.h5ad", device=torch.device("cpu"))
        write_map_tables(out / "z.h5ad", out / "map", permutations=19)
    for figure in names:
        files = out / f"{figure}.svg", out / f"{figure}.png"
        draw(figure, tables[tables_of(figure)], results / "metrics.json", *files)
        assert all(file.stat().st_size > 1000 for file in files), figure
    return list(names)
