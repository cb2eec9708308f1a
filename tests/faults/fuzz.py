"""A seeded fuzzer whose every mutation knows whether it makes its input invalid, and the judge of what comes of it."""

import os
import re
import signal
import traceback
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gde.errors import GdeError

SEED = int(os.environ.get("GDE_FUZZ_SEED", "20505"))
INVALID, VALID, UNKNOWN = "invalid", "valid", "unknown"
SECONDS = 60  # a case takes a tenth of a second on an idle machine; one that waits for a named pipe takes for ever
MESSAGE = re.compile(r"(?P<place>\S.*?): found (?P<found>\S.*?), expected (?P<expected>\S.*); (?P<remedy>\S.*)")
RAW = ("Traceback", "validation error", "pydantic", "type=", "object at 0x", "<class ")


@dataclass(frozen=True)
class Case:
    """One mutated input.

    effect : what the mutation does to it: INVALID (must be refused), VALID (must be accepted), UNKNOWN (a flipped bit:
    refused, or the result is that of the original).   place : a part of the message that says where, e.g. the file's
    name.   result : of a valid one, where it is known.
    """

    name: str
    effect: str
    run: Callable[[], Any]
    place: str = ""
    result: Any = None


class Tally:
    """What became of the cases so far."""

    def __init__(self) -> None:
        self.count: Counter[str] = Counter()
        self.escaped: list[str] = []

    def add(self, case: Case, watched: Path) -> None:
        """Run a case; nothing may be left below `watched` but what was there."""
        before = listing(watched)
        try:
            with deadline():
                result = case.run()
        except GdeError as e:
            self.count["refused"] += 1
            faults = list(wrong_with(str(e), case.place))
            if case.effect == VALID:
                faults.append("a valid input was refused")
            self.fault(case, faults, str(e))
        except BaseException as e:
            self.fault(case, [f"{type(e).__name__} instead of GdeError"], "".join(traceback.format_exception(e)[-3:]))
            if isinstance(e, KeyboardInterrupt):
                raise
        else:
            self.count["accepted as valid"] += 1
            if case.effect == INVALID:
                self.fault(case, ["an invalid input was accepted"], repr(result)[:300])
            elif case.result is not None and result != case.result:
                self.fault(case, [f"accepted with another result than {case.effect} allows"], repr(result)[:300])
        if left := listing(watched) ^ before:
            self.fault(case, [f"left behind or taken away: {sorted(left)[:4]}"], "")

    def fault(self, case: Case, faults: list[str], about: str) -> None:
        if faults:
            self.escaped.append(f"{case.name} ({case.effect}): {'; '.join(faults)}\n    {about}")

    def check(self, record_property: Callable[[str, object], None], least: int) -> None:
        """The test's verdict; the counts go into its report, from where conftest.py adds them up."""
        for outcome in ("refused", "accepted as valid"):
            record_property(outcome, self.count[outcome])
        record_property("escaped", len(self.escaped))
        assert not self.escaped, f"{len(self.escaped)} with seed {SEED}:\n" + "\n".join(self.escaped)
        assert self.count.total() >= least


def wrong_with(message: str, place: str) -> Iterable[str]:
    """What a message to the user lacks."""
    match = MESSAGE.fullmatch(message)
    if not match:
        yield "no line of the form <place>: found, expected; remedy"
    if not message.isprintable():
        yield "more than one line, or characters that are not for printing"
    if len(message) > 1500:
        yield f"a message of {len(message)} characters"
    if place not in message:
        yield f"no word of {place!r}"
    yield from (f"{word!r} in the message" for word in RAW if word in message)


def listing(directory: Path) -> frozenset[str]:
    """Every path below a directory."""
    return frozenset(str(p.relative_to(directory)) for p in directory.rglob("*"))


@contextmanager
def deadline(seconds: int = SECONDS):
    """TimeoutError for a block that hangs."""

    def late(*_):
        raise TimeoutError(f"still at it after {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def paths(value: Any, path: tuple = ()) -> Iterable[tuple]:
    """The path of everything in nested data, depth first."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in items:
        yield (*path, key)
        yield from paths(child, (*path, key))


def at(value: Any, path: tuple) -> Any:
    """What stands at a path."""
    for key in path:
        value = value[key]
    return value


def put(value: Any, path: tuple, new: Any) -> Any:
    """A copy with `new` at a path."""
    if not path:
        return new
    if isinstance(value, list):
        return [put(v, path[1:], new) if i == path[0] else v for i, v in enumerate(value)]
    return {k: put(v, path[1:], new) if k == path[0] else v for k, v in value.items()}


def rename(value: Any, path: tuple, new: str) -> Any:
    """A copy in which the key at `path` is called `new`, in its old place."""
    section = at(value, path[:-1])
    return put(value, path[:-1], {(new if k == path[-1] else k): v for k, v in section.items()})


def flip(data: bytes, bit: int) -> bytes:
    """Bytes with one bit changed."""
    out = bytearray(data)
    out[bit // 8] ^= 1 << bit % 8
    return bytes(out)
