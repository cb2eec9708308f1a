"""The one exception a user sees: a message that names the place, what was found, what was expected and the remedy."""


class GdeError(ValueError):
    """A user's mistake or a damaged input, said in one line.

    Scripts and the command line print it as ``gde: <message>`` and exit 2, without a stack trace.
    """


LONGEST = 400  # characters of what was found or of a place: a damaged file may hold a word of megabytes


def bad(where: object, found: str, expected: str, remedy: str) -> GdeError:
    """Build the standard message ``<where>: found <found>, expected <expected>; <remedy>``.

    It is one line whatever the parts hold: names of files and what other libraries say come with line breaks, and
    control characters could rewrite a terminal.
    """
    return GdeError(one_line(f"{_short(str(where))}: found {_short(found)}, expected {expected}; {remedy}"))


def many(n: int, what: str) -> str:
    """A number of things in words: 1 group, 2 groups."""
    return f"{n} {what}" if n == 1 else f"{n} {what}s"


def lowering(*given: tuple[str, int, int]) -> str:
    """The advice to lower some numbers, of (name, value, least); "" where each is as low as it can be."""
    names = [name for name, value, least in given if value > least]
    return f"lower {' or '.join(names)}" if names else ""


def one_line(text: str) -> str:
    """`text` with everything that is not for printing written as in a Python string."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _short(text: str) -> str:
    half = LONGEST // 2
    return text if len(text) <= LONGEST else f"{text[:half]} ... {text[-half:]}"
