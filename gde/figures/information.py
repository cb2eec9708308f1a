"""Information: what early cells tell about late ones: by treatment beside its null, by dimension and by the number of
clones."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from gde.config.words import baseline_words
from gde.figures.read import left_out, read_table
from gde.figures.style import CYCLE, GREY, MARKERS, SMALLEST, new, note

TITLES = {
    "embedding": "embedding",
    "pca": "principal\ncomponents",
    "projection": "cross-\npredictive\nprojection",
    "embedding_all": "embedding,\nall clones\n(published\nprotocol)",
}


def draw(tables: Path, result: dict) -> Figure:
    """Left: estimates with 95 % intervals, grey bands of shuffled pairings. Middle: dimension. Right: clones."""
    if (why := left_out(tables, "information", "information")) is not None:
        return note(why)
    table, _ = read_table(tables, "information")
    curves = [name for name in ("information_dim", "information_size") if (tables / f"{name}.tsv").is_file()]
    figure, axes = new(1, 1 + len(curves), height=3.6, width_ratios=[1.6] + [1] * len(curves))
    names = {"gde": "embedding"}
    colours = dict(zip(dict.fromkeys(table["source"]), CYCLE, strict=False))
    _estimates(axes[0, 0], table, colours)
    for ax, name in zip(axes[0, 1:], curves, strict=True):
        part, _ = read_table(tables, name)
        (_by_dimension if name == "information_dim" else _by_size)(ax, part, colours)
    handles = [
        Line2D([], [], color=colour, marker=MARKERS[j], ms=4.5, lw=1.4, label=names.get(source, baseline_words(source)))
        for j, (source, colour) in enumerate(colours.items())
    ]
    handles.append(Patch(color=GREY, alpha=0.35, lw=0, label="clones paired at random"))
    if "information_size" in curves:
        handles.append(Line2D([], [], color=GREY, ls="--", label="all clones (broken)"))
    figure.legend(handles=handles, loc="outside lower left", ncols=5, fontsize=7)
    known = result["metrics"].get("information/recovered")
    if known is not None and known["value"] < 0.7:
        text = (
            f"of as much information {100 * known['value']:.0f} % would be found in the whole embedding: a lower bound"
        )
        figure.suptitle(text, x=0.01, ha="left", fontsize=8, color=GREY)
    return figure


def _estimates(ax: Axes, table, colours: dict[str, str]) -> None:
    parts = [p for p in TITLES if p in set(table["part"])]
    step = 0.7 / len(colours)
    for i, part in enumerate(parts):
        for j, (source, colour) in enumerate(colours.items()):
            own = table[(table["part"] == part) & (table["source"] == source)]
            if own.empty:
                continue
            row, x = own.iloc[0], i + (j - (len(colours) - 1) / 2) * step
            ax.fill_between(
                [x - step / 2.4, x + step / 2.4], row["null_low"], row["null_high"], color=GREY, alpha=0.35, lw=0
            )
            ax.errorbar(x, row["bits"], [[row["bits"] - row["low"]], [row["high"] - row["bits"]]], color=colour, lw=1.4,
                        marker=MARKERS[j], ms=4.5)  # fmt: skip
    ax.axhline(0, color="#DDDDDD", lw=0.8, zorder=0)
    ax.set_xticks(range(len(parts)), [TITLES[p] for p in parts], fontsize=6)
    ax.set_xlabel("both sides taken as")
    ax.set_ylabel("mutual information (bits)", fontsize=8)
    which = "All clones, also trained ones" if parts == ["embedding_all"] else "Held-out clones"
    last = " (last: all clones)" if parts[:-1] and parts[-1] == "embedding_all" else ""
    ax.set_title(f"{which}{last}", fontsize=8)


def _by_dimension(ax: Axes, table, colours: dict[str, str]) -> None:
    for j, (source, own) in enumerate(table.groupby("source", sort=False)):
        own = own.sort_values("dim")
        ax.plot(own["dim"], own["bits"], color=colours[source], marker=MARKERS[j], ms=4, lw=1.2)
    first = table[table["source"] == table["source"].iloc[0]].sort_values("dim")
    twin = ax.twinx()
    twin.plot(first["dim"], 100 * first["recovered"], color=GREY, lw=1, ls=":")
    twin.set_ylim(0, 120)
    twin.set_ylabel("found of a known information (%), dotted", fontsize=6.5, color=GREY, labelpad=1)
    twin.tick_params(labelsize=SMALLEST, colors=GREY, pad=1)
    twin.spines["right"].set_visible(True)
    ax.set_xscale("log", base=2)
    ax.xaxis.set_major_formatter("{x:g}")
    ax.set_xlabel("principal components")
    ax.set_ylabel("bits")
    ax.set_title("By dimension,\nheld-out clones", fontsize=8)


def _by_size(ax: Axes, table, colours: dict[str, str]) -> None:
    for part, line in (("all", "--"), ("tested", "-")):
        for j, (source, own) in enumerate(table[table["part"] == part].groupby("source", sort=False)):
            own = own.sort_values("n_clones")
            ax.plot(own["n_clones"], own["bits"], line, color=colours[source], marker=MARKERS[j], ms=4, lw=1.2)
    ax.set_xscale("log")
    ax.set_xticks(ticks := sorted({int(t) for t in np.unique(table["n_clones"])}), [str(t) for t in ticks],
                  rotation=45, fontsize=7)  # fmt: skip
    ax.set_xticks([], minor=True)
    ax.set_xlabel("clones")
    ax.set_ylabel("bits")
    ax.set_title("By number\nof clones", fontsize=8)
