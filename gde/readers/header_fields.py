"""Header fields: what the headers of FASTA and FASTQ records say: fields by a pattern, or as key=value."""

import re
from collections.abc import Callable
from urllib.parse import unquote

from gde.errors import bad

KEY_VALUE = "key=value"
NAME = "name"
KEY = re.compile(r"(^|[\s;|\[])([^\s;|=\[\]]+)=")  # `name=` behind a blank, `;`, `|` or `[`
PARTS, ENDS = re.compile("[;|]"), " \t;|"
SHOWN = 30
HOLE = re.compile(r"\{([^{}]*)\}")
Parser = Callable[[str], dict[str, str]]


class NoFit(ValueError):
    """A header that is not of the form that the settings say; its text is what was expected."""


def header_parser(fields: str | None) -> tuple[Parser, list[str] | None]:
    """A function from a header to its fields, NAME always among them, and the names that it has in every header (None:
    those that a header happens to have). The function raises NoFit.

    fields : None, the name is the first word; KEY_VALUE, see `key_values`; or a pattern with names in braces, which
    fits the whole header, each name taking as little as it can. A pattern without {name} makes the whole header the
    name.
    GdeError for a pattern that cannot be.
    """
    if fields is None:
        return lambda header: {NAME: header.split(None, 1)[0]}, [NAME]
    if fields == KEY_VALUE:
        return key_values, None
    return _pattern(fields)


def key_values(header: str) -> dict[str, str]:
    """`seq1 donor=a;tissue=left%20lung` -> name seq1, donor a, tissue 'left lung'.

    `sp|P1|NAME some protein OS=Mus musculus OX=10090` -> name sp|P1|NAME, OS 'Mus musculus', OX 10090: a value ends
    where the next key begins, and at `;` or `|`; `seq1 [organism=Mus musculus]` has its ends in brackets. What stands
    before the first key is the name and words about it. NoFit for text that is in no field, and a key that comes again.
    """
    before, *parts = KEY.split(header)
    words = before.strip(ENDS).split(None, 1)
    out = {NAME: words[0].rstrip(ENDS) if words else header}
    for i in range(0, len(parts), 3):
        opens, name, value = parts[i : i + 3]
        if opens == "[":
            value, bracket, behind = value.partition("]")
            if not bracket or (behind.strip() and i + 3 < len(parts)):
                raise NoFit(f"'[{name}=...]' with nothing but blanks behind it")
        else:
            value = value.strip(ENDS)
            if ";" in value or "|" in value:
                odd = PARTS.search(value)
                raise NoFit(f"key=value behind each {odd[0]!r}, which {value[odd.end() :].strip()[:SHOWN]!r} is not")
        if "%" in name or "%" in value:
            name, value = unquote(name), unquote(value)
        if name in out and name != NAME:
            raise NoFit(f"the field {name!r} once")
        out[name] = value.strip()
    return out


def _pattern(fields: str) -> tuple[Parser, list[str]]:
    where, remedy = "dataset.fields", "e.g. '{name} {sample}|{tissue}', or key=value; {} skips a part"
    holes = HOLE.findall(fields)
    names = [name for name in holes if name]
    if not names or re.search(r"[{}]", HOLE.sub("", fields)):
        raise bad(where, repr(fields), "names in braces", remedy)
    if odd := [name for name in names if names.count(name) > 1]:
        raise bad(where, f"{{{odd[0]}}} twice in {fields!r}", "each name once", "rename one")
    if "}{" in fields:
        raise bad(where, f"two names with nothing between in {fields!r}", "a residue that parts them", remedy)
    parts = [re.escape(part) for part in HOLE.split(fields)[::2]]
    expression = re.compile("(.+?)".join(parts), re.S)

    def parse(header: str) -> dict[str, str]:
        found = expression.fullmatch(header)
        if found is None:
            raise NoFit(f"one like {fields!r}")
        values = {name: value for name, value in zip(holes, found.groups(), strict=True) if name}
        return values if NAME in values else {NAME: header, **values}

    return parse, [NAME, *(n for n in names if n != NAME)]
