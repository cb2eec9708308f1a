"""Waiting threads: how long those of OpenMP spin before they sleep. Set before torch loads what reads it."""

import os
from collections.abc import MutableMapping

# Turns of a loop, some tens of microseconds. libgomp's own are milliseconds, in which the threads of a training take
# the cores from each other and from everybody else; without any, each of a small network's many short waits is a
# sleep. benchmarks/spinning.py compares values.
SPIN_COUNT = 10_000
CHOICES = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")


def spin_briefly(environment: MutableMapping[str, str] = os.environ) -> None:
    """Set SPIN_COUNT in `environment`, for this process and those it starts; where the user chose, that stands."""
    if not any(name in environment for name in CHOICES):
        environment["GOMP_SPINCOUNT"] = str(SPIN_COUNT)
