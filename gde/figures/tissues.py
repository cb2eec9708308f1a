"""Tissues of held-out samples: which are taken for which."""

from pathlib import Path

from matplotlib.figure import Figure

from gde.config.words import baseline_words
from gde.figures.labels import confusion
from gde.figures.read import left_out, read_table
from gde.figures.style import new, note


def draw(tables: Path, result: dict) -> Figure:
    """A confusion matrix of fine and one of coarse tissues, as far as there are both; rows sum to one."""
    shown = {"": "tissue", "_coarse": "coarse tissue"}
    panels = [key for key in shown if (tables / f"tissues{key}.tsv").is_file()]
    if not panels:
        return note(left_out(tables, "tissues", "tissue/accuracy") or "no tissues were evaluated")
    figure, axes = new(1, len(panels), height=4.0)
    for ax, key in zip(axes[0], panels, strict=True):
        table, _ = read_table(tables, f"tissues{key}")
        names = sorted(set(table["label"]) | set(table["predicted"]))
        confusion(ax, table, names, shown[key], "held-out samples")
        metric = result["metrics"][f"tissue/accuracy{key}"]
        others = {"commonest (chance)": metric["chance"], **metric["baselines"]}
        text = "\n".join(f"{baseline_words(name)} {value:.2f}" for name, value in others.items())
        ax.set_title(f"{shown[key]}: accuracy {metric['value']:.2f}\n{text}", fontsize=7)
    return figure
