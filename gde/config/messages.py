"""pydantic's findings as one line: file, line, key, what was found, what was expected and the nearest valid name."""

from collections.abc import Iterable
from difflib import get_close_matches
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from gde.config.kinds import kind_of
from gde.config.loading import Tree
from gde.errors import GdeError, bad

README = "see config/README.md"
SHOWN = 48  # names that a message lists; of more than these, those LIKE the wrong one
LIKE = 16


def nearest(word: object, options: Iterable[str]) -> str | None:
    """The option most like `word`, if any is."""
    options = list(options)
    lower = {o.lower(): o for o in options}
    close = get_close_matches(str(word).lower(), lower, n=1, cutoff=0.5)
    return lower[close[0]] if close else None


def unknown(where: str, key: str, word: object, options: Iterable[str], remedy: str = README) -> GdeError:
    """The error for a name that is none of `options`; of very many only the likest are named."""
    options = list(options)
    close = nearest(word, options)
    shown = options
    if len(options) > SHOWN:
        likest = set(get_close_matches(str(word).lower(), [o.lower() for o in options], n=LIKE, cutoff=0.0))
        shown = [o for o in options if o.lower() in likest]
    rest = f" (and {len(options) - len(shown)} more: {README})" if len(shown) < len(options) else ""
    expected = f"one of {', '.join(shown)}{rest}"
    return bad(f"{where}: {key}", repr(word), expected, f"did you mean {close!r}?" if close else remedy)


def submodels(annotation: Any) -> list[type[BaseModel]]:
    """The models inside an annotation: A | B | None -> [A, B]."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [m for a in get_args(annotation) for m in submodels(a)]


def locate(model: type[BaseModel], loc: tuple) -> tuple[tuple, list[type[BaseModel]]]:
    """pydantic's location without the kinds it puts in, and the models that stand there."""
    path: list = []
    models = [model]
    for key in loc:
        if len(models) > 1:
            models = [m for m in models if kind_of(m) == key]
            continue
        path.append(key)
        if models and key in models[0].model_fields:
            models = submodels(models[0].model_fields[key].annotation)
    return tuple(path), models


def gathered(errors: list[dict], model: type[BaseModel]) -> list[dict]:
    """The findings, those of a value that may be one of several plain things (`int | Literal["all"]`) as one: pydantic
    has one for each, and puts its own name of the thing behind the key."""
    out: dict[tuple, dict] = {}
    for e in errors:
        path, _ = locate(model, e["loc"][:-1])
        _, models = locate(model, e["loc"][:-2])
        field = models[0].model_fields.get(path[-1]) if len(models) == 1 and path else None
        several = field is not None and len(set(get_args(field.annotation)) - {NoneType}) > 1
        several = several and get_origin(field.annotation) in (Union, UnionType) and not submodels(field.annotation)
        if several and isinstance(e["loc"][-1], str):
            first = out.setdefault(e["loc"][:-1], {**e, "type": "none_of", "loc": e["loc"][:-1], "ctx": {"each": []}})
            first["ctx"]["each"].append(e)
        else:
            out[(*e["loc"], len(out))] = e
    return list(out.values())


def show(value: Any) -> str:
    """A value as a reader of YAML knows it, short."""
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a mapping"
    text = {True: "true", False: "false"}[value] if isinstance(value, bool) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def explain(error: ValidationError, model: type[BaseModel], tree: Tree) -> GdeError:
    """The first finding (an unknown key before all others, since it explains the rest) as a GdeError."""
    return explain_all(error, model, tree)[0]


def explain_all(error: ValidationError, model: type[BaseModel], tree: Tree) -> list[GdeError]:
    """Every finding that another one does not explain: a mistyped `kind` makes its section's other keys look wrong, and
    a mistyped key looks missing."""
    out: dict[str, GdeError] = {}
    mistyped: dict[tuple, list[str]] = {}
    for e in sorted(gathered(error.errors(include_url=False), model), key=_rank):
        section, key = e["loc"][:-1], e["loc"][-1] if e["loc"] else ""
        typos = mistyped.setdefault(section, [])
        if "kind" in map(_is_kind, typos) or (e["type"] == "missing" and nearest(key, typos)):
            continue
        if e["type"] == "extra_forbidden":
            typos.append(str(key))
        found = _one(e, model, tree)
        out.setdefault(str(found), found)
    return list(out.values())


def _is_kind(key: str) -> str | None:
    return nearest(key, ["kind"])


def _rank(error: dict) -> int:
    if error["type"] == "extra_forbidden":
        return 0 if nearest(error["loc"][-1], ["kind"]) else 1  # without its kind, a section's other keys look wrong
    return 2 if error["type"] == "union_tag_not_found" else 3


def _one(error: dict, model: type[BaseModel], tree: Tree) -> GdeError:
    kind, loc, value = error["type"], error["loc"], error["input"]
    path, models = locate(model, loc)
    if kind == "extra_forbidden":
        _, models = locate(model, loc[:-1])
        return unknown(*tree.mark(path), loc[-1], models[0].model_fields)
    if kind == "union_tag_not_found" and isinstance(value, dict):
        kinds = [k for k in map(kind_of, models) if k]
        if typo := next((k for k in value if nearest(k, ["kind"])), None):
            return unknown(*tree.mark((*path, typo)), typo, ["kind"])
        where, key = tree.mark((*path, "kind"))
        return bad(f"{where}: {key}", "nothing", f"one of {', '.join(kinds)}", "add it")
    if kind == "union_tag_invalid":
        return unknown(*tree.mark((*path, "kind")), value["kind"], [k for k in map(kind_of, models) if k])
    if kind == "gde":
        return _rule(error["ctx"], path, tree)
    where, key = tree.mark(path)
    where = f"{where}: {key}"
    if kind == "missing":
        return bad(where, "nothing", "a value", f"add the key; {README}")
    if kind == "literal_error":
        options = error["ctx"]["expected"].replace(" or ", ", ").replace("'", "").split(", ")
        return unknown(*tree.mark(path), value, options)
    if models or kind in ("model_type", "model_attributes_type", "dict_type"):
        remedy = f"write {{kind: {value}}}" if value in map(kind_of, models) else README
        return bad(where, show(value), "a mapping of keys", remedy)
    whole = isinstance(value, float) and value.is_integer() and _expected(error).startswith("a whole number")
    return bad(where, show(value), _expected(error), f"write {int(value)}" if whole else README)


def _rule(ctx: dict, path: tuple, tree: Tree) -> GdeError:
    section, _, option = ctx["key"].partition("|")  # a metric's name may hold any character
    full = (*path, *section.split("."), *([option] if option else []))
    if option:
        return unknown(*tree.mark(full), option, ctx["expected"].split("|"))
    where, key = tree.mark(full)
    return bad(f"{where}: {key}", show(ctx["value"]), ctx["expected"], ctx["remedy"])


def _expected(error: dict) -> str:
    kind, ctx = error["type"], error.get("ctx", {})
    words = {
        "string_too_short": "a text that is not empty",
        "string_type": "a text",
        "int_type": "a whole number",
        "int_from_float": "a whole number",
        "float_type": "a number",
        "bool_type": "true or false",
        "list_type": "a list",
        "finite_number": "a finite number",
    }
    if kind == "none_of":
        return " or ".join(_expected(each) for each in ctx["each"])
    if kind in ("too_short", "too_long"):
        word, limit = ("at least", "min_length") if kind == "too_short" else ("at most", "max_length")
        return f"a list of {word} {ctx[limit]}"
    if kind in ("greater_than", "greater_than_equal", "less_than", "less_than_equal"):
        sign = {"greater_than": ">", "greater_than_equal": ">=", "less_than": "<", "less_than_equal": "<="}[kind]
        return f"a number {sign} {next(iter(ctx.values()))}"
    if kind == "string_pattern_mismatch":
        return f"a text of the form {ctx['pattern']}"
    return words.get(kind, error["msg"].removeprefix("Input should be ").lower())
