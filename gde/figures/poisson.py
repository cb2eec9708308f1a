"""Error of P(X = 0) against the number of samples, for the model and the classical estimators."""

from pathlib import Path

from matplotlib.figure import Figure

from gde.figures.read import read_table
from gde.figures.style import BLUE, GREEN, GREY, ORANGE, above, new

LOOK = {
    "model": (BLUE, "o-", "zeros among generated counts"),
    "naive": (GREY, "s--", "share of zeros"),
    "rao_blackwell": (ORANGE, "D--", "Rao-Blackwell"),
    "bayes": (GREEN, "^:", "posterior mean under the training distribution"),
}


def draw(tables: Path, result: dict) -> Figure:
    """Both axes logarithmic; bands are 95 % intervals over rates."""
    table, _ = read_table(tables, "poisson")
    figure, axes = new(height=3.8)
    ax = axes[0, 0]
    for source, (colour, line, name) in LOOK.items():
        own = table[table["source"] == source]
        ax.plot(own["n_samples"], own["mse"], line, color=colour, ms=5, lw=1.4, label=name)
        ax.fill_between(own["n_samples"], own["mse_low"], own["mse_high"], color=colour, alpha=0.15, lw=0)
    ax.set_xscale("log")
    ax.set_yscale("log", nonpositive="clip")
    ax.set_xlabel("samples in the set")
    ax.set_ylabel("mean squared error of P(X = 0)")
    above(ax, ncols=2)
    sets = result["metrics"]["poisson/mse_n10"]["n"]
    title = f"Probability of zero, {sets:,} held-out sets of each size; lower is better"
    figure.suptitle(title, x=0.01, ha="left")
    return figure
