"""Patterns: which k-mers generated sequences repeat, against the mixture that they were generated for."""

from pathlib import Path

from matplotlib.figure import Figure

from gde.config.words import baseline_words
from gde.figures.read import read_table
from gde.figures.style import CYCLE, GREY, MODEL, new


def draw(tables: Path, result: dict) -> Figure:
    """A dot for each k-mer of each mixture; with few k-mers a colour each. On the diagonal is perfect."""
    table, _ = read_table(tables, "patterns")
    kmers = sorted(set(table["label"]))
    figure, axes = new(height=4.2, width=4.9)
    ax = axes[0, 0]
    ax.plot([0, 1], [0, 1], "--", color=GREY, lw=0.8, zorder=0)
    few = len(kmers) <= len(CYCLE)
    for i, kmer in enumerate(kmers if few else [None]):
        own = table[table["label"] == kmer] if few else table
        colour = CYCLE[i] if few else MODEL
        ax.scatter(own["truth"], own["generated"], s=14, color=colour, alpha=0.7, linewidths=0, label=kmer)
    if few:
        ax.legend(title="k-mer", alignment="left", loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=7)
    error = result["metrics"]["patterns/composition_error"]
    others = {**error["baselines"], "true distribution": error["ceiling"]}
    text = ", ".join(f"{baseline_words(name)} {value:.2f}" for name, value in others.items())
    ax.set_title(f"Composition: total variation {error['value']:.3f}", y=1.05)
    ax.annotate(text, (0, 1), (0, 4), xycoords="axes fraction", textcoords="offset points", fontsize=7, color=GREY)
    ax.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), aspect="equal")
    ax.set_xlabel("share in the mixture")
    ax.set_ylabel("share of generated sequences")
    return figure
