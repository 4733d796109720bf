"""What follows a fetch without an answer: no answer is bought again before the API says that it is gone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.rules.replies.after_fetch import (
    ACCOUNT_WAIT_S,
    EXPIRED,
    FULL_DISK_WAIT_S,
    GONE,
    NEVER_READY,
    NO_SLOT_WAIT_S,
    NOT_ASKED,
    NOT_FOUND_WAIT_S,
    RETRY_WAIT_S_MIN,
    FetchedJob,
    FetchMove,
    FetchStep,
    PollState,
    after_fetch,
    is_expired,
    is_unavailable,
    needs_origin_check,
    postponed_s,
    retry_wait_s,
)
from runner.rules.replies.reply import Classification
from runner.rules.replies.reply_table import Outcome
from runner.rules.sending.polling import EXPIRES_AFTER_S, GIVE_UP_AFTER_S
from runner.rules.sending.probes import UNAVAILABLE_AFTER
from runner.rules.states import Event, JobState, PauseReason

YOUNG = FetchedJob(age_s=10.0, polls=1, misses=0, is_interrupted=False)
MISSED = replace(YOUNG, misses=1)
OLD = replace(YOUNG, age_s=EXPIRES_AFTER_S + 1)
LATER, LOST = FetchStep(move=FetchMove.LATER), FetchStep(move=FetchMove.LOST, has_replied=True)
NOW = PollState(
    paused_s=-5.0,
    needs_slot=False,
    has_slot=False,
    is_slot_usable=False,
    is_disk_full=False,
    is_outage=False,
    is_probe=False,
    is_stopping=False,
    is_lease_late=False,
)


def found(outcome: Outcome, code: str = "some-code", **rest: Any) -> Classification:
    """Return a classified reply."""
    return Classification(outcome=outcome, code=code, **rest)


@pytest.mark.parametrize(
    ("reply", "job", "expected"),
    [
        (found(Outcome.NOT_READY), YOUNG, FetchStep(move=FetchMove.NOT_READY, has_replied=True)),
        (found(Outcome.NOT_READY), OLD, FetchStep(move=FetchMove.NOT_READY, has_replied=True)),
        (
            found(Outcome.NOT_READY),
            replace(YOUNG, age_s=GIVE_UP_AFTER_S + 1),
            replace(LOST, code=NEVER_READY, target=JobState.HELD, has_replied=False),
        ),
        (
            found(Outcome.ACCOUNT, reason=PauseReason.KEY),
            MISSED,
            replace(LATER, wait_s=ACCOUNT_WAIT_S, misses=1, pauses=PauseReason.KEY),
        ),
        (
            found(Outcome.GONE, GONE),
            YOUNG,
            replace(LATER, wait_s=NOT_FOUND_WAIT_S, misses=1, has_replied=True),
        ),
        (found(Outcome.GONE, GONE), MISSED, replace(LOST, code=GONE, is_bad=True)),
        (found(Outcome.GONE, GONE), replace(MISSED, is_interrupted=True), replace(LOST, code=GONE)),
        (
            found(Outcome.GONE, "reply-too-large"),
            YOUNG,
            replace(LOST, code="reply-too-large", is_bad=True),
        ),
        (found(Outcome.GONE, GONE), OLD, replace(LOST, code=EXPIRED, target=JobState.HELD)),
        (found(Outcome.FOREIGN), MISSED, FetchStep(move=FetchMove.UNREADABLE)),
        (
            found(Outcome.GENERATION_FAILED),
            YOUNG,
            FetchStep(move=FetchMove.GENERATION_FAILED, event=Event.GENERATION_FAILED, has_replied=True),
        ),
        (
            found(Outcome.LATER, NOT_ASKED, retry_after_s=3.0),
            MISSED,
            replace(LATER, wait_s=3.0, misses=1, was_asked=False),
        ),
        (found(Outcome.LATER, "no-reply"), MISSED, replace(LATER, misses=1, is_failure=True)),
    ],
)
def test_each_outcome(reply: Classification, job: FetchedJob, expected: FetchStep) -> None:
    """How the job moves, when it is asked for again, and what that says of the API."""
    assert after_fetch(reply, job) == expected


def test_a_404_in_unknown_words_counts_if_it_is_the_apis() -> None:
    """As one in known words."""
    foreign = found(Outcome.FOREIGN, "not-found")
    assert after_fetch(foreign, YOUNG, is_of_the_api=True).misses == 1
    assert after_fetch(foreign, MISSED, is_of_the_api=True) == replace(LOST, code=GONE, is_bad=True)
    assert [needs_origin_check(foreign, status) for status in (404, 410, None)] == [True, False, False]
    assert not needs_origin_check(found(Outcome.GONE), 404)


JOBS = st.builds(
    FetchedJob,
    age_s=st.floats(0, 3 * EXPIRES_AFTER_S),
    polls=st.integers(1, 50),
    misses=st.integers(0, 3),
    is_interrupted=st.booleans(),
)
FETCHES = [
    Outcome.NOT_READY,
    Outcome.LATER,
    Outcome.GONE,
    Outcome.FOREIGN,
    Outcome.GENERATION_FAILED,
    Outcome.ACCOUNT,
]


@given(st.sampled_from(FETCHES), JOBS, st.booleans())
def test_only_the_api_itself_ends_an_attempt(outcome: Outcome, job: FetchedJob, is_of_the_api: bool) -> None:
    """A failure, a refusal or another server never does: the answer may still be there."""
    got = after_fetch(found(outcome, GONE), job, is_of_the_api=is_of_the_api)
    said_gone = outcome is Outcome.GONE or (outcome is Outcome.FOREIGN and is_of_the_api)
    may_end = said_gone or outcome in (Outcome.NOT_READY, Outcome.GENERATION_FAILED)
    assert may_end or got.move in (FetchMove.LATER, FetchMove.UNREADABLE)
    assert not (got.move is FetchMove.LOST and got.target is None) or (said_gone and job.misses >= 1)
    assert got.is_bad <= (got.move is FetchMove.LOST and not job.is_interrupted)
    assert (got.wait_s or 0.0) >= 0


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (NOW, None),
        (replace(NOW, paused_s=4.0), 4.0),
        (replace(NOW, needs_slot=True, has_slot=True, is_slot_usable=True), None),
        (replace(NOW, needs_slot=True, has_slot=True), 0.0),
        (replace(NOW, needs_slot=True), NO_SLOT_WAIT_S),
        (replace(NOW, needs_slot=True, paused_s=9.0), 9.0),
        (replace(NOW, is_disk_full=True), FULL_DISK_WAIT_S),
        (replace(NOW, is_outage=True), 0.0),
        (replace(NOW, is_outage=True, is_probe=True), None),
        (replace(NOW, is_outage=True, is_probe=True, is_disk_full=True), FULL_DISK_WAIT_S),
        (replace(NOW, is_stopping=True), 0.0),
        (replace(NOW, is_lease_late=True), 0.0),
    ],
)
def test_whether_a_poll_is_sent(state: PollState, expected: float | None) -> None:
    """Not while the limiter pauses, without its slot, into a full disk, in an outage, or beyond its lease."""
    assert postponed_s(state) == expected


@pytest.mark.parametrize(
    ("polls", "retry_after_s", "wait_s"),
    [(1, None, 0.5), (3, None, 2.0), (6, None, 16.0), (60, None, 16.0), (1, 20.0, 21.0), (1, 0.0, 0.2)],
)
def test_the_wait_after_a_failure(polls: int, retry_after_s: float | None, wait_s: float) -> None:
    """It grows with the polls of the job, up to a bound."""
    assert retry_wait_s(polls, 0.5, retry_after_s) == pytest.approx(wait_s)
    assert retry_wait_s(polls, 0.0, None) == RETRY_WAIT_S_MIN


@pytest.mark.parametrize(
    ("in_a_row", "code", "expected"),
    [
        (UNAVAILABLE_AFTER - 1, "no-reply", False),
        (UNAVAILABLE_AFTER, "no-reply", True),
        (UNAVAILABLE_AFTER, "rate-limited", False),
    ],
)
def test_when_answers_cannot_be_fetched(in_a_row: int, code: str, expected: bool) -> None:
    """After some failures in a row, but for refusals by rate."""
    assert is_unavailable(in_a_row, code) is expected


def test_an_answer_expires_after_24_hours() -> None:
    """The API's own limit."""
    assert [is_expired(age_s) for age_s in (0.0, EXPIRES_AFTER_S, EXPIRES_AFTER_S + 1)] == [
        False,
        False,
        True,
    ]
