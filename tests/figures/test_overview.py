"""Overview: key numbers in words beside their baselines, the same bytes twice, nothing that breaks the report."""

from pathlib import Path

import pandas as pd
import pytest
from drawing import write_results

from gde import figures
from gde.evaluate.shared.metrics import record
from gde.figures.overview import BEGIN, END, verdict, write_overview
from gde.files.seals import check_seal

METRICS = {
    "labels/accuracy": record(0.8, n=9, higher_is_better=True, ci=(0.7, 0.9), chance=0.1, baselines={"lot": 0.75}),
    "reconstruction/w2": record(2.0, n=3, higher_is_better=False, ci=(1.5, 2.5), baselines={"mean": 1.0}, ceiling=1.5),
}
KEY = ["reconstruction/w2", "labels/auc", "labels/accuracy"]


@pytest.fixture
def page(tmp_path) -> Path:
    """An overview of two experiments, one of them with other key metrics than it has."""
    about, results, pictures = {}, {}, {}
    for name, key in (("one", KEY), ("two", ["month/mae"])):
        here = write_results(tmp_path / name, METRICS, {"nothing": pd.DataFrame({"a [1]": [1]})}, name=name)
        results[name], pictures[name] = here / "metrics.json", here / "a.png"
        figures.draw("metrics", here / "tables", here / "metrics.json", here / "a.svg", here / "a.png")
        about[name] = {"description": f"<{name}> & more", "key": key, "figure": "metrics"}
    made = []
    for out in (tmp_path / "a.html", tmp_path / "b.html"):
        write_overview(results, pictures, about, out)
        made.append(out.read_bytes())
    assert made[0] == made[1]
    return out


def test_experiments_in_their_order_with_key_numbers_first(page):
    check_seal(page)
    text = page.read_text()
    one, two = text.index("&lt;one&gt; &amp; more"), text.index("&lt;two&gt; &amp; more")
    places = [text.index(part) for part in ("2 [1.5, 2.5]", "0.8 [0.7, 0.9]")]
    assert one < places[0] < places[1] < two
    assert "0.8 [0.7, 0.9]" in text[two:]  # without any of its key metrics, those that it has
    assert "rests on 3 independent units only" in text and text.count("data:image/png;base64,") == 2


def test_what_the_report_takes_in_has_no_line_that_it_refuses(page):
    part = page.read_text().split(BEGIN)[1].split(END)[0]
    assert max(map(len, part.splitlines())) < 10_000
    assert part.count("<div") == part.count("</div>") and "{{" not in part


@pytest.mark.parametrize(
    ("metric", "said"),
    [
        (
            record(0.8, n=9, higher_is_better=True, ci=(0.7, 0.9), baselines={"a": 0.95, "b": 0.1}),
            ("behind a", "behind"),
        ),
        (record(0.8, n=9, higher_is_better=True, ci=(0.7, 0.9), baselines={"a_b": 0.75}), ("level with a b", "level")),
        (record(0.8, n=9, higher_is_better=False, ci=(0.7, 0.9), baselines={"a": 0.95}), ("ahead of a", "ahead")),
        (record(0.8, n=9, higher_is_better=False, baselines={"a": 0.95, "b": 1.0}), ("ahead of all", "ahead")),
        (record(-0.5, n=9, target=-0.5, ci=(-0.6, -0.4), baselines={"a": -0.55, "b": -0.9}), ("level with a", "level")),
        (record(0.4, n=9, target=0.0, ci=(0.3, 0.5), baselines={"a": 0.1}), ("behind a", "behind")),
        (record(0.8, n=9, higher_is_better=True, baselines={"resample_truth": 0.9, "point_mass": 1.0}), ("", "")),
    ],
)
def test_verdicts(metric, said):
    assert verdict(metric) == said


@pytest.mark.parametrize(
    ("ci", "higher", "words"),
    [((0.01, 0.2), True, "ahead of"), ((-0.1, 0.2), True, "level with"), ((0.01, 0.2), False, "behind")],
)
def test_a_paired_difference_decides(ci, higher, words):
    """Also where the baseline lies inside of the value's own interval."""
    metric = record(0.8, n=9, higher_is_better=higher, ci=(0.5, 1.0), baselines={"lot": 0.7})
    said = verdict(metric | {"differences": {"lot": {"value": 0.1, "ci": list(ci)}}})
    assert said == (f"{words} linearised transport", words.split()[0])
