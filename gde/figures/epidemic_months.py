"""Month of held-out sets, read from their embeddings: against the truth, and the error beside simpler readings."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gde.figures.read import left_out, read_table
from gde.figures.style import GREY, MODEL, VERMILION, above, new, note

NAMES = {
    "gde": "embedding",
    "single_sequence": "one sequence",
    "lm_mean": "mean of language model",
    "kmers": "k-mers",
    "sites": "tokens at sites",
    "median": "median month",
    "majority": "commonest country",
}
SHOWN = (("month/mae", "month, error (months)"), ("country/accuracy", "country, share right"))


def draw(tables: Path, result: dict) -> Figure:
    """Left: month read against true month, a dot a set. Then the errors, and countries, of both kinds of sets."""
    if (why := left_out(tables, "months", "month")) is not None:
        return note(why)
    table, _ = read_table(tables, "months")
    shown = [(name, text) for name, text in SHOWN if any(key.startswith(name) for key in result["metrics"])]
    figure, axes = new(1, 1 + len(shown), height=3.2, width_ratios=(1.2, *[1.0] * len(shown)))
    scatter(axes[0, 0], table)
    for ax, (name, text) in zip(axes[0, 1:], shown, strict=True):
        bars(ax, result["metrics"], name)
        ax.set_xlabel(text, fontsize=8)
    return figure


def scatter(ax: Axes, table) -> None:
    jitter = np.random.default_rng(0).uniform(-0.18, 0.18, len(table))
    for part, colour in (("held out", MODEL), ("held out in time", VERMILION)):
        own = (table["part"] == part).to_numpy()
        if own.any():
            ax.scatter((table["month"] + jitter)[own], table["read"][own], s=9, color=colour, alpha=0.6, linewidths=0,
                       label=part)  # fmt: skip
    ends = table["month"].min(), table["month"].max()
    ax.plot(ends, ends, "--", color=GREY, lw=0.8, zorder=0)
    above(ax, ncols=2)
    ax.set_xlabel("month (since December 2019)", fontsize=8)
    ax.set_ylabel("month read from the embedding", fontsize=8)


def bars(ax: Axes, metrics: dict, name: str) -> None:
    """A row for each reading; filled: sets held out, open: held out in time."""
    parts = [(key, fill) for key, fill in ((name, True), (f"{name}_future", False)) if key in metrics]
    known = {who for key, _ in parts for who in ("gde", *metrics[key]["baselines"])}
    rows = [who for who in NAMES if who in known]
    for k, (key, filled) in enumerate(parts):
        metric = metrics[key]
        at = np.arange(len(rows)) + (k - (len(parts) - 1) / 2) * 0.3
        values = [metric["value"] if who == "gde" else metric["baselines"].get(who, np.nan) for who in rows]
        colours = [MODEL if who == "gde" else GREY for who in rows]
        ax.barh(at, values, height=0.28, color=colours if filled else "none", edgecolor=colours, lw=0.9)
        if metric["ci"] is not None:
            ax.plot(metric["ci"], [at[rows.index("gde")]] * 2, "-", color="#333333", lw=1.2)
    ax.set_yticks(np.arange(len(rows)), [NAMES[who] for who in rows], fontsize=7)
    ax.invert_yaxis()
    if len(parts) == 2:
        ax.set_title("filled: held out; open: in time", fontsize=7, color=GREY)
