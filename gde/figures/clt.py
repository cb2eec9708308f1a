"""The embedding of a set settles as the set grows: clouds of replicates, and their spread against the set's size."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from gde.figures.read import label, read_table
from gde.figures.style import BLACK, BLUE, GREY, ORANGE, SKY, above, fit, new, note


def draw(tables: Path, result: dict) -> Figure:
    """Left: replicate embeddings of one distribution, two principal components. Right: sd, with slope -1/2."""
    if "clt/slope" not in result["metrics"]:
        return note("not evaluated: evaluation.clt is false")
    table, units = read_table(tables, "clt")
    cloud, cloud_units = read_table(tables, "clt_cloud")
    figure, axes = new(1, 2, height=3.2)
    left, right = axes[0]
    cloud["pc_1"], cloud["pc_2"] = fit(left, cloud["pc_1"].to_numpy(), cloud["pc_2"].to_numpy())
    for (size, own), colour in zip(cloud.groupby("n_samples"), (SKY, ORANGE, BLACK), strict=False):
        left.scatter(own["pc_1"], own["pc_2"], s=12, color=colour, linewidths=0, alpha=0.85, label=f"{size:,}")
    left.set_xlabel(label("pc_1", cloud_units["pc_1"]))
    left.set_ylabel(label("pc_2", cloud_units["pc_2"]))
    above(left, title="Sets of one distribution, samples in each", alignment="left", title_fontsize=8)
    for i, (_, own) in enumerate(table.groupby("set")):
        name = "each distribution" if i == 0 else None
        right.plot(own["n_samples"], own["sd"], color=BLUE, lw=0.7, alpha=0.35, label=name)
    mean = np.exp(np.log(table["sd"]).groupby(table["n_samples"]).mean())
    right.plot(mean.index, mean, "o", color=BLUE, ms=5, label="mean")
    middle = mean.index[len(mean) // 2]
    line = mean[middle] * (mean.index / middle) ** -0.5
    right.plot(mean.index, line, "--", color=GREY, lw=1.2, label="slope −1/2 (theory)")
    right.set_xscale("log")
    right.set_yscale("log")
    right.set_xlabel("samples in the set")
    right.set_ylabel(f"sd of the embedding ({units['sd']})")
    metric = result["metrics"]["clt/slope"]
    title = f"Slope {metric['value']:.3f} [{metric['ci'][0]:.3f}, {metric['ci'][1]:.3f}]".replace("-", "−")
    above(right, title=title, alignment="left", title_fontsize=8, ncols=2)
    return figure
