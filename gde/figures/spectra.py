"""K-mers and lengths of generated sequences against those of held-out ones."""

from pathlib import Path

from matplotlib.figure import Figure

from gde.config.words import baseline_words
from gde.figures.kmers import panel
from gde.figures.read import left_out, read_table
from gde.figures.style import GREY, MODEL, TRUTH, new, note


def draw(tables: Path, result: dict) -> Figure:
    """Left: share of each kmer, a dot; right: share of the sequences of each length. Means over held-out sets."""
    if (why := left_out(tables, "kmers", "kmers")) is not None:
        return note(why)
    kmers, _ = read_table(tables, "kmers")
    lengths, _ = read_table(tables, "lengths")
    figure, axes = new(1, 2, height=3.5)
    panel(axes[0, 0], kmers, "share of all k-mers")
    spectrum = result["metrics"]["kmers/distance"]
    axes[0, 0].set_title(f"K-mers of {len(kmers['label'].iloc[0])}: distance {spectrum['value']:.3f}", y=1.05)
    others = {**spectrum["baselines"], "real sequences": spectrum["ceiling"]}
    text = ", ".join(f"{baseline_words(name)} {value:.3f}" for name, value in others.items())
    axes[0, 0].annotate(text, (0, 1), (0, 4), xycoords="axes fraction", textcoords="offset points", fontsize=6.5,
                        color=GREY)  # fmt: skip
    ax = axes[0, 1]
    ax.bar(lengths["length"], lengths["real"], width=1.0, color=TRUTH, alpha=0.55, label="held-out sequences")
    ax.plot(lengths["length"], lengths["generated"], color=MODEL, marker="o", ms=2, lw=1, label="generated sequences")
    ax.set_title(f"Lengths: {result['metrics']['lengths/error']['value']:.2f} tokens off", y=1.05)
    ax.set_xlabel("length (tokens)")
    ax.set_ylabel("share of sequences")
    ax.set_ylim(0, None)
    ax.legend(loc="upper left", bbox_to_anchor=(0, -0.16), ncols=2, fontsize=7)
    return figure
