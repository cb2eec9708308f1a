"""What an evaluation left out, and why: every metric that its kind may have is computed or named here."""

from collections.abc import Collection, Iterable

OTHERWISE = "not of these data or settings"


def left_out(possible: Iterable[str], computed: Collection[str], noted: list[tuple[str, str]]) -> list[dict[str, str]]:
    """What was left out, as metrics.json has it: `what` and `why`, each pair once, in order.

    noted : of `Context.leave_out`; names may be several, with commas between, and beginnings of metrics' names.
    Metrics of `possible` that were neither computed nor noted stand last, together.
    """
    pairs = dict.fromkeys(noted)
    names = tuple(name.strip() for what, _ in pairs for name in what.split(","))
    rest = [metric for metric in possible if metric not in computed and not metric.startswith(names)]
    if rest:
        pairs[", ".join(rest), OTHERWISE] = None
    return [{"what": what, "why": why} for what, why in pairs]
