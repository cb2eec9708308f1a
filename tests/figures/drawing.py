"""What the tests of all figures share: results as evaluation leaves them, and what holds of every figure."""

import xml.etree.ElementTree as ET
from functools import lru_cache
from importlib import import_module
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.text import Text

from gde import figures
from gde.evaluate.shared.tables import write_tables
from gde.figures.style import MARGIN, SMALLEST, save, style
from gde.files.io import write_sums
from gde.files.seals import check_seal, read_sealed_json, write_sealed_json

WIDEST = 183 / 25.4  # inches
LOSS = "step [1]\tquantity\tloss [1]\n" + "".join(
    f"{s}\t{q}\t{2 / s}\n" for s in range(1, 20) for q in ("train", "validation")
)


def write_results(
    here: Path, metrics: dict[str, dict], tables: dict[str, pd.DataFrame], *, name: str = "t", data: str = "simulated"
) -> Path:
    """tables/ and metrics.json as evaluation writes them, and the losses of a training; returns `here`."""
    (here / "tables").mkdir(parents=True)
    write_tables(here / "tables", tables)
    (here / "tables" / "loss.tsv").write_text(LOSS)
    write_sums(here / "tables")
    left = [{"what": a, "why": b} for a, b in tables["left_out"].to_numpy()] if "left_out" in tables else []
    budget = {"steps": 20, "seconds": 3.0, "samples_seen": 100}
    head = {"experiment": name, "run": f"{name}-12345678", "data": data, "seed": 0, "device": "cpu", "budget": budget}
    head["held_out"] = 3  # fewer than are drawn: all are
    write_sealed_json(here / "metrics.json", head | {"left_out": left, "metrics": metrics})
    return here


@lru_cache(maxsize=40)  # the figures of a file of tests
def drawn(name: str, here: Path) -> Figure:
    """A figure of these results, in the style of all; drawn once."""
    with style():
        return import_module(f"gde.figures.{name}").draw(here / "tables", read_sealed_json(here / "metrics.json"))


def check_drawn_twice(name: str, here: Path, out: Path) -> None:
    """The same bytes from the same tables, as whole and sealed files without a date."""
    made = []
    for i in range(2):
        svg, png = out / f"{i}.svg", out / f"{i}.png"
        if i == 0:
            figures.draw(name, here / "tables", here / "metrics.json", svg, png)
        else:
            with style():
                save(drawn(name, here), read_sealed_json(here / "metrics.json"), svg, png)
        made.append((svg.read_bytes(), png.read_bytes()))
        check_seal(svg)
    assert made[0] == made[1]
    assert made[0][1].startswith(b"\x89PNG") and b"<dc:date>" not in made[0][0]
    ET.fromstring(made[0][0])


def check_print(figure: Figure) -> None:
    """At the size of print: no wider than two columns of a journal, and no text too small to read."""
    with style():
        figure.draw_without_rendering()  # lays out
        box = figure.get_tightbbox()
    assert box.width + 2 * MARGIN <= WIDEST, f"{25.4 * box.width:.0f} mm wide"
    shown = [t for t in figure.findobj(Text) if t.get_text() and t.get_visible()]
    small = {t.get_text(): t.get_fontsize() for t in shown if t.get_fontsize() < SMALLEST}
    assert not small, small


def check_labels(figure: Figure) -> None:
    """Something is drawn, and both directions are named; see `check_print`."""
    check_print(figure)
    axes = [ax for ax in figure.axes if ax.axison]
    assert axes, "only a note"
    assert figure.get_supxlabel() or any(ax.get_xlabel() for ax in axes)
    assert figure.get_supylabel() or any(ax.get_ylabel() for ax in axes)


def notes(figure: Figure) -> list[str]:
    """The texts that stand inside of the axes."""
    return [text.get_text() for ax in figure.axes for text in ax.texts]
