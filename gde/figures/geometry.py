"""Distance between embeddings against the distance between distributions, beside an anchor that needs no training."""

from pathlib import Path

from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from gde.figures.read import label, read_table
from gde.figures.style import SEQUENTIAL, new

PANELS = (
    ("latent_distance", "embedding", None),
    ("sample_mean_distance", "anchor: sample means", "sample_mean_distance"),
    ("gaussian_w2_of_moments", "anchor: Gaussian W2 of moments", "gaussian_w2_of_moments"),
)


def draw(tables: Path, result: dict) -> Figure:
    """2-D histograms over pairs of held-out sets, the rank correlation in each title."""
    table, units = read_table(tables, "geometry")
    metric = result["metrics"]["geometry/w2_spearman"]
    figure, axes = new(1, 3, height=2.9, sharey=True)
    counts = 0.0
    pictures = []
    for ax, (column, title, anchor) in zip(axes[0], PANELS, strict=True):
        value = metric["value"] if anchor is None else metric["baselines"][anchor]
        *_, picture = ax.hist2d(table[column], table["w2"], bins=48, cmap=SEQUENTIAL, cmin=1, rasterized=True)
        pictures.append(picture)
        counts = max(counts, float(picture.get_array().max()))
        ax.set_title(f"{title}\nSpearman {value:.4f}", fontsize=8.5)
        ax.set_xlabel(label(column.replace("gaussian_w2_of_moments", "W2 of moments"), units[column]), fontsize=8)
    for picture in pictures:
        picture.set_norm(LogNorm(1, max(counts, 2)))
    axes[0, 0].set_ylabel(label("W2", units["w2"]))
    bar = figure.colorbar(pictures[0], ax=axes[0, :], fraction=0.03, aspect=30, pad=0.01)
    bar.set_label("pairs of held-out sets", fontsize=8)
    bar.outline.set_visible(False)
    if metric["ci"] is not None:
        low, high = metric["ci"]
        axes[0, 0].annotate(f"95 % interval\n{low:.3f} to {high:.3f}", (0.97, 0.04), xycoords="axes fraction",
                            ha="right", fontsize=7)  # fmt: skip
    return figure
