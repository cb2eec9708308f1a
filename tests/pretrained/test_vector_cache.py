"""Vectors of sequences are computed once: by one of several processes, over all experiments, whatever is killed."""

import json
import logging
import multiprocessing
import os
import signal
import tempfile
import threading
from types import SimpleNamespace

import numpy as np
import pytest

from gde.errors import GdeError
from gde.pretrained import vector_cache as lm_cache
from gde.pretrained import vector_segment as lm_segment
from gde.pretrained.vector_cache import Cache, key_of
from gde.pretrained.vector_index import Index
from gde.pretrained.vector_segment import of_keys

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
    assert len(list(tmp_path.glob("*.vectors"))) == 2
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
    cut, _ = sorted(tmp_path.glob("*.vectors"))
    cut.write_bytes(cut.read_bytes()[:-7])
    (tmp_path / f".{'0' * 32}.vectors.x.tmp").write_bytes(b"half")
    (tmp_path / f"{'0' * 32}.vectors").write_bytes(b"something else")
    with caplog.at_level(logging.WARNING):
        cache = Cache(DIM, tmp_path)
    assert len(cache) == 4
    assert caplog.text.count("a damaged segment, removed") == 2
    model = Model(wanted)
    cache.fill(wanted, model)
    assert len(model.seen) == 4
    check(Cache(DIM, tmp_path), wanted)
    assert len(list(tmp_path.glob("*.vectors"))) == 2


FRONT, ROW = 32, 40  # bytes of a file's head; of a key and the digest of its row
PLACES = {"head": 20, "key": FRONT, "digest": FRONT + 2 * ROW - 1, "vector": -1}


@pytest.mark.parametrize("place", PLACES)
def test_a_changed_bit_is_noticed(tmp_path, caplog, place):
    """In what stands before the vectors when the file is opened, in a vector when it is read."""
    wanted = keys(1, 2)
    Cache(DIM, tmp_path).fill(wanted, Model(wanted))
    (file,) = tmp_path.glob("*.vectors")
    data = bytearray(file.read_bytes())
    data[PLACES[place]] ^= 1
    file.write_bytes(data)
    cache, model = Cache(DIM, tmp_path), Model(wanted)
    assert len(cache) == (2 if place == "vector" else 0)
    with caplog.at_level(logging.WARNING):
        found = cache.look_up(wanted, model)
    np.testing.assert_array_equal(found, np.stack([vector(k) for k in wanted]))
    assert model.seen == wanted  # of a damaged file nothing is believed
    assert not file.exists()
    assert "a damaged segment, removed" in caplog.text or place != "vector"
    assert (cache.hits, cache.misses) == (0, 2)
    cache.flush()
    check(Cache(DIM, tmp_path), wanted)


def test_vectors_are_compared_with_their_digests_once_and_only_those_that_are_read(tmp_path, monkeypatch):
    wanted = keys(*range(100))
    Cache(DIM, tmp_path).fill(wanted, Model(wanted))
    seen = []
    true = lm_segment.row_check
    monkeypatch.setattr(lm_segment, "row_check", lambda key, value: seen.append(key) or true(key, value))
    cache = Cache(DIM, tmp_path)
    assert len(cache) == 100
    assert seen == []  # the start reads no vectors
    for _ in range(2):
        check(cache, wanted[:7])
    assert sorted(bytes(key).ljust(32, b"\0") for key in seen) == sorted(wanted[:7])


def test_a_file_of_another_width_is_no_segment(tmp_path):
    Cache(DIM, tmp_path).fill(keys(1), Model(keys(1)))
    assert len(Cache(DIM + 1, tmp_path)) == 0


def test_a_disk_without_room_is_refused_before_anything_is_computed(tmp_path, monkeypatch):
    wanted, model = keys(*range(1000)), Model(keys(*range(1000)))
    cache, row = Cache(DIM, tmp_path), 4 * DIM + 40
    free = SimpleNamespace(free=1000 * row - 1)
    monkeypatch.setattr(lm_cache.shutil, "disk_usage", lambda path: free)
    with pytest.raises(GdeError, match=r"expected 6e-05 GB for the vectors of 1000 sequences; .*GDE_LM_CACHE") as e:
        cache.fill(wanted, model)
    assert "\n" not in str(e.value)
    assert model.seen == []
    cache.fill(wanted[:1], model)
    cache.fill(wanted[1:], Model(wanted[1:]))  # what is there needs no room
    assert len(cache) == 1000


def test_much_that_is_computed_is_written_before_it_fills_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(lm_cache, "SEGMENT_BYTES", 10 * 4 * DIM)
    wanted = keys(*range(40))
    cache = Cache(DIM, tmp_path)
    cache.fill(wanted, Model(wanted))
    assert len(list(tmp_path.glob("*.vectors"))) == 4  # of 12, by threes, the last of 4
    check(Cache(DIM, tmp_path), wanted)


@pytest.mark.parametrize("variable", [True, False])
def test_what_is_kept_for_a_while_goes(tmp_path, monkeypatch, variable):
    """Beside the other vectors, where a place for these is named; also when the process was killed."""
    monkeypatch.setenv(lm_cache.VARIABLE, str(tmp_path) if variable else "")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    with lm_cache.passing_cache(DIM) as cache:
        cache.fill(keys(1, 2), Model(keys(1, 2)))
        check(cache, keys(1, 2))
        inside = cache.directory
        assert list(inside.glob("*.vectors"))
        assert inside.parent == (tmp_path if variable else tmp_path / "temporary")
    assert not inside.exists()


def test_what_killed_processes_kept_for_a_while_is_removed_by_the_next(tmp_path, monkeypatch):
    monkeypatch.setenv(lm_cache.VARIABLE, str(tmp_path))

    def stay():
        with lm_cache.passing_cache(DIM) as cache:
            cache.fill(keys(1), Model(keys(1)))
            os.kill(os.getpid(), signal.SIGKILL)

    process = multiprocessing.get_context("fork").Process(target=stay)
    process.start()
    process.join(30)
    (left,) = tmp_path.iterdir()
    with lm_cache.passing_cache(DIM) as cache:
        assert not left.exists()
        assert cache.directory.is_dir()


def test_the_index_finds_what_was_added_in_any_order():
    """Against a dict: keys that come again keep their place, dropped blocks are forgotten."""
    rng, index, expected = np.random.default_rng(0), Index(), {}
    for block in range(60):
        own = [key_of(bytes([int(i)])) for i in rng.integers(0, 250, rng.integers(1, 40))]
        index.add(of_keys(own), block)
        for row, key in enumerate(own):
            expected.setdefault(key, (block, row))
    for dropped in (None, 0, 17, 59):
        if dropped is not None:
            index.drop(dropped)
            expected = {key: place for key, place in expected.items() if place[0] != dropped}
        asked = [key_of(bytes([i])) for i in range(250)]
        found = [tuple(place) if place["block"] >= 0 else None for place in index.find(of_keys(asked))]
        assert found == [expected.get(key) for key in asked]
        assert len(index) == len(expected)


def test_keys_with_zeros_at_their_ends_are_told_apart():
    index, wanted = Index(), [b"a" * 31 + b"\0", b"a" * 30 + b"\0\0", b"\0" * 32]
    index.add(of_keys(wanted[:2]), 3)
    assert index.find(of_keys(wanted))["block"].tolist() == [3, 3, -1]
    assert len({int(row) for row in index.find(of_keys(wanted[:2]))["row"]}) == 2


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
