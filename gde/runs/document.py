"""Document: headings, paragraphs, lists, tables and code, written as Markdown or as a page of HTML."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any, NamedTuple

STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; color: #222; max-width: 62rem; margin: 1.5rem auto; padding: 0 1rem }
table { border-collapse: collapse; font-size: 13px } th { text-align: left; color: #555; font-weight: 600 }
td, th { padding: 3px 10px 3px 0; border-bottom: 1px solid #ddd; vertical-align: top }
pre { background: #f5f5f5; padding: .6rem; overflow-x: auto } h1 { font-size: 1.4rem } h2 { font-size: 1.15rem }
h3 { font-size: 1rem }
"""


class Block(NamedTuple):
    """A part of a document. kind: h1 | h2 | h3 | p | list | table (rows, the first its head) | code."""

    kind: str
    content: Any


def markdown(blocks: Iterable[Block]) -> str:
    """The document as Markdown, an empty line after each block."""
    return "\n".join(line for block in blocks for line in (*_lines(block), ""))


def _lines(block: Block) -> list[str]:
    kind, content = block
    if kind == "list":
        return [f"- {item}" for item in content]
    if kind == "code":
        return ["```yaml", content, "```"]
    if kind == "table":
        head, *rows = [f"| {' | '.join(map(str, row))} |" for row in content]
        return [head, "|---" * len(content[0]) + "|", *rows]
    return [f"{'#' * int(kind[1])} {content}" if kind[0] == "h" else content]


def html(title: str, blocks: Iterable[Block]) -> str:
    """The document as a page of its own, which needs nothing beside it."""
    return page(title, "\n".join(map(element, blocks)))


def page(title: str, body: str, style: str = STYLE) -> str:
    """A page of HTML."""
    head = f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
    return f"{head}\n<style>{style}</style></head>\n<body>\n{body}\n</body></html>\n"


def element(block: Block) -> str:
    """A block as HTML; text is escaped."""
    kind, content = block
    if kind == "list":
        return "\n".join(["<ul>", *(f"<li>{escape(item)}</li>" for item in content), "</ul>"])
    if kind == "code":
        return f"<pre>{escape(content)}</pre>"
    if kind == "table":
        return "\n".join(["<table>", row(content[0], "th"), *(row(cells) for cells in content[1:]), "</table>"])
    return f"<{kind}>{escape(content)}</{kind}>"


def row(cells: Sequence[Any], tag: str = "td") -> str:
    """A row of a table."""
    return "<tr>" + "".join(f"<{tag}>{escape(str(cell))}</{tag}>" for cell in cells) + "</tr>"
