"""Truth beside what was generated, for a few held-out sets; images as images."""

import textwrap
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from gde.figures.read import drawn_of, label, left_out, read_table
from gde.figures.style import MODEL, SMALLEST, TRUTH, WIDTH, equal_limits, new, note

BINS = 40


def draw(tables: Path, result: dict) -> Figure:
    """Small multiples, one set each: clouds in the plane, histograms on the line, or rows of images."""
    if (tables / "images.tsv").is_file():
        return _images(*read_table(tables, "images"), result)
    if (why := left_out(tables, "reconstruction", "reconstruction")) is not None:
        return note(why)
    table, units = read_table(tables, "reconstruction")
    table = table.rename(columns={"group": "set"})  # real groups have names, read as text even where they are digits
    coordinates = [c for c in table.columns if c[:2] in ("x_", "pc")]
    heading = _heading(table, result)
    if len(coordinates) == 2:
        return _clouds(table, units, coordinates, heading)
    return _histograms(table, units, coordinates[0], heading)


def _heading(table, result: dict) -> str:
    return f"Truth and generated samples of {drawn_of(table['set'].nunique(), result, 'held-out set')}"


def _title(name) -> str:
    return textwrap.fill(name, 17) if isinstance(name, str) else f"held-out set {name}"


def _clouds(table, units, coordinates: list[str], heading: str) -> Figure:
    """Truth above, generated below, one column a set; real groups share their axes, synthetic sets have their own."""
    sets = list(dict.fromkeys(table["set"]))
    shared = isinstance(sets[0], str)
    width = min(WIDTH, 1.0 + 1.3 * len(sets))
    figure, axes = new(2, len(sets), height=3.0, width=width, sharex="col", sharey="row" if shared else "col")
    for column, name in enumerate(sets):
        own = table[table["set"] == name]
        for ax, (source, colour) in zip(axes[:, column], (("truth", TRUTH), ("generated", MODEL)), strict=True):
            cloud = own[own["source"] == source]
            ax.scatter(*(cloud[c] for c in coordinates), s=4, color=colour, alpha=0.6, linewidths=0, rasterized=True)
            ax.tick_params(labelsize=SMALLEST)
            ax.xaxis.set_major_locator(MaxNLocator(3))
            ax.yaxis.set_major_locator(MaxNLocator(4))
        limits = table if shared else own
        equal_limits(axes[:, column], *(limits[c].to_numpy() for c in coordinates))
        axes[0, column].set_title(_title(name), fontsize=7.5, pad=3, loc="center")
    first, second = (label(c, units[c]) for c in coordinates)
    for ax, source in zip(axes[:, 0], ("truth", "generated"), strict=True):
        ax.set_ylabel(f"{source}\n{second.partition(' (')[0]}", fontsize=8)
    figure.supxlabel(f"horizontal: {first}; vertical: {second}", fontsize=8)
    figure.suptitle(heading, x=0.01, ha="left", fontsize=10)
    return figure


def _histograms(table, units, coordinate: str, heading: str) -> Figure:
    sets = list(dict.fromkeys(table["set"]))
    columns = min(3, len(sets))
    rows = -(-len(sets) // columns)
    figure, axes = new(rows, columns, height=0.5 + rows * 1.9, sharex=True)
    for ax in axes.flat[len(sets) :]:
        ax.set_axis_off()
    truth = table.loc[table["source"] == "truth", coordinate]
    whole = bool((truth == truth.round()).all()) and truth.max() - truth.min() <= 4 * BINS
    low, high = np.floor(table[coordinate].min()), np.ceil(table[coordinate].max())
    bins = np.arange(low - 0.5, high + 1) if whole else np.histogram_bin_edges(table[coordinate], BINS)  # counts
    for ax, name in zip(axes.flat, sets, strict=False):
        own = table[table["set"] == name]
        truth, generated = (own.loc[own["source"] == s, coordinate] for s in ("truth", "generated"))
        ax.hist(truth, bins, density=True, color=TRUTH, label="truth", histtype="stepfilled", alpha=0.4)
        ax.hist(generated, bins, density=True, color=MODEL, label="generated", histtype="step", lw=1.4)
        ax.set_title(_title(name), fontsize=8.5, pad=3)
    figure.supxlabel(label(coordinate, units[coordinate]), fontsize=9)
    figure.supylabel("density (1 / data units)", fontsize=9)
    handles, names = axes.flat[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper right", ncols=2)
    figure.suptitle(heading, x=0.01, ha="left", fontsize=10)
    return figure


def _images(table, units, result: dict) -> Figure:
    groups = list(dict.fromkeys(table["set"]))
    height, width = int(table["height"].iloc[0]), int(table["width"].iloc[0])
    pixels = [c for c in table.columns if c.startswith("p_")]
    low, high = (float(np.quantile(table.loc[table["source"] == "truth", pixels], q)) for q in (0.0, 1.0))
    figure, axes = new(1, 2, height=0.4 * len(groups) + 0.8, sharey=True)
    for ax, source in zip(axes[0], ("truth", "generated"), strict=True):
        strips = []
        for name in groups:
            own = table.loc[(table["set"] == name) & (table["source"] == source), pixels].to_numpy()
            tiles = np.pad(own.reshape(-1, height, width), ((0, 0), (1, 1), (1, 1)), constant_values=low)
            strips.append(np.concatenate(list(tiles), 1))
        longest = max(s.shape[1] for s in strips)
        picture = np.concatenate([np.pad(s, ((0, 0), (0, longest - s.shape[1])), constant_values=low) for s in strips])
        ax.imshow(picture, cmap="Greys", vmin=low, vmax=high, aspect="equal", interpolation="nearest")
        ax.set_yticks((height + 2) * (np.arange(len(groups)) + 0.5), groups)
        ax.set_xticks((width + 2) * (np.arange(longest // (width + 2)) + 0.5), range(1, longest // (width + 2) + 1))
        ax.set_xlabel("image")
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
        ax.set_title("held out (truth)" if source == "truth" else "generated from the embedding", fontsize=8)
    axes[0, 0].set_ylabel("group")
    figure.suptitle(_heading(table, result), x=0.01, ha="left", fontsize=10)
    return figure
