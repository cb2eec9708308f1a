"""Distance between embeddings of mixtures of sequences against optimal transport, beside anchors without training."""

from pathlib import Path

from matplotlib.figure import Figure

from gde.figures.read import label, read_table
from gde.figures.style import GREY, MODEL, new

PANELS = {"latent_distance": "embedding", "kmer_mean": "mean 4-mers", "one_hot_mean": "mean tokens by place"}


def draw(tables: Path, result: dict) -> Figure:
    """A dot for each pair of mixtures; the correlations of all pairs in the titles."""
    table, units = read_table(tables, "transport")
    pearson, spearman = (result["metrics"][f"geometry/transport_{name}"] for name in ("pearson", "spearman"))
    figure, axes = new(1, len(PANELS), height=2.9, sharey=True)
    for ax, (column, title) in zip(axes[0], PANELS.items(), strict=True):
        own = column == "latent_distance"
        r, rho = (m["value"] if own else m["baselines"][column] for m in (pearson, spearman))
        ax.scatter(table[column], table["w2"], s=5, color=MODEL if own else GREY, alpha=0.35, linewidths=0,
                   rasterized=True)  # fmt: skip
        ax.set_title(f"{title}\nPearson {r:.3f}, Spearman {rho:.3f}", fontsize=8)
        ax.set_xlabel(label("distance", units[column] if own else "share"), fontsize=8)
        ax.set_xlim(0, None)
    axes[0, 0].set_ylabel("optimal transport (tokens)", fontsize=8)
    axes[0, 0].set_ylim(0, None)
    return figure
