"""What Snakemake says around a user's mistake: one line with the log, in the place of four blocks; and why jobs run: in
a line, in the place of all settings.

A job that ends with our own line `gde: ...` has said all. Other failures keep Snakemake's account of them.
"""

import logging
from pathlib import Path
from typing import Any

SAID = "gde: "
CHANGED = "Params have changed since last execution"
MOST = 300  # characters of a reason
CALLED = "RuleException:\nCalledProcessError"
ENDING = "returned non-zero exit status 2."  # of `gde.cli.script.job`
CLOSING = (
    "Shutting down, this might take some time.",
    "Exiting because a job execution failed.",
    "WorkflowError:\nAt ",
)


class Quiet(logging.Filter):
    """Leaves out of Snakemake's messages what it says of jobs that a user's mistake ended, but for rule and log."""

    def __init__(self, workflow: Any):
        super().__init__()
        self.workflow, self.mistakes, self.others = workflow, 0, 0

    def filter(self, record: logging.LogRecord) -> bool:
        event = getattr(record, "event", None)
        event = getattr(event, "value", event)
        if event == "job_error":
            return self._job(record)
        if event == "job_info" and isinstance(getattr(record, "reason", None), str):
            record.reason = in_brief(record.reason)
            return True
        text = record.getMessage()
        if text.startswith(CALLED):
            return not text.rstrip().endswith(ENDING)
        return not (self.mistakes and not self.others and text.lstrip().startswith(CLOSING))

    def _job(self, record: logging.LogRecord) -> bool:
        logs = list(getattr(record, "log", None) or [])
        line = next(filter(None, map(last_said, logs)), None)
        if line is None:
            self.others += 1
            return True
        self.mistakes += 1
        plugin = self.workflow.executor_plugin
        here = plugin is not None and plugin.name == "local"  # the job has said it on this terminal
        record.msg = f"{'' if here else line + chr(10)}rule {record.rule_name} stopped; log: {logs[0]}"
        record.args, record.event = (), None
        return True


def in_brief(reason: str) -> str:
    """Why a job runs, without all settings before and after, and with some of many files."""
    before, changed, _ = reason.partition(CHANGED)
    if changed:
        reason = f"{before}Settings have changed since last execution"
    elif len(reason) > MOST:
        reason = f"{reason[:MOST].rpartition(', ')[0] or reason[:MOST]}, ..."
    return reason


def last_said(log: Any) -> str | None:
    """The last line of a job's log, if it is our own for a user's mistake."""
    path = Path(str(log))
    lines = path.read_text(errors="replace").rstrip().splitlines() if path.is_file() else []
    return lines[-1] if lines and lines[-1].startswith(SAID) else None


def quieten(workflow: Any) -> None:
    """Let the main Snakemake say no more of mistakes and reasons than needed; once in a process."""
    from snakemake.logging import logger

    if workflow.is_main_process and not any(isinstance(f, Quiet) for f in logger.filters):
        logger.addFilter(Quiet(workflow))
