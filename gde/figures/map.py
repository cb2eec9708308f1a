"""Map of all groups: principal components of their embeddings, coloured by each column of obs in turn."""

from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from gde.figures.read import label, of_groups, read_table
from gde.figures.style import note
from gde.files.io import read_json
from gde.pl.panels import draw_map, size

PLACE = ("name", "pc_1", "pc_2", "var_1", "cov_12", "var_2", "radius", "split")


def draw(tables: Path, result: dict) -> Figure:
    """One panel per column; R2 of the whole embedding, its chance and p above; filled where held out."""
    about = read_json(tables / "about.json")
    if about["why"]:
        return note(about["why"])
    table, units = read_table(tables, "map")
    found, _ = read_table(tables, "associations")
    found = found.set_index("column")
    columns = [name for name in table.columns if name not in PLACE]
    columns = sorted(columns, key=lambda name: name == "n_samples")
    titles = {name: _association(found.loc[name], about["unit"]) for name in columns if name in found.index}
    names = [label(name, units[name]).replace("latent units, ", "") for name in ("pc_1", "pc_2")]
    wide, high = size(table, columns)
    figure = Figure(figsize=(wide, high + 0.3), layout="compressed")
    FigureCanvasAgg(figure)
    figure.suptitle(f"Map of {of_groups(len(table), about)}", x=0.01, ha="left")
    draw_map(figure, table, columns, names=names, titles=titles)
    return figure


def _association(row, unit: str) -> str:
    """What a column explains, in words."""
    text = f"R² {row['r2']:.2f} (chance {row['chance']:.2f})"
    of = f" by {unit}" if unit else ""
    return text if row["p_value"] != row["p_value"] else f"{text}, p = {row['p_value']:.3f}{of}"
