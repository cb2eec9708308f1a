"""The sum of what the fuzzers saw, at the end of the run, with the seed that repeats it."""

from collections import Counter

from fuzz import SEED

COUNTED = ("refused", "accepted as valid", "escaped")


def pytest_terminal_summary(terminalreporter):
    count = Counter()
    for outcome in ("passed", "failed"):
        for report in terminalreporter.stats.get(outcome, []):
            count.update({key: value for key, value in report.user_properties if key in COUNTED})
    if count:
        text = ", ".join(f"{count[key]} {key}" for key in COUNTED)
        terminalreporter.write_line(f"mutated inputs with seed {SEED}: {count.total()} in all, {text}")
