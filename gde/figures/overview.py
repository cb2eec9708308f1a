"""Overview: a page of all experiments, each with its first figure and its key numbers beside baselines and ceiling."""

import base64
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from gde.config.words import CEILINGS, FIGURES, baseline_words, metric_words
from gde.evaluate.shared.marks import GIVEN_TRUTH
from gde.files.io import atomic_path
from gde.files.seals import SEAL_TEXT, read_sealed_json, seal
from gde.runs.card import ORIGIN, better, number
from gde.runs.document import STYLE, page

BEGIN, END = "<!-- overview -->", "<!-- end of overview -->"  # what the report shows on its first page lies between
MORE = """
.experiment { display: flex; gap: 1.2rem; align-items: flex-start; border-top: 1px solid #bbb; padding: .8rem 0 }
.experiment img { width: 21rem; max-width: none; margin: 0 } .numbers { flex: 1 } .numbers h2 { margin: 0 0 .2rem }
.experiment table { border-collapse: collapse; font-size: 12.5px; margin: .4rem 0 }
.experiment td, .experiment th { padding: 2px 10px 2px 0; text-align: left; vertical-align: top }
.ahead { color: #006b4d } .behind { color: #b34700 } .mark { color: #b34700; font-size: 11.5px }
.value { white-space: nowrap }
.experiment p { margin: .1rem 0; font-size: 13px }
"""
LINE = 8000  # letters: what writes the report refuses lines of 10,000
HEAD = ("metric", "value [95 % interval]", "against its baselines", "baselines", "chance", "ceiling")
READING = (
    "Key numbers on held-out data; all of them stand in each experiment's figure of metrics. ↑ higher is better, "
    "↓ lower. "
    "Ahead or behind of a baseline: it lies outside of the interval of the value, or, where both are of the same sets, "
    "the interval of their difference leaves 0 out; level: neither."
)


def write_overview(
    results: Mapping[str, Path], figures: Mapping[str, Path], about: Mapping[str, Mapping[str, Any]], out: Path
) -> None:
    """Write the page.

    results : experiment -> metrics.json.   figures : experiment -> PNG of its first figure.   about : experiment ->
    description, key (metrics, most important first), figure (its name). GdeError for a damaged file of metrics.
    """
    parts = [_experiment(name, read_sealed_json(file), figures[name], about[name]) for name, file in results.items()]
    body = "\n".join([BEGIN, f"<style>{MORE}</style>", f"<p>{READING}</p>", *parts, END])
    with atomic_path(out) as tmp:
        text = page("gde: overview of experiments", f"<h1>Experiments</h1>\n{body}", STYLE)
        tmp.write_text(f"{text}<!-- {SEAL_TEXT} -->\n")
        seal(tmp)


def _experiment(name: str, report: dict[str, Any], png: Path, about: Mapping[str, Any]) -> str:
    metrics = report["metrics"]
    shown = [metric for metric in about["key"] if metric in metrics] or list(metrics)[:4]
    rows = "\n".join(_row(metric, metrics[metric]) for metric in shown)
    head = "".join(f"<th>{escape(title)}</th>" for title in HEAD)
    code = base64.b64encode(png.read_bytes()).decode()
    picture = "\n".join(code[i : i + LINE] for i in range(0, len(code), LINE))
    figure = f"{name}/figures/{about['figure']}.svg"
    origin = ORIGIN[report["data"]].partition(" (")[0].removesuffix(" from the distribution below")
    steps = f"{report['held_out']:,} held out, {report['budget']['steps']:,} steps, seed {report['seed']}"
    return (
        f'<div class="experiment"><a {_link(name, figure)}>'
        f'<img alt="{escape(FIGURES[about["figure"]])}" src="data:image/png;base64,{picture}"></a>\n'
        f'<div class="numbers"><h2>{escape(name)}</h2><p>{escape(about["description"])}</p>'
        f"<p>{escape(origin.capitalize())}; {escape(steps)}. "
        f"<a {_link(name, f'{name}/card.html')}>Data and model card</a>, "
        f"<a {_link(name, f'{name}/figures/metrics.svg')}>all {len(metrics)} metrics</a>.</p>\n"
        f"<table><tr>{head}</tr>\n{rows}</table></div></div>"
    )


def _row(name: str, m: dict[str, Any]) -> str:
    words = metric_words(name)
    arrow = f"→ {m['target']:g}" if m["target"] is not None else "↑" if m["higher_is_better"] else "↓"
    interval = "" if m["ci"] is None else f" [{m['ci'][0]:.3g}, {m['ci'][1]:.3g}]"
    said, look = verdict(m)
    mark = f'<br><span class="mark">{escape("; ".join(m["marks"]))}</span>' if m["marks"] else ""
    baselines = ", ".join(f"{baseline_words(k)} {v:.3g}" for k, v in m["baselines"].items() if k not in CEILINGS)
    unit = f" ({words.unit})" if words.unit else ""
    cells = (
        f'<span title="{escape(f"{name}: {better(m)}")}">{escape(words.name + unit)} {arrow}</span>{mark}',
        f'<span class="value">{m["value"]:.3g}{interval}</span>',
        f'<span class="{look}">{escape(said)}</span>',
        escape(baselines),
        number(m["chance"]),
        number(m["ceiling"]),
    )
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def verdict(m: dict[str, Any]) -> tuple[str, str]:
    """How a metric stands against its baselines, in words, and ahead | level | behind; "" without any.

    A baseline of the same sets is behind or ahead where the interval of its difference leaves 0 out; another one where
    it lies outside of the value's interval. Controls that are given the truth do not count.
    """
    stands = {k: _stand(m, k) for k in m["baselines"] if k not in (*CEILINGS, *GIVEN_TRUTH)}
    if not stands:
        return "", ""
    for look, words in (("behind", "behind"), ("level", "level with")):
        if names := [baseline_words(name) for name, stand in stands.items() if stand == look]:
            return f"{words} {', '.join(names)}", look
    return "ahead of all" if len(stands) > 1 else f"ahead of {baseline_words(next(iter(stands)))}", "ahead"


def _stand(m: dict[str, Any], baseline: str) -> str:
    """ahead | level | behind: the model, of one baseline."""
    up = 1 if m["higher_is_better"] else -1
    if paired := (m.get("differences") or {}).get(baseline):
        low, high = sorted(up * end for end in paired["ci"])
        return "ahead" if low > 0 else "behind" if high < 0 else "level"
    low, high = m["ci"] or (m["value"], m["value"])
    value = m["baselines"][baseline]
    if m["target"] is not None:  # how far off, from either side
        ends = sorted(abs(end - m["target"]) for end in (low, high))
        low, high = (0.0 if low <= m["target"] <= high else ends[0]), ends[1]
        value = abs(value - m["target"])
    low, high, value = *sorted((up * low, up * high)), up * value
    return "ahead" if value < low else "behind" if value > high else "level"


def _link(experiment: str, path: str) -> str:
    """A link to a file beside the page; inside of the report, to what the report holds of it."""
    file = f"results/{path}"
    content = "html" if path.endswith(".html") else "img"
    inside = (
        f"if(window.results&&results['{file}']){{app.setView({{navbarMode:'resultinfo',content:'{content}',"
        f"contentPath:results['{file}'].data_uri,resultPath:'{file}',category:'{experiment}',"
        f"subcategory:Object.keys(categories['{experiment}'])[0]}});return false}}"
    )
    return f'href="{escape(path)}" onclick="{escape(inside)}"'
