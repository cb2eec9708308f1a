"""Random streams of an evaluation follow from seed and name alone; what is left out is one list."""

import torch
from fakes import MomentModel, context


def test_a_stream_is_its_seed_and_name():
    one, again, other = context({}), context({}), context({}, seed=1)
    assert one.random("a").integers(1 << 62) == again.random("a").integers(1 << 62)
    apart = [one.random("a"), one.random("b"), one.random("a", "group"), other.random("a")]
    assert len({rng.integers(1 << 62) for rng in apart}) == 4


def test_the_shared_stream_goes_on_and_a_drawing_begins():
    ctx = context({})
    first, second = (ctx.rng.integers(1 << 62) for _ in range(2))
    assert first != second
    assert ctx.drawing(ctx.stream).rng.integers(1 << 62) == first == ctx.random(ctx.stream).integers(1 << 62)
    assert ctx.drawing("another").rng.integers(1 << 62) not in (first, second)


def test_what_is_generated_has_streams_of_its_own():
    ctx = context({}, model=MomentModel(2))
    a, b, c = (torch.rand(3, generator=ctx.generator(stream)) for stream in ("a", "a", "b"))
    assert torch.equal(a, b) and not torch.equal(a, c)


def test_parts_of_an_evaluation_leave_out_in_one_list():
    ctx = context({})
    ctx.drawing("a").leave_out("x", "why")
    ctx.leave_out("y", "also")
    assert ctx.left == [("x", "why"), ("y", "also")] and context({}).left == []
