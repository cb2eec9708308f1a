"""Targets: what somebody asks Snakemake for that no rule makes, and what was probably meant."""

import os
from collections.abc import Callable, Collection, Mapping
from difflib import get_close_matches

from gde.config.messages import nearest
from gde.errors import GdeError, bad


def wrong_target(
    target: str,
    made: Callable[[str], bool],
    delivered: Callable[[], Collection[str]],
    rules: Collection[str],
    broken: Mapping[str, GdeError],
) -> GdeError | None:
    """What is wrong with a target that cannot be made; None for one that can.

    made : whether a rule makes a file.   delivered : every file that somebody would ask for.   rules : their names.
    broken : what is wrong with experiments (and grid/<name>) that are left out.
    """
    path = os.path.normpath(target)
    if made(path) or os.path.isabs(path):
        return None
    for name, problem in broken.items():
        if f"{path}/".startswith((f"{name}/", f"results/{name}/", f"results/sets/{name}/")):
            return problem
    known = delivered()
    folders = {file.split("/")[1]: file for file in known if file.endswith("/metrics.json")}
    if "/" in path:
        close = next(iter(get_close_matches(path, known, n=1, cutoff=0.6)), None)
    else:  # an experiment's name, or a rule's
        close = nearest(path, [*folders, *rules])
        close = folders.get(close, close)
    remedy = f"did you mean {close}?" if close else "README.md says what is made of an experiment"
    return bad(f"target {target}", "nothing that makes it", "a file of results/, or a rule", remedy)
