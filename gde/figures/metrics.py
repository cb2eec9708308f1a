"""Every metric in words with its interval, baselines, chance and ceiling, each on a scale of its own."""

import textwrap
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend_handler import HandlerTuple
from matplotlib.lines import Line2D

from gde.config.words import CEILINGS, METRICS, baseline_words, metric_words
from gde.figures.style import BLACK, BLUE, GREEN, GREY, ORANGE, SMALLEST, VERMILION, WIDTH, dot, new

LINES = {"chance": (GREY, "chance"), "ceiling": (GREEN, "ceiling")}  # key of a record: colour and name
WRAPPED, MARKS, NAME = 130, 95, 40  # letters of a line: of text, of marks, of a metric's name
LANE = 10.0  # points between two baselines that stand beside each other
ROW, HIGHER = 0.44, 0.15  # inches: a metric's height, and what each further lane of baselines adds


def draw(tables: Path, result: dict) -> Figure:
    """One row per metric: model and interval below, numbered baselines above, chance and ceiling as lines; in red what
    makes it mean less than it seems to; last what was left out and why. Reads metrics.json only."""
    metrics = result["metrics"]
    names = dict.fromkeys(b for m in metrics.values() for b in m["baselines"] if b not in CEILINGS)
    number = {name: i + 1 for i, name in enumerate(names)}
    scales = {name: _scale(metric) for name, metric in metrics.items()}
    lanes = {name: _lanes(metric, scales[name]) for name, metric in metrics.items()}
    high = [ROW + HIGHER * max([0, *lanes[name].values()]) for name in metrics]
    marked = [0.12 * len(_marks(metric)) for metric in metrics.values()]
    heights = [a + b for a, b in zip(high, marked, strict=True)]
    figure, axes = new(len(metrics), 1, height=0.6 + sum(heights) + 0.16 * (len(names) / 3), height_ratios=heights)
    figure.get_layout_engine().set(h_pad=0.01, hspace=0.0, rect=(0, 0, 0.965, 1))
    for ax, (name, metric) in zip(axes[:, 0], metrics.items(), strict=True):
        _row(ax, name, metric, number, lanes[name], scales[name])
    axes[-1, 0].set_xlabel("value; each metric on a scale of its own, linear or logarithmic as written on the right",
                           fontsize=7)  # fmt: skip
    _legend(figure, metrics, number)
    if result["left_out"]:
        lines = [f"{_words(one['what'])}: {one['why']}" for one in result["left_out"]]
        text = "\n".join(line for text in lines for line in textwrap.wrap(text, WRAPPED, subsequent_indent="   "))
        figure.text(0.0, -0.25 / figure.get_figheight(), f"Left out\n{text}", va="top", fontsize=SMALLEST, color=GREY)
    return figure


def _words(names: str) -> str:
    """What was left out in words, where it is a metric; else as it is, such as the beginning of several."""
    return ", ".join(METRICS[name].name if name in METRICS else name for name in names.split(", "))


def _legend(figure: Figure, metrics: dict[str, dict], number: dict[str, int]) -> None:
    """One language of marks: blue the model, lines chance and ceiling, numbers the baselines."""
    handles, labels = [(Line2D([], [], color=BLUE, lw=3, alpha=0.5), dot(BLUE))], ["model, 95 % interval"]
    for key, (colour, name) in LINES.items():
        if any(m[key] is not None for m in metrics.values()):
            handles.append(dot(colour, "|", ms=10, mew=1.6))
            labels.append(name)
    if any(m["published"] is not None for m in metrics.values()):
        handles.append(dot(BLACK, "*", ms=9))
        labels.append("published")
    for name, i in number.items():
        ring = Line2D([], [], marker="o", ms=9, mfc="white", mec=ORANGE, mew=1.0, lw=0)
        handles.append((ring, dot(BLACK, f"${i}$", ms=5 if i < 10 else 6)))
        labels.append(baseline_words(name))
    figure.legend(handles, labels, loc="outside upper left", ncols=4 if len(labels) <= 12 else 3, fontsize=7,
                  handler_map={tuple: HandlerTuple(ndivide=1)}, handletextpad=0.5, columnspacing=1.2)  # fmt: skip


def _numbers(metric: dict) -> dict[str, float]:
    return {k: v for k, v in metric["baselines"].items() if k not in CEILINGS}


def _scale(metric: dict) -> tuple[float, float, float | None]:
    """Ends of the axis, and the value below which it is linear; None where it is all linear.

    Logarithmic beyond an error's value where baselines exceed it by far: some errors are 0, or negative. Likewise below
    scores such as explained variance, which are at most 1 and have no lower end.
    """
    values = [metric["value"], *(metric["ci"] or ()), *_numbers(metric).values()]
    values += [metric[k] for k in (*LINES, "published", "target") if metric[k] is not None]
    low, high, size = min(values), max(values), abs(metric["value"]) or 1.0
    if metric["higher_is_better"] is False and high > 10 * size:
        return low, 1.5 * high, size
    if metric["higher_is_better"] and low < -10 * max(size, 0.1):
        return 1.5 * low, high + 0.1 * size, max(size, 0.1)
    margin = 0.05 * (high - low) or 0.05 * size
    return low - margin, high + margin, None


def _place(value: float, scale: tuple[float, float, float | None]) -> float:
    """Where a value lies between the ends of an axis, 0 to 1."""
    low, high, linear = scale

    def along(v: float) -> float:
        return v if linear is None else np.sign(v) * (np.log1p(abs(v) / linear))

    return (along(value) - along(low)) / (along(high) - along(low))


def _lanes(metric: dict, scale: tuple[float, float, float | None]) -> dict[str, int]:
    """Baseline -> the lane that it stands in, above those that it would cover."""
    width = 0.55 * WIDTH * 72
    last: list[float] = []
    out = {}
    for name, value in sorted(_numbers(metric).items(), key=lambda one: one[1]):
        at = width * _place(value, scale)
        lane = next((i for i, end in enumerate(last) if at - end >= LANE), len(last))
        last[lane:] = [at, *last[lane + 1 :]]
        out[name] = lane
    return out


def _row(ax: Axes, name: str, metric: dict, number: dict[str, int], lanes: dict[str, int], scale) -> None:
    low, high, linear = scale
    if linear is not None:
        ax.set_xscale("symlog", linthresh=linear, linscale=0.5)
        ax.xaxis.set_major_formatter("{x:g}")
    ax.set_xlim(low, high)
    ax.axhline(0, color="#DDDDDD", lw=0.8, zorder=0)
    for key, (colour, _) in LINES.items():
        if metric[key] is not None:
            ax.axvline(metric[key], color=colour, lw=1.6, zorder=1, clip_on=False)
    for baseline, value in _numbers(metric).items():
        i, y = number[baseline], 1.1 + 1.05 * lanes[baseline]
        ax.scatter(value, y, s=80, facecolors="white", edgecolors=ORANGE, linewidths=1.0, zorder=3, clip_on=False)
        size = 24 if i < 10 else 36
        ax.scatter(value, y, marker=f"${i}$", s=size, color=BLACK, linewidths=0, zorder=4, clip_on=False)
    if metric["ci"] is not None:
        ax.plot(metric["ci"], [0, 0], color=BLUE, lw=4, alpha=0.5, solid_capstyle="butt", zorder=4)
    ax.scatter(metric["value"], 0, s=30, color=BLUE, linewidths=0, zorder=5)
    if metric["published"] is not None:
        ax.scatter(metric["published"], 0, marker="*", s=80, color=BLACK, linewidths=0, zorder=6)
    ax.set_ylim(-0.7, 1.8 + 1.05 * max([0, *lanes.values()]))
    ax.set_yticks([])
    ax.spines[["left"]].set_visible(False)
    ax.tick_params(labelsize=SMALLEST, pad=1, length=2)
    ax.annotate("linear" if linear is None else "log", (1, 0), (4, -3), xycoords="axes fraction",
                textcoords="offset points", fontsize=SMALLEST, color=GREY, annotation_clip=False)  # fmt: skip
    words = metric_words(name)
    text = f"{textwrap.fill(words.name, NAME)}\n{_value(metric, words.unit)}"
    ax.set_ylabel(text, rotation=0, ha="right", va="center", fontsize=6.5, linespacing=1.1)
    ax.set_title("\n".join(_marks(metric)), fontsize=SMALLEST, color=VERMILION, loc="left", pad=1)


def _marks(metric: dict) -> list[str]:
    """What makes a metric mean less than it seems to, in lines."""
    return textwrap.wrap("; ".join(metric["marks"]), MARKS)


def _value(metric: dict, unit: str) -> str:
    """The value with its interval and unit, and what is better."""
    better = "↑" if metric["higher_is_better"] else "↓"
    if metric["target"] is not None:
        better = f"→ {metric['target']:g}"
    interval = "" if metric["ci"] is None else " [{:.3g}, {:.3g}]".format(*metric["ci"])
    return f"{metric['value']:.3g}{interval}{f' {unit}' if unit else ''}  {better}".replace("-", "−")
