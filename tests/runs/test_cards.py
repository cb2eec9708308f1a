"""Cards: documents as Markdown and HTML, and what the data card says of a store."""

from gde.config.words import METRICS
from gde.evaluate.shared.metrics import record
from gde.runs.card import metric_row
from gde.runs.data_card import data_blocks
from gde.runs.document import Block, html, markdown

BLOCKS = [
    Block("h2", "A <b> & c"),
    Block("p", "text"),
    Block("list", ["one", "two < three"]),
    Block("table", [("a", "b"), (1, "x")]),
    Block("code", "key: value"),
]


def test_markdown():
    assert markdown(BLOCKS) == (
        "## A <b> & c\n\ntext\n\n- one\n- two < three\n\n| a | b |\n|---|---|\n| 1 | x |\n\n```yaml\nkey: value\n```\n"
    )


def test_html_is_whole_and_escaped():
    text = html("t <", BLOCKS)
    assert text.startswith("<!doctype html>") and text.endswith("</html>\n") and "<title>t &lt;</title>" in text
    assert "<h2>A &lt;b&gt; &amp; c</h2>" in text and "<li>two &lt; three</li>" in text
    assert "<tr><th>a</th><th>b</th></tr>\n<tr><td>1</td><td>x</td></tr>" in text


def test_the_data_card_counts_groups_and_samples_of_each_split(cells_store):
    tables = [b.content for b in data_blocks("cells", {"kind": "pbmc68k"}, cells_store) if b.kind == "table"]
    counted = {row[0]: row[1:] for row in tables[0][1:]}
    assert {"train", "test"} <= set(counted)
    for split, numbers in counted.items():
        sizes = cells_store.sizes[cells_store.select(split=split)]
        assert numbers[:3] == (f"{len(sizes):,}", f"{sizes.sum():,}", f"{sizes.min():,}")
    for column, count, _ in tables[1][1:]:
        assert count == f"{cells_store.groups[column].nunique():,}"


def test_the_data_card_cites_what_is_published(cells_store):
    text = markdown(data_blocks("cells", {"kind": "pbmc68k"}, cells_store))
    assert "Zheng et al." in text and "CC-BY-4.0" in text


def test_every_metric_has_words_in_the_card():
    row = metric_row("labels/accuracy", record(0.5, n=3, higher_is_better=True, baselines={"lot": 0.25}))
    assert row[0] == f"labels/accuracy: {METRICS['labels/accuracy'].name} (higher is better; accuracy)"
    assert row[1] == "0.5" and row[4] == "linearised transport 0.25"
