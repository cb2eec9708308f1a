"""The one exception a user sees: a message that names the place, what was found, what was expected and the remedy."""


class GdeError(ValueError):
    """A user's mistake or a damaged input, said in one line.

    Scripts and the command line print it as ``gde: <message>`` and exit 2, without a stack trace.
    """


def bad(where: object, found: str, expected: str, remedy: str) -> GdeError:
    """Build the standard message ``<where>: found <found>, expected <expected>; <remedy>``."""
    return GdeError(f"{where}: found {found}, expected {expected}; {remedy}")
