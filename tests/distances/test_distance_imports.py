"""Importing the distances must not start the slow libraries that only some of them use."""

import subprocess
import sys


def test_import_is_light():
    code = "import sys, gde.distances; print([m for m in ('ot', 'sklearn', 'scipy.spatial') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
