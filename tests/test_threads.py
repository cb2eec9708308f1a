"""How long waiting threads spin: set before torch is loaded, unless the user chose."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import gde
from gde.threads import SPIN_COUNT, spin_briefly


def test_is_set_where_nothing_was_chosen():
    environment = {"OMP_NUM_THREADS": "2"}
    spin_briefly(environment)
    assert environment == {"OMP_NUM_THREADS": "2", "GOMP_SPINCOUNT": str(SPIN_COUNT)}


@pytest.mark.parametrize("chosen", [{"OMP_WAIT_POLICY": "ACTIVE"}, {"GOMP_SPINCOUNT": "7"}])
def test_a_choice_of_the_users_stands(chosen):
    environment = dict(chosen)
    spin_briefly(environment)
    assert environment == chosen


@pytest.mark.parametrize("start", ["import gde", "import gde.cli.script", "import gde.cli"])
def test_torch_finds_it_when_it_is_loaded(start):
    """OpenMP reports what it read, on stderr, when it is loaded: a notebook, a job, a command."""
    kept = {k: v for k, v in os.environ.items() if k not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")}
    environment = kept | {"OMP_DISPLAY_ENV": "VERBOSE", "PYTHONPATH": str(Path(gde.__file__).parents[1])}
    lines = f"{start}\nimport sys\nassert 'torch' not in sys.modules\nimport torch"
    done = subprocess.run([sys.executable, "-c", lines], env=environment, capture_output=True, text=True, check=True)
    assert f"GOMP_SPINCOUNT = '{SPIN_COUNT}'" in done.stderr
