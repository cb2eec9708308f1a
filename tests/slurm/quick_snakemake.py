"""Snakemake that asks Slurm every second how its jobs are doing: the plugin waits 10 s longer after each look."""

import signal

from snakemake.cli import main
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor

if __name__ == "__main__":
    RemoteExecutor.next_seconds_between_status_checks = property(lambda self: 1, lambda self, seconds: None)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where the tests run in the background
    main()
