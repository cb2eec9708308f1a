"""N-grams of generated documents against those of real ones, and how likely real ones are."""

from pathlib import Path

from matplotlib.figure import Figure

from gde.config.words import baseline_words
from gde.figures.kmers import panel
from gde.figures.read import read_table
from gde.figures.style import CYCLE, GREY, MARKERS, new


def draw(tables: Path, result: dict) -> Figure:
    """Left: share of each n-gram, a dot. Right: log-likelihood of held-out bytes, with what it has to beat."""
    kmers, _ = read_table(tables, "kmers")
    figure, axes = new(1, 2, height=3.5, width_ratios=[1.1, 1])
    left, right = axes[0]
    panel(left, kmers, "share of n-grams")
    spectrum = result["metrics"]["ngrams/distance"]
    left.set_title(f"N-grams of bytes: distance {spectrum['value']:.3f}", y=1.05)
    others = {**spectrum["baselines"], "real documents": spectrum["ceiling"]}
    text = ", ".join(f"{baseline_words(name)} {value:.3f}" for name, value in others.items())
    left.annotate(text, (0, 1), (0, 4), xycoords="axes fraction", textcoords="offset points", fontsize=6.5, color=GREY)
    metric = result["metrics"]["likelihood/byte"]
    values = {"model": metric["value"], **metric["baselines"]}
    for i, value in enumerate(values.values()):
        right.plot(value, i, MARKERS[i], color=CYCLE[i], ms=7)
    right.plot(metric["ci"], [0, 0], color=CYCLE[0], lw=3, alpha=0.5)
    right.set_yticks(range(len(values)), [baseline_words(name) for name in values], fontsize=8)
    right.set_ylim(len(values) - 0.5, -0.5)
    right.set_ylabel("predicted by")
    right.set_xlabel("nats per byte of held-out documents")
    right.set_title("Higher is better", y=1.05)
    return figure
