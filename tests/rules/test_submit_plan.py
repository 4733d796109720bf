"""What goes in a batch: one bucket, one probe, one exclusive retry, and what fits into memory."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.rules.sending.retry import AUTOMATIC_EXTRAS_MAX
from runner.rules.sending.submit_plan import (
    CHUNK_FIRST,
    CHUNK_MAX,
    CHUNK_MIN,
    HELD_BYTES_MAX,
    SendState,
    is_last_try,
    next_chunk,
    plan_batch,
)

LAST = AUTOMATIC_EXTRAS_MAX
BUCKETS = {"a": "team:a", "a-latest": "team:a", "b": "team:b"}


@dataclass(frozen=True)
class Queued:
    """A leased job; `name` tells it from others."""

    name: int = 0
    model: str = "a"
    extras: int = 0
    body_bytes: int = 1_000


def state(
    unreplied: int = 0,
    *,
    held_bytes: int = 0,
    unreplied_max: int = 100,
    is_exclusive: bool = False,
    should_probe: bool = False,
) -> SendState:
    """Return what is out; by default nothing."""
    return SendState(
        unreplied=unreplied,
        held_bytes=held_bytes,
        unreplied_max=unreplied_max,
        is_exclusive=is_exclusive,
        should_probe=should_probe,
    )


def names(queued: list[Queued], out: SendState) -> list[int]:
    """Return which jobs a batch takes."""
    return [job.name for job in plan_batch(queued, BUCKETS, out).jobs]


@pytest.mark.parametrize(
    ("queued", "out", "expected"),
    [
        ([Queued(1), Queued(2)], state(), [1, 2]),
        ([Queued(1), Queued(2)], state(99), [1]),
        ([Queued(1), Queued(2)], state(100), []),
        ([Queued(1), Queued(2)], state(101), []),
        ([Queued(1), Queued(2, model="b"), Queued(3, model="a-latest")], state(), [1, 3]),
        ([Queued(1), Queued(2)], state(is_exclusive=True), []),
        ([Queued(1, extras=LAST), Queued(2)], state(), [1]),
        ([Queued(1, extras=LAST), Queued(2)], state(1), []),
        ([Queued(1), Queued(2, extras=LAST), Queued(3)], state(), [1]),
        ([Queued(1), Queued(2)], state(should_probe=True), [1]),
        ([Queued(1), Queued(2)], state(1, should_probe=True), []),
        ([Queued(1, extras=1), Queued(2), Queued(3)], state(should_probe=True), [2]),
        ([Queued(1, extras=2), Queued(2, model="b", extras=1)], state(should_probe=True), [2]),
    ],
    ids=[
        "all",
        "as many as may have no reply",
        "none, at the most",
        "none, beyond it",
        "of the first one's bucket",
        "none beside an exclusive retry",
        "an exclusive retry alone",
        "an exclusive retry waits until nothing is out",
        "up to an exclusive retry",
        "one probe",
        "no second probe",
        "a probe without extras",
        "a probe with the fewest extras, in its own bucket",
    ],
)
def test_a_batch(queued: list[Queued], out: SendState, expected: list[int]) -> None:
    """Jobs stay in their order."""
    assert names(queued, out) == expected


def test_the_bucket_is_that_of_the_first_job() -> None:
    """For a probe, that of the job which is sent."""
    queued = [Queued(1, extras=1), Queued(2, model="b")]
    assert plan_batch(queued, BUCKETS, state()).bucket == "team:a"
    assert plan_batch(queued, BUCKETS, state(should_probe=True)).bucket == "team:b"


@pytest.mark.parametrize(
    ("sizes", "held", "count"),
    [
        ((1, 1), 0, 2),
        ((HELD_BYTES_MAX, 1), 0, 1),
        ((1, HELD_BYTES_MAX), 0, 1),
        ((2 * HELD_BYTES_MAX,), 0, 1),
        ((2 * HELD_BYTES_MAX,), 1, 0),
        ((1,), HELD_BYTES_MAX, 0),
        ((1, 1), HELD_BYTES_MAX - 1, 1),
    ],
)
def test_what_waits_for_a_reply_fits_into_memory(sizes: tuple[int, ...], held: int, count: int) -> None:
    """A job of any size goes when nothing else is held."""
    queued = [Queued(name, body_bytes=size) for name, size in enumerate(sizes)]
    assert len(names(queued, state(1 if held else 0, held_bytes=held))) == count


JOBS = st.builds(
    Queued,
    name=st.integers(0, 10**6),
    model=st.sampled_from(sorted(BUCKETS)),
    extras=st.integers(0, LAST + 1),
    body_bytes=st.integers(1, 2 * HELD_BYTES_MAX),
)
STATES = st.builds(
    SendState,
    unreplied=st.integers(0, 12),
    held_bytes=st.integers(0, HELD_BYTES_MAX),
    unreplied_max=st.integers(1, 10),
    is_exclusive=st.booleans(),
    should_probe=st.booleans(),
)


@given(st.lists(JOBS, min_size=1, max_size=12), STATES)
def test_whatever_is_queued(queued: list[Queued], out: SendState) -> None:
    """No job twice, no other bucket, no exclusive retry in company, never more than are allowed."""
    batch = plan_batch(queued, BUCKETS, out)
    chosen = list(batch.jobs)
    assert all(job in queued for job in chosen)
    assert len(chosen) <= max(0, out.unreplied_max - out.unreplied)
    assert {BUCKETS[job.model] for job in chosen} <= {batch.bucket}
    if any(is_last_try(job) for job in chosen):
        assert (len(chosen), out.unreplied) == (1, 0)
    if out.must_wait:
        assert chosen == []
    if out.should_probe:
        assert len(chosen) <= 1
    if len(chosen) > 1 or (chosen and out.held_bytes):
        assert out.held_bytes + sum(job.body_bytes for job in chosen) <= HELD_BYTES_MAX


@pytest.mark.parametrize(
    ("chunk", "granted", "is_all", "expected"),
    [
        (CHUNK_FIRST, CHUNK_FIRST, True, 2 * CHUNK_FIRST),
        (CHUNK_MAX, CHUNK_MAX, True, CHUNK_MAX),
        (100, 10, False, 40),
        (100, 0, False, CHUNK_MIN),
        (16, 90, False, 16),
    ],
)
def test_how_many_are_leased_next(chunk: int, granted: int, is_all: bool, expected: int) -> None:
    """More while slots are plenty; not many more than come at a time while they are scarce."""
    assert next_chunk(chunk, granted, is_all=is_all) == expected
