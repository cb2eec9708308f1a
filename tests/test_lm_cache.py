"""Vectors of sequences are computed once: by one of several processes, over all experiments, whatever is killed."""

import json
import logging
import multiprocessing
import os
import signal
import threading

import numpy as np
import pytest

from gde import lm_cache
from gde.lm_cache import Cache, key_of

pytestmark = pytest.mark.usefixtures("no_fsync")
DIM = 5


def keys(*names):
    return [key_of(str(name).encode()) for name in names]


def vector(key):
    return np.random.default_rng(list(key)).standard_normal(DIM).astype(np.float32)


class Model:
    """Computes vectors, one per call to the network, and counts."""

    def __init__(self, wanted, piece=3, stop_after=None):
        self.wanted, self.piece, self.stop_after, self.seen = list(wanted), piece, stop_after, []

    def __call__(self, positions):
        for start in range(0, len(positions), self.piece):
            part = positions[start : start + self.piece]
            if self.stop_after is not None and len(self.seen) >= self.stop_after:
                raise KeyboardInterrupt
            self.seen += [self.wanted[i] for i in part]
            yield part, np.stack([vector(self.wanted[i]) for i in part])


def check(cache, wanted):
    np.testing.assert_array_equal(cache.take(wanted), np.stack([vector(k) for k in wanted]))


@pytest.mark.parametrize("directory", [True, False])
def test_each_sequence_is_computed_once(tmp_path, directory):
    cache = Cache(DIM, tmp_path / "lm" if directory else None)
    first, second = keys(1, 2, 3, 2, 1, 4, 5), keys(5, 6, 1, 6)
    model = Model(first)
    np.testing.assert_array_equal(cache.look_up(first, model), np.stack([vector(k) for k in first]))
    assert sorted(model.seen) == sorted(set(first))
    assert (cache.hits, cache.misses) == (2, 5)
    model = Model(second)
    cache.fill(second, model)
    assert model.seen == keys(6)
    assert (cache.hits, cache.misses) == (5, 6)
    check(cache, first + second)
    assert len(cache) == 6


def test_another_process_reads_what_was_written(tmp_path):
    wanted = keys(*range(20))
    Cache(DIM, tmp_path).fill(wanted, Model(wanted))
    model = Model(wanted)
    later = Cache(DIM, tmp_path)
    later.fill(wanted, model)
    assert model.seen == []
    assert (later.hits, later.misses) == (20, 0)
    check(later, wanted)


def test_what_was_asked_for_one_by_one_is_written_when_it_fills_a_segment_or_the_cache_is_flushed(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(lm_cache, "SEGMENT_ROWS", 4)
    cache = Cache(DIM, tmp_path)
    for i in range(6):
        cache.look_up(keys(i), Model(keys(i)))
    assert len(Cache(DIM, tmp_path)) == 4
    cache.flush()
    cache.flush()  # nothing is left: no empty segment
    assert len(list(tmp_path.glob("*.npy"))) == 2
    check(Cache(DIM, tmp_path), keys(*range(6)))
    check(cache, keys(*range(6)))


def test_a_killed_fill_goes_on_where_it_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(lm_cache, "SEGMENT_SECONDS", 0.0)
    wanted = keys(*range(10))
    stopped = Model(wanted, stop_after=6)
    with pytest.raises(KeyboardInterrupt):
        Cache(DIM, tmp_path).fill(wanted, stopped)
    model, cache = Model(wanted), Cache(DIM, tmp_path)
    cache.fill(wanted, model)
    assert stopped.seen + model.seen == wanted  # in the same order and pieces as if never stopped
    check(cache, wanted)


def test_half_written_and_damaged_segments_are_left_out(tmp_path, caplog):
    wanted = keys(*range(8))
    for part in (wanted[:4], wanted[4:]):
        Cache(DIM, tmp_path).fill(part, Model(part))
    cut, _ = sorted(tmp_path.glob("*.npy"))
    cut.write_bytes(cut.read_bytes()[:-7])
    (tmp_path / f".{'0' * 32}.npy.x.tmp").write_bytes(b"half")
    (tmp_path / f"{'0' * 32}.npy").write_bytes(b"something else")
    with caplog.at_level(logging.WARNING):
        cache = Cache(DIM, tmp_path)
    assert len(cache) == 4
    assert caplog.text.count("a damaged segment, removed") == 2
    model = Model(wanted)
    cache.fill(wanted, model)
    assert len(model.seen) == 4
    check(Cache(DIM, tmp_path), wanted)
    assert len(list(tmp_path.glob("*.npy"))) == 2


def test_a_changed_bit_is_noticed(tmp_path):
    wanted = keys(1, 2)
    Cache(DIM, tmp_path).fill(wanted, Model(wanted))
    (file,) = tmp_path.glob("*.npy")
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    assert len(Cache(DIM, tmp_path)) == 0


def in_process(directory, wanted, out, go):
    cache, model = Cache(DIM, directory), Model(wanted)
    go.wait(30)
    cache.fill(wanted, model)
    check(cache, wanted)
    out.write_text(json.dumps([key.hex() for key in model.seen]))


@pytest.mark.parametrize("parts", [4096, 10], ids=["whole", "in parts"])
def test_processes_share_the_work(tmp_path, monkeypatch, parts):
    """Three that start at the same time: together they compute every sequence once."""
    monkeypatch.setattr(lm_cache, "IN_PARTS", parts)
    fork = multiprocessing.get_context("fork")
    wanted, go = keys(*range(60)), fork.Event()
    outs = [tmp_path / f"{i}.json" for i in range(3)]
    workers = [fork.Process(target=in_process, args=(tmp_path / "lm", wanted, out, go)) for out in outs]
    for worker in workers:
        worker.start()
    go.set()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    seen = [key for out in outs for key in json.loads(out.read_text())]
    assert sorted(seen) == sorted(key.hex() for key in wanted)


def die(directory, wanted):
    class Deadly(Model):
        def __call__(self, positions):
            yield from super().__call__(positions[:6])
            os.kill(os.getpid(), signal.SIGKILL)

    lm_cache.SEGMENT_SECONDS = 0.0
    Cache(DIM, directory).fill(wanted, Deadly(wanted))


def test_another_takes_over_from_one_that_was_killed(tmp_path):
    wanted = keys(*range(10))
    process = multiprocessing.get_context("fork").Process(target=die, args=(tmp_path, wanted))
    process.start()
    process.join(30)
    assert process.exitcode == -signal.SIGKILL
    model, cache = Model(wanted), Cache(DIM, tmp_path)
    cache.fill(wanted, model)
    assert model.seen == wanted[6:]
    check(cache, wanted)


def test_one_waits_for_what_another_is_computing(tmp_path):
    """A thread in the place of another process: a lock is of one acquisition."""
    wanted, started, go_on = keys(1, 2, 3), threading.Event(), threading.Event()

    class Slow(Model):
        def __call__(self, positions):
            started.set()
            assert go_on.wait(30)
            yield from super().__call__(positions)

    slow, first = Slow(wanted), Cache(DIM, tmp_path)
    thread = threading.Thread(target=first.fill, args=(wanted, slow))
    thread.start()
    assert started.wait(30)
    second, model = Cache(DIM, tmp_path), Model(wanted)
    waiting = threading.Thread(target=second.fill, args=(wanted, model))
    waiting.start()
    waiting.join(0.2)
    assert waiting.is_alive()
    go_on.set()
    for t in (thread, waiting):
        t.join(30)
        assert not t.is_alive()
    assert model.seen == []
    check(second, wanted)


def test_models_and_directories_have_caches_of_their_own(tmp_path, monkeypatch):
    monkeypatch.setattr(lm_cache, "_opened", {})
    monkeypatch.setenv(lm_cache.VARIABLE, str(tmp_path))
    a, b = lm_cache.open_cache("a" * 64, DIM), lm_cache.open_cache("b" * 64, DIM)
    assert a is lm_cache.open_cache("a" * 64, DIM)
    a.fill(keys(1), Model(keys(1)))
    assert len(a) == 1
    assert len(b) == 0
    monkeypatch.setenv(lm_cache.VARIABLE, "")
    memory = lm_cache.open_cache("a" * 64, DIM)
    assert memory.directory is None
    assert len(memory) == 0
