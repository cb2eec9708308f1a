"""The site: it is built without a warning, needs no network, and a browser finds what is searched for."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [pytest.mark.slow, pytest.mark.workflow]


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    for tool in ("sphinx", "myst_nb", "furo"):
        pytest.importorskip(tool, reason="the tools of the documentation are not installed: make docs-env")
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", str(ROOT / "docs"), str(out)]
    built = subprocess.run(
        command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=300
    )
    assert built.returncode == 0, built.stderr[-3000:]
    return out


def test_every_page_is_there(site):
    pages = {page.stem for page in (ROOT / "docs").glob("*.md")}
    assert pages <= {page.stem for page in site.glob("*.html")}
    for notebook in (ROOT / "docs/tutorials").glob("*.ipynb"):
        assert "img" in (site / f"tutorials/{notebook.stem}.html").read_text()


def test_nothing_is_loaded_from_a_network(site):
    for page in site.rglob("*.html"):
        text = page.read_text()
        loaded = re.findall(r"<(?:script|img|iframe)[^>]+src=\"([^\"]+)\"", text)
        loaded += re.findall(r"<link[^>]+rel=\"(?:stylesheet|preload|icon)\"[^>]+href=\"([^\"]+)\"", text)
        assert not [address for address in loaded if re.match(r"(https?:)?//", address)], page.name


def opened(address: str, tmp_path: Path) -> str:
    """The page as a browser has it once its scripts have run."""
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}"]
    command += ["--virtual-time-budget=20000", "--dump-dom", address]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")
def test_a_browser_opens_the_front_page(site, tmp_path):
    text = opened(f"file://{site}/index.html", tmp_path)
    for word in ("Embeddings of distributions", "Cells of one", "Which groups differ", "When something goes wrong"):
        assert word in text


@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")
@pytest.mark.parametrize(("word", "page"), [("bisulfite", "methylation.html"), ("PERMANOVA", "compare_groups.html")])
def test_a_search_finds_its_page(site, tmp_path, word, page):
    text = opened(f"file://{site}/search.html?q={word}", tmp_path)
    results = text[text.index("search-results") :]
    assert page in results


def test_its_tools_change_no_version_of_the_environment():
    """Both locks are installed into one environment, the documentation's second."""
    pins = [
        (ROOT / file).read_text().lower().replace("_", "-") for file in ("requirements.lock", "docs/requirements.lock")
    ]
    project, docs = (set(re.findall(r"^([\w.-]+)==", text, re.M)) for text in pins)
    assert docs and not project & docs
