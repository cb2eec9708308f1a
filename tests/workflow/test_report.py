"""The report, opened in a browser: the overview first, and every figure of every experiment, in its category, with its
caption."""

import ast
import base64
import html
import json
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET

import pytest
from copies import ROOT

from gde.config import resolve, resolve_all
from gde.config.evaluations import EVALUATIONS
from gde.config.figures import figures_of, known_figures
from gde.config.words import METRICS
from gde.fetch.sources import files_of
from gde.files.seals import read_sealed_json

pytestmark = pytest.mark.workflow
KINDS = {"gmm": "simulated", "pbmc68k": "samples"}

# Goes through the report as a reader does: the start page, then each figure in the report's own viewer, whose share of
# pixels that are not background is measured. The page is then replaced by what was seen.
LOOK = """
<script>
const pause = () => new Promise(done => setTimeout(done, 20));
const text = selector => document.querySelector(selector).innerText;

async function shown(path) {
    app.setView({content: "img", contentPath: results[path].data_uri, resultPath: path});
    for (let tries = 0; tries < 200; tries++) {
        await pause();
        const img = [...document.querySelectorAll("#app img")].find(i => i.src === results[path].data_uri);
        if (img && img.complete) return img;
    }
}

async function ink(img) {
    await img.decode();
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [img.naturalWidth, img.naturalHeight];
    const context = canvas.getContext("2d");
    context.fillStyle = "white";
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.drawImage(img, 0, 0);
    const pixels = new Uint32Array(context.getImageData(0, 0, canvas.width, canvas.height).data.buffer);
    return pixels.filter(p => p !== pixels[0]).length / pixels.length;
}

async function look() {
    for (let tries = 0; tries < 200 && !document.querySelector("nav"); tries++) await pause();
    const whole = [...document.querySelectorAll(".experiment img")].filter(i => i.complete && i.naturalWidth > 300);
    const seen = {menu: text("nav"), start: text("#app"), pictures: whole.length, figures: {}};
    for (const path of Object.keys(results).filter(p => p.endsWith(".svg"))) {
        const img = await shown(path);
        if (!img) continue;
        const drawn = img.naturalWidth ? await ink(img) : 0;
        seen.figures[path] = {width: img.naturalWidth, height: img.naturalHeight, ink: drawn};
    }
    return seen;
}

pause().then(look).catch(e => ({error: String(e)})).then(seen => {
    document.body.innerHTML = "<pre id='seen'></pre>";
    document.querySelector("#seen").innerText = JSON.stringify(seen);
});
</script>
"""
FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
    *("--window-size=1300,900", "--virtual-time-budget=60000", "--dump-dom"),
]


@pytest.fixture(scope="module")
def chromium():
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("no chromium here (Debian: apt install chromium)")
    return path


@pytest.fixture(scope="module")
def look(chromium, tmp_path_factory):
    """look(text of a report) -> what a reader sees: {menu, start, figures: {path: {width, height, ink}}}."""

    def open_it(report: str) -> dict:
        folder = tmp_path_factory.mktemp("browser")
        page = folder / "report.html"
        page.write_text(LOOK.join(report.rsplit("</body>", 1)))
        command = [chromium, *FLAGS, f"--user-data-dir={folder / 'profile'}", page.as_uri()]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        found = re.search(r'<pre id="seen">(.*?)</pre>', done.stdout, re.S)
        assert found, f"{done.returncode}: {done.stderr[-2000:]}{done.stdout[-2000:]}"
        seen = json.loads(html.unescape(found[1]))
        assert "error" not in seen, seen
        return seen

    return open_it


@pytest.fixture(scope="module")
def report(made):
    return (made / "results/report.html").read_text()


@pytest.fixture(scope="module")
def seen(look, report):
    return look(report)


def embedded(report: str) -> dict:
    """Path -> what the report holds of it."""
    return json.JSONDecoder().raw_decode(report, report.index('{"results/'))[0]


def test_every_figure_is_rendered(seen):
    expected = {f"results/{e}/figures/{name}.svg" for e in KINDS for name in figures_of(resolve(e, {}, ROOT))}
    assert set(seen["figures"]) == expected
    for path, figure in seen["figures"].items():
        assert figure["width"] > 100, path
        assert figure["height"] > 100, path
        assert figure["ink"] > 0.01, path


def test_the_start_page_shows_categories_methods_and_citations(seen):
    assert {"All experiments", "gmm", "pbmc68k"} <= set(seen["menu"].splitlines())
    assert "preset smoke, seed 0" in seen["start"]
    for part in ("Methods.", "Reading the figures.", "arXiv 2505.18150"):
        assert part in seen["start"]


def test_it_opens_on_the_key_numbers_and_first_figure_of_every_experiment(made, seen):
    """In the order that was asked for, before all other text."""
    start = " ".join(seen["start"].split())
    places = [start.index(f"{resolve(e, {}, ROOT)['description']}") for e in KINDS]
    assert places == sorted(places) and places[-1] < start.index("Generative distribution embeddings")
    for experiment, kind in KINDS.items():
        metrics = read_sealed_json(made / f"results/{experiment}/metrics.json")["metrics"]
        shown = [name for name in EVALUATIONS[kind].key if name in metrics]
        assert len(shown) >= 3
        for name in shown:
            assert METRICS[name].name in start and f"{metrics[name]['value']:.3g}" in start, name
    assert seen["pictures"] == len(KINDS)


def test_figures_stand_in_the_order_of_importance_and_cards_are_pages(report):
    for experiment in KINDS:
        own = {p: e for p, e in embedded(report).items() if p.startswith(f"results/{experiment}/")}
        figures = [f"results/{experiment}/figures/{name}.svg" for name in figures_of(resolve(experiment, {}, ROOT))]
        ordered = sorted(own, key=lambda path: own[path]["labels"]["page"])
        assert ordered == [*figures, f"results/{experiment}/card.html"]
        assert own[ordered[-1]]["mime_type"] == "text/html"
        page = base64.b64decode(own[ordered[-1]]["data_uri"].partition("base64,")[2]).decode()
        assert f"Data card: {experiment}" in page and f"Model card: {experiment}" in page


def test_figures_are_the_files_and_say_what_they_show(made, report):
    figures = {path: entry for path, entry in embedded(report).items() if path.endswith(".svg")}
    assert len(figures) == sum(len(figures_of(resolve(e, {}, ROOT))) for e in KINDS)
    for path, entry in figures.items():
        assert base64.b64decode(entry["data_uri"].partition("base64,")[2]) == (made / path).read_bytes()
        assert path.split("/")[1] in entry["caption"]


def test_a_broken_figure_would_be_found(look, report):
    """One cut in the middle and an empty one: the test above is able to fail."""
    first, second, *_ = (entry["data_uri"] for path, entry in embedded(report).items() if path.endswith(".svg"))
    blank = base64.b64encode(b"<svg xmlns='http://www.w3.org/2000/svg' width='300' height='300'/>").decode()
    broken = report.replace(first, first[: len(first) // 2])
    broken = broken.replace(second, second.partition("base64,")[0] + "base64," + blank)
    bad = [f for f in look(broken)["figures"].values() if not f["width"] or f["ink"] <= 0.01]
    assert len(bad) == 2


def test_every_figure_has_a_caption_of_its_own():
    text = (ROOT / "workflow/report/figure.rst").read_text()
    captions = ast.literal_eval(text[text.index("{", 1) : text.index("%}")])
    assert set(captions) == set(known_figures())
    for name, parts in captions.items():  # what is seen, how to read it, what would be bad
        assert len(parts) == 3 and all(len(part) > 20 and part[-1] == "." for part in parts), name


def test_every_data_source_is_cited():
    """Of every experiment that there is; the table of sources names more."""
    text = " ".join((ROOT / "workflow/report/workflow.rst").read_text().split())
    used = [s for resolved in resolve_all({}, ROOT).values() for s in files_of(resolved["dataset"], ROOT)]
    assert {s.dataset for s in used} >= {"pbmc68k", "digits", "lineage_tracing", "essential_genes", "donors"}
    for source in used:
        assert source.citation in text, source.dataset
        assert (source.licence or "licence").split(" (")[0] in text, source.dataset


@pytest.mark.parametrize("figure", ["geometry", "labels"])
def test_figures_are_whole_images(made, figure):
    """SVG that a strict parser reads, with a size: also where no browser is."""
    experiment = "gmm" if figure == "geometry" else "pbmc68k"
    root = ET.parse(made / f"results/{experiment}/figures/{figure}.svg").getroot()
    assert float(root.get("width").removesuffix("pt")) > 100
