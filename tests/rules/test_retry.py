"""A job is sent again within bounds, and never paid for a fourth time without the user."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.rules.replies.reply_table import FETCH, SUBMIT, Outcome
from runner.rules.sending.retry import AUTOMATIC_EXTRAS_MAX, OnAmbiguous, backoff_s, is_retryable, next_state
from runner.rules.states import TRANSITIONS, Event, JobState

EVENTS = (Event.AMBIGUOUS, Event.LOST, Event.UNUSABLE, Event.GENERATION_FAILED)
UNITS = st.floats(0, 1, exclude_max=True)


@pytest.mark.parametrize(
    ("n", "max_s"), [(0, 1), (1, 1), (2, 2), (3, 4), (6, 32), (7, 60), (8, 60), (10**9, 60)]
)
def test_backoff_doubles_up_to_a_minute(n: int, max_s: float) -> None:
    """With full jitter, the wait is between 0 and the bound."""
    assert backoff_s(n, 0.0) == 0.0
    assert backoff_s(n, 0.5) == max_s / 2
    assert max_s * 0.99 < backoff_s(n, 0.999) < max_s


@given(st.integers(1, 50), UNITS, st.floats(0, 120))
def test_a_time_named_by_the_api_is_kept_for_any_count(n: int, unit: float, named_s: float) -> None:
    """The wait is never shorter and at most a tenth longer."""
    assert named_s <= backoff_s(n, unit, named_s) <= named_s + max(0.1, 0.1 * named_s)


@pytest.mark.parametrize(
    ("event", "attempts", "extras", "policy", "helps", "state"),
    [
        (Event.AMBIGUOUS, 1, 0, "resubmit", True, "pending"),
        (Event.AMBIGUOUS, 2, 1, "resubmit", True, "pending"),
        (Event.AMBIGUOUS, 3, 2, "resubmit", True, "held"),
        (Event.AMBIGUOUS, 9, 1, "resubmit", True, "pending"),  # it spends no attempt of the five
        (Event.AMBIGUOUS, 1, 0, "hold", True, "held"),
        (Event.LOST, 1, 0, "resubmit", True, "pending"),
        (Event.LOST, 1, 2, "resubmit", True, "held"),
        (Event.LOST, 1, 0, "hold", True, "held"),
        (Event.LOST, 1, 0, "resubmit", False, "held"),
        (Event.UNUSABLE, 1, 0, "hold", True, "pending"),
        (Event.UNUSABLE, 4, 1, "resubmit", True, "pending"),
        (Event.UNUSABLE, 5, 0, "resubmit", True, "failed"),
        (Event.UNUSABLE, 4, 2, "resubmit", True, "held"),
        (Event.UNUSABLE, 5, 2, "resubmit", True, "failed"),
        (Event.UNUSABLE, 1, 0, "resubmit", False, "failed"),
        (Event.GENERATION_FAILED, 4, 1, "hold", True, "pending"),
        (Event.GENERATION_FAILED, 5, 0, "resubmit", True, "failed"),
        (Event.GENERATION_FAILED, 1, 0, "resubmit", False, "failed"),
        (Event.GENERATION_FAILED, 3, 2, "resubmit", True, "failed"),
    ],
)
def test_what_follows_an_attempt_without_an_end(
    event: Event, attempts: int, extras: int, policy: OnAmbiguous, helps: bool, state: str
) -> None:
    """The next state, with five attempts allowed."""
    decided = next_state(
        event, attempts_spent=attempts, extras=extras, max_attempts=5, on_ambiguous=policy, retry_helps=helps
    )
    assert decided == state


@given(
    st.sampled_from(EVENTS),
    st.integers(1, 20),
    st.integers(0, 20),
    st.integers(1, 20),
    st.sampled_from(["resubmit", "hold"]),
    st.booleans(),
)
def test_a_decision_is_always_a_move_of_the_table(
    event: Event, attempts: int, extras: int, max_attempts: int, policy: OnAmbiguous, helps: bool
) -> None:
    """Otherwise the guarded UPDATE would refuse it; after two extras no job is sent again."""
    state = next_state(
        event,
        attempts_spent=attempts,
        extras=extras,
        max_attempts=max_attempts,
        on_ambiguous=policy,
        retry_helps=helps,
    )
    assert state in TRANSITIONS[event].targets
    assert state is not JobState.PENDING or (extras < AUTOMATIC_EXTRAS_MAX and helps)


def test_the_jobs_own_faults_are_not_worth_a_retry() -> None:
    """Everything else may end differently next time."""
    own = {row.code for row in SUBMIT if row.outcome is Outcome.REFUSED}
    assert {"bad-request", "safety", "bad-field", "request-too-large"} <= own
    assert not any(is_retryable(code) for code in {*own, "reply-too-large"})
    others = {row.code for row in (*SUBMIT, *FETCH)} - own
    assert all(is_retryable(code) for code in {*others, "not-json", "no-choices", "no-reply", "no-such-code"})
