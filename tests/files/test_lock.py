"""A lock is held by one process, and taken over from one that is gone, never from one that may be alive."""

import json
import multiprocessing
import os
import signal
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from gde.files import lock as locks
from gde.files.lock import Held, Lock, Owner, read_owner, started, this_machine

FORK = multiprocessing.get_context("fork")


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Signs of life ten times a second instead of every quarter of a minute."""
    monkeypatch.setattr(locks, "BEAT", 0.1)
    monkeypatch.setattr(locks, "POLL", 0.02)
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)


@pytest.fixture
def path(tmp_path):
    return tmp_path / ".locks" / "gmm+model"


def hold(path, ready):
    lock = Lock(path)
    lock.acquire()
    with lock.held():
        ready.set()
        signal.pause()


@pytest.fixture
def holder(path):
    """A process that holds the lock."""
    ready = FORK.Event()
    process = FORK.Process(target=hold, args=(path, ready))
    process.start()
    assert ready.wait(30)
    yield process
    process.kill()
    process.join(30)


def elsewhere(path, **changes) -> Owner:
    """Write the lock of a process of another machine, whose signs of life nobody gives."""
    owner = Owner("token", "another boot", "node7", 4711, "1", "2026-01-01 00:00:00", None)
    owner = replace(owner, **changes)
    path.parent.mkdir(exist_ok=True)
    path.write_text(owner.line)
    return owner


def acquired(path, **options) -> Lock:
    lock = Lock(path, **options)
    lock.acquire()
    return lock


def test_held_and_released(path):
    lock = acquired(path)
    with lock.held():
        first, second = path.read_text().splitlines()
        assert first.startswith(f"process {os.getpid()} on ")
        assert json.loads(second) == asdict(lock.owner)
        assert [p.name for p in path.parent.iterdir()] == [path.name]
    assert not path.parent.exists()


def test_a_live_owner_is_named_at_once(path, holder):
    with pytest.raises(Held, match=rf"process {holder.pid} on ") as e:
        acquired(path)
    assert e.value.owner.alive()
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_a_live_owner_that_ends_in_time_is_waited_for(path, holder):
    FORK.Process(target=lambda: (time.sleep(0.5), os.kill(holder.pid, signal.SIGKILL))).start()
    acquired(path, patience=30).release()


def test_a_stopped_owner_is_alive(path, holder):
    os.kill(holder.pid, signal.SIGSTOP)
    with pytest.raises(Held):
        acquired(path, patience=1)


def test_a_killed_owner_is_gone_at_once(path, holder):
    holder.kill()
    holder.join(30)
    assert path.exists()
    begin = time.monotonic()
    lock = acquired(path)
    assert time.monotonic() - begin < 1
    assert read_owner(path)[0] == lock.owner
    lock.release()
    assert not path.exists()


def test_a_process_number_that_was_given_to_another_is_no_owner(path):
    elsewhere(path, machine=this_machine(), pid=os.getpid(), started="0")
    acquired(path).release()


def test_a_zombie_is_gone():
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    until = time.monotonic() + 30
    while started(pid) is not None:
        assert time.monotonic() < until
    os.waitpid(pid, 0)


def test_a_silent_owner_on_another_machine_is_watched_then_taken_over(path):
    elsewhere(path)
    begin = time.monotonic()
    lock = acquired(path)
    assert time.monotonic() - begin > locks.LOOKS * locks.BEAT * 0.9
    assert read_owner(path)[0] == lock.owner
    lock.release()


def test_an_owner_on_another_machine_that_gives_a_sign_of_life_keeps_its_lock(path, monkeypatch):
    elsewhere(path)
    monkeypatch.setattr(locks.time, "sleep", lambda seconds: os.utime(path))
    with pytest.raises(Held, match="process 4711 on node7"):
        acquired(path)
    assert read_owner(path)[0].host == "node7"


def test_slurm_saying_that_the_job_ended_shortens_the_watch(path, monkeypatch):
    elsewhere(path, slurm="17")
    monkeypatch.setattr("gde.cluster.slurm.ended", lambda job: job == "17")
    begin = time.monotonic()
    acquired(path).release()
    assert time.monotonic() - begin < locks.LOOKS * locks.BEAT * 0.5


def test_a_job_that_slurm_brought_back_finds_its_own_lock(path, monkeypatch):
    elsewhere(path, slurm="17")
    monkeypatch.setattr("gde.cluster.slurm.ended", lambda job: False)
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    begin = time.monotonic()
    acquired(path).release()
    assert time.monotonic() - begin < locks.LOOKS * locks.BEAT * 0.5


def test_a_file_without_a_whole_record_is_watched_then_taken_over(path):
    path.parent.mkdir()
    path.write_text("process 12 on")
    acquired(path).release()


def test_who_was_killed_while_taking_over_is_no_obstacle(path):
    token = elsewhere(path).token
    elsewhere(path.with_name(f".{path.name}.{token}.claim"), machine=this_machine(), pid=2**22 - 1, token="claimant")
    acquired(path).release()


def test_file_systems_without_hard_links(path, monkeypatch):
    def refuse(*_):
        raise PermissionError("no links here")

    monkeypatch.setattr(os, "link", refuse)
    lock = acquired(path)
    with pytest.raises(Held):
        acquired(path)
    lock.release()
    assert not path.exists()


@pytest.mark.parametrize("loss", ["deleted", "taken over"])
def test_an_owner_whose_lock_was_lost_is_told(path, loss):
    told = FORK.Event()
    lock = acquired(path, on_loss=told.set)
    if loss == "deleted":
        path.unlink()
    else:
        elsewhere(path)
    assert told.wait(30)
    lock.release()
    assert path.exists() == (loss == "taken over")


def test_a_directory_that_goes_while_it_is_made_is_made_again(path, monkeypatch):
    """`mkdir` finds it, whoever left it clears it away, and then it is no directory."""
    made, calls = Path.mkdir, []

    def too_late(self, *args, **options):
        calls.append(self)
        if len(calls) == 1:
            raise FileExistsError(17, "File exists", str(self))
        made(self, *args, **options)

    monkeypatch.setattr(Path, "mkdir", too_late)
    acquired(path).release()
    assert len(calls) == 2


def test_a_file_in_the_place_of_the_locks_is_an_error(path):
    path.parent.write_text("")
    with pytest.raises(FileExistsError):
        acquired(path)


def compete(path, counter, inside, start, failures):
    start.wait(30)
    for _ in range(5):
        lock = Lock(path, patience=60)
        lock.acquire()
        with lock.held():
            if inside.value:
                failures.value += 1
            inside.value = 1
            counter.value += 1
            time.sleep(0.001)
            inside.value = 0


def test_many_processes_and_never_two_inside(path):
    """They start at a lock that a dead process left."""
    elsewhere(path, machine=this_machine(), pid=2**22 - 1)
    counter, inside, failures = (FORK.Value("i", 0, lock=False) for _ in range(3))
    start = FORK.Event()
    processes = [FORK.Process(target=compete, args=(path, counter, inside, start, failures)) for _ in range(6)]
    for p in processes:
        p.start()
    start.set()
    for p in processes:
        p.join(60)
    assert [p.exitcode for p in processes] == [0] * 6
    assert counter.value == 30
    assert failures.value == 0
    assert not path.exists()
