"""Distance between embeddings against the distance between distributions, beside anchors that need no training."""

from pathlib import Path

from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from gde.figures.read import label, read_table
from gde.figures.style import SEQUENTIAL, new

PANELS = {
    "latent_distance": "embedding",
    "sample_mean_distance": "sample means",
    "gaussian_w2_of_moments": "Gaussian W2",
    "lot": "linear transport",
}
ROWS = {  # table: (metric, what its W2 is)
    "geometry": ("geometry/w2_spearman", "W2"),
    "geometry_equal_means": ("geometry/w2_spearman_equal_means", "W2, equal means"),
    "geometry_exact": ("geometry/exact_w2_spearman", "W2, exact transport"),
}


def draw(tables: Path, result: dict) -> Figure:
    """2-D histograms over pairs of held-out sets: a row for each kind of pairs, the rank correlation in each title."""
    rows = {name: read_table(tables, name) for name in ROWS if name == "geometry" or (tables / f"{name}.tsv").is_file()}
    figure, axes = new(len(rows), len(PANELS), height=0.7 + 2.1 * len(rows), sharey="row")
    pictures = []
    for own, (name, (table, units)) in zip(axes, rows.items(), strict=True):
        key, distance = ROWS[name]
        metric = result["metrics"][key]
        for ax, (column, title) in zip(own, PANELS.items(), strict=True):
            value = metric["value"] if column == "latent_distance" else metric["baselines"][column]
            bins = 48 if len(table) > 5000 else 28
            *_, picture = ax.hist2d(table[column], table["w2"], bins=bins, cmap=SEQUENTIAL, cmin=1, rasterized=True)
            pictures.append(picture)
            ax.set_title(f"{title}\nSpearman {value:.4f}", fontsize=8)
            ax.set_xlabel(label("distance", units[column]), fontsize=8)
            ax.tick_params(labelsize=7)
        own[0].set_ylabel(label(distance, units["w2"]), fontsize=8)
        low, high = metric["ci"]
        own[0].annotate(f"95 % interval\n{low:.3f} to {high:.3f}", (0.97, 0.04), xycoords="axes fraction",
                        ha="right", fontsize=6.5)  # fmt: skip
    most = max(float(picture.get_array().max()) for picture in pictures)
    for picture in pictures:
        picture.set_norm(LogNorm(1, max(most, 2)))
    bar = figure.colorbar(pictures[0], ax=axes, fraction=0.03, aspect=30, pad=0.01)
    bar.set_label("pairs of held-out sets", fontsize=8)
    bar.ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    bar.ax.yaxis.set_major_formatter("{x:,.0f}")
    bar.ax.yaxis.set_minor_formatter(NullFormatter())
    bar.ax.tick_params(labelsize=7)
    bar.outline.set_visible(False)
    return figure
