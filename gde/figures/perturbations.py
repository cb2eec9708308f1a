"""Every held-out perturbation: how much of its shift is predicted, against how much it shifts."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from gde.figures.read import read_table
from gde.figures.style import BLUE, GREEN, GREY, ORANGE, above, name_points, new

NAMES = {"zero_shot": "never trained", "transfer": "trained in other contexts"}
NAMED = 8  # perturbations written beside their dots


def draw(tables: Path, result: dict) -> Figure:
    """A row of panels for each protocol: squared correlation and sizes of shifts, true against predicted."""
    table, units = read_table(tables, "perturbations")
    parts = list(dict.fromkeys(table["part"]))
    figure, axes = new(len(parts), 2, height=3.1 * len(parts), width_ratios=[1.5, 1])
    for (left, right), part in zip(axes, parts, strict=True):
        own = table[table["part"] == part].sort_values("shift_size", ascending=False)
        metric = result["metrics"][f"{part}/pearson2"]
        mean = f"mean shift of training ({metric['baselines']['train_mean']:.2f})"
        x, y = own["shift_size"], own["pearson2_train_mean"]
        left.scatter(x, y, s=16, marker="s", color=ORANGE, linewidths=0, alpha=0.7, label=mean)
        right_way = (own["pearson"] >= 0).to_numpy()  # the square does not tell
        for there, fill, name in (
            (right_way, BLUE, f"model ({metric['value']:.2f})"),
            (~right_way, "none", "model, the wrong way (r < 0)"),
        ):
            if there.any():
                left.scatter(own["shift_size"][there], own["pearson2"][there], s=18, facecolors=fill, edgecolors=BLUE,
                             linewidths=0.8, label=name)  # fmt: skip
        left.axhline(metric["ceiling"], color=GREEN, lw=1.2, ls="--", label=f"noise ceiling ({metric['ceiling']:.2f})")
        left.set_ylim(-0.03, 1.05)
        left.set_xscale("log")
        left.autoscale_view()
        name_points(left, own["shift_size"], own["pearson2"], own["group"], NAMED)
        left.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        left.xaxis.set_major_formatter("{x:g}")
        left.xaxis.set_minor_formatter(NullFormatter())
        left.set_xlabel(f"size of the true shift ({units['shift_size']})")
        left.set_ylabel("squared correlation, true and predicted")
        title = f"Held out, {NAMES.get(part, part)}: {len(own):,} perturbations"
        above(left, title=title, alignment="left", title_fontsize=8, ncols=2, fontsize=6.5)
        ends = [own[["shift_size", "shift_size_predicted"]].to_numpy().max() * 1.05]
        right.plot([0, *ends], [0, *ends], "--", color=GREY, lw=1)
        right.scatter(own["shift_size_predicted"], own["shift_size"], s=14, color=BLUE, linewidths=0, alpha=0.8)
        slope = result["metrics"][f"{part}/calibration"]["value"]
        right.set_title(f"Calibration slope {slope:.2f}\n(1 on the broken line)".replace("-", "−"), fontsize=8)
        right.set_xlabel("size of the predicted shift")
        right.set_ylabel("size of the true shift")
        right.set_xlim(0, float(np.max(ends)))
        right.set_ylim(0, float(np.max(ends)))
    return figure
