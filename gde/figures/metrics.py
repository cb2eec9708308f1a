"""Every metric with its interval, baselines, chance and ceiling, each on its own scale."""

import textwrap
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from gde.figures.style import BLACK, BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILION, new

COLOURS = (ORANGE, PURPLE, SKY, VERMILION)
MARKERS = "sD^v"
AROUND = {"chance": ("|", GREY, "chance"), "ceiling": ("|", GREEN, "ceiling"), "published": ("*", BLACK, "published")}
WRAPPED = 130  # letters of a line of text
NOT_DRAWN = ("resample_truth", "bayes")  # the ceiling, under another name


def draw(tables: Path, result: dict) -> Figure:
    """One row per metric, over it in red what makes it mean less than it seems to; below all what was left out and
    why. Reads metrics.json only."""
    metrics = result["metrics"]
    kinds = list(dict.fromkeys(b for m in metrics.values() for b in m["baselines"] if b not in NOT_DRAWN))
    look = {name: (MARKERS[i % 4], COLOURS[(i + i // 4) % 4]) for i, name in enumerate(kinds)}
    figure, axes = new(len(metrics), 1, height=0.9 + 0.5 * len(metrics))
    for ax, (name, metric) in zip(axes[:, 0], metrics.items(), strict=True):
        _row(ax, name, metric, look)
    axes[-1, 0].set_xlabel("value, each metric on its own scale (lengths in data units)")
    handles = [Line2D([], [], marker="o", color=BLUE, lw=2, label="model, 95 % interval")]
    used = {k for k in AROUND if any(m[k] is not None for m in metrics.values())}
    handles += [_handle(*AROUND[k]) for k in AROUND if k in used]
    handles += [_handle(marker, colour, name.replace("_", " ")) for name, (marker, colour) in look.items()]
    figure.legend(handles=handles, loc="outside upper left", ncols=4, handletextpad=0.3, columnspacing=1.2)
    if result["left_out"]:
        lines = [f"{one['what']}: {one['why']}" for one in result["left_out"]]
        text = "\n".join(line for text in lines for line in textwrap.wrap(text, WRAPPED, subsequent_indent="   "))
        figure.text(0.0, -0.02, f"Left out\n{text}", va="top", fontsize=6.5, color=GREY)
    return figure


def _handle(marker: str, colour: str, name: str) -> Line2D:
    points = {"|": 11, "*": 9}.get(marker, 5)
    return Line2D([], [], marker=marker, color=colour, lw=0, ms=points, mew=2 if marker == "|" else 0, label=name)


def _row(ax: Axes, name: str, metric: dict, look: dict) -> None:
    """One metric on one line; logarithmic beyond an error's value where baselines exceed it by far."""
    baselines = {k: v for k, v in metric["baselines"].items() if k not in NOT_DRAWN}
    numbers = [metric["value"], *(metric["ci"] or ()), *baselines.values()]
    numbers += [metric[k] for k in AROUND if metric[k] is not None]
    ax.axhline(0, color="#DDDDDD", lw=0.8, zorder=0)
    size = abs(metric["value"]) or 1.0
    if metric["higher_is_better"] is False and max(numbers) > 10 * size:
        ax.set_xscale("symlog", linthresh=size, linscale=0.5)  # linear near the model: some errors are 0, or negative
        ax.xaxis.set_major_formatter("{x:g}")
    for key, (marker, colour, _) in AROUND.items():
        if metric[key] is not None:
            area = 90 if marker == "*" else 190
            ax.scatter(
                metric[key], 0, marker=marker, s=area, color=colour, linewidths=0 if marker == "*" else 2, zorder=2
            )
    for key, value in baselines.items():
        marker, colour = look[key]
        ax.scatter(value, 0, marker=marker, s=28, color=colour, linewidths=0, zorder=3)
    if metric["ci"] is not None:
        ax.plot(metric["ci"], [0, 0], color=BLUE, lw=3, alpha=0.55, solid_capstyle="butt", zorder=4)
    ax.scatter(metric["value"], 0, s=34, color=BLUE, linewidths=0, zorder=5)
    ax.set_ylim(-1, 1)
    ax.set_yticks([])
    ax.margins(x=0.04)
    ax.spines[["left"]].set_visible(False)
    ax.tick_params(labelsize=6.5, pad=1)
    if metric["target"] is not None:
        better, arrow = f"closer to {metric['target']:g}", f"→ {metric['target']:g}"
    else:
        better, arrow = ("higher", "↑") if metric["higher_is_better"] else ("lower", "↓")
    ax.set_ylabel(f"{name} {arrow}\n{metric['value']:.4g}", rotation=0, ha="right", va="center", fontsize=8)
    if metric["marks"]:
        ax.set_title("; ".join(metric["marks"]), fontsize=6, color=VERMILION, loc="left", pad=1)
    ax.set_gid(f"{name}: {better} is better")
