"""Snakemake says a user's mistake once; every other failure stays as Snakemake tells it."""

import logging
from types import SimpleNamespace

import pytest
from snakemake_interface_logger_plugins.common import LogEvent

from gde.cluster.quiet import Quiet

MISTAKE = "gde: bad.h5ad: found text, expected an .h5ad file"
COMMAND = "Command 'python x.py' returned non-zero exit status {}."
CALLED = f"RuleException:\nCalledProcessError in file prepare.smk, line 2:\n{COMMAND}"
CLOSING = ("Exiting because a job execution failed. Look above", "WorkflowError:\nAt least one job did not complete.")


def record(text="", **fields):
    made = logging.LogRecord("snakemake", logging.ERROR, "x.py", 1, text, (), None)
    made.__dict__.update(fields)
    return made


@pytest.mark.parametrize(("executor", "said"), [("local", ""), ("slurm", f"{MISTAKE}\n")])
def test_a_mistake_leaves_one_line_and_the_log(tmp_path, executor, said):
    log = tmp_path / "prepare.log"
    log.write_text(f"12:00 reading\n{MISTAKE}\n")
    quiet = Quiet(SimpleNamespace(executor_plugin=SimpleNamespace(name=executor)))
    job = record(event=LogEvent.JOB_ERROR, rule_name="prepare", log=[str(log)])
    assert not quiet.filter(record(CALLED.format(2)))
    assert quiet.filter(job)
    assert job.getMessage() == f"{said}rule prepare stopped; log: {log}" and job.event is None
    assert not any(quiet.filter(record(text)) for text in CLOSING)
    assert quiet.filter(record("1 of 3 steps (33%) done"))


@pytest.mark.parametrize("text", ["Traceback\nValueError: x\n", None])
def test_another_failure_keeps_its_account(tmp_path, text):
    log = tmp_path / "train.log"
    if text is not None:
        log.write_text(text)
    quiet = Quiet(SimpleNamespace(executor_plugin=SimpleNamespace(name="local")))
    job = record(event=LogEvent.JOB_ERROR, rule_name="train", log=[str(log)])
    assert quiet.filter(record(CALLED.format(1)))
    assert quiet.filter(job) and job.event is LogEvent.JOB_ERROR
    assert all(quiet.filter(record(text)) for text in CLOSING)


def test_why_a_job_runs_is_a_line():
    quiet = Quiet(SimpleNamespace(executor_plugin=None))
    changed = (
        "Missing output files: a; Params have changed since last execution: Union of exclusive params: {'x': 1} now"
    )
    files = "Input files updated by another job: " + ", ".join(f"results/mine/figure{i}.svg" for i in range(40))
    said = {}
    for reason in ("Missing output files: results/mine/model", changed, files):
        job = record(event=LogEvent.JOB_INFO, reason=reason)
        assert quiet.filter(job)
        said[reason] = job.reason
    short, settings, many = said.values()
    assert short == "Missing output files: results/mine/model"
    assert settings == "Missing output files: a; Settings have changed since last execution"
    assert many.endswith(".svg, ...") and 250 < len(many) <= 310
