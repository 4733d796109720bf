"""What follows a submit without a request_id: each outcome has a row, and no job is sent for ever."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.rules.replies.after_submit import (
    REFERENCE_GONE,
    AttemptCost,
    JobPolicy,
    SubmitMove,
    SubmitStep,
    after_submit,
    is_counted,
    is_firewall_page,
    needs_path_check,
    pause_after,
)
from runner.rules.replies.reply import Classification
from runner.rules.replies.reply_table import FIREWALL_PAGE, RETRY_FORBIDDEN, Outcome
from runner.rules.sending.probes import PROBE_WAIT_S_MAX, UNAVAILABLE_AFTER
from runner.rules.sending.retry import AUTOMATIC_EXTRAS_MAX
from runner.rules.states import JobState, PauseReason

POLICY = JobPolicy(spent=0, extras=0, max_attempts=5, on_ambiguous="resubmit")
HELD, FAILED, PENDING = JobState.HELD, JobState.FAILED, JobState.PENDING
REFUSED = SubmitStep(move=SubmitMove.REFUSED, cost=AttemptCost.REFUSAL, is_bad=False)
FOR_NOW = SubmitStep(move=SubmitMove.REFUSED_FOR_NOW)
UNKNOWN = SubmitStep(move=SubmitMove.AMBIGUOUS, cost=AttemptCost.UNKNOWN, is_bad=True)
SUBMIT_FAILURES = [
    Outcome.NOT_SENT,
    Outcome.REFUSED_FOR_NOW,
    Outcome.TRANSIENT,
    Outcome.REFUSED,
    Outcome.VALUE_REFUSED,
    Outcome.ACCOUNT,
    Outcome.AMBIGUOUS,
]


def found(outcome: Outcome, code: str = "some-code", **rest: Any) -> Classification:
    """Return a classified reply."""
    return Classification(outcome=outcome, code=code, **rest)


def step(outcome: Outcome, policy: JobPolicy = POLICY, **rest: Any) -> SubmitStep:
    """Return what follows, with a pause of 7 s and the middle of every jitter."""
    facts = {key: rest.pop(key) for key in ("is_path_right", "is_content_filtered") if key in rest}
    return after_submit(found(outcome, **rest), policy, pause_s=7.0, rng_unit=0.5, **facts)


@pytest.mark.parametrize(
    ("outcome", "facts", "expected"),
    [
        (Outcome.NOT_SENT, {}, SubmitStep(move=SubmitMove.NOT_SENT)),
        (Outcome.REFUSED_FOR_NOW, {}, replace(FOR_NOW, wait_s=7.0)),
        (
            Outcome.REFUSED_FOR_NOW,
            {"may_cost": True},
            replace(FOR_NOW, wait_s=7.0, cost=AttemptCost.HIDDEN),
        ),
        (Outcome.REFUSED_FOR_NOW, {"is_content_filtered": True}, replace(REFUSED, target=HELD)),
        (Outcome.TRANSIENT, {}, replace(FOR_NOW, wait_s=0.5, spent=1)),
        (Outcome.TRANSIENT, {"retry_after_s": 3.0}, replace(FOR_NOW, wait_s=3.15, spent=1)),
        (Outcome.REFUSED, {}, replace(REFUSED, target=FAILED)),
        (Outcome.VALUE_REFUSED, {}, replace(REFUSED, target=HELD, of_a_value=True)),
        (Outcome.ACCOUNT, {"reason": PauseReason.KEY}, replace(FOR_NOW, pauses=PauseReason.KEY)),
        (
            Outcome.ACCOUNT,
            {"reason": PauseReason.SETTING, "is_path_right": True},
            replace(REFUSED, target=HELD, code=REFERENCE_GONE, of_a_value=True),
        ),
        (Outcome.AMBIGUOUS, {}, replace(UNKNOWN, target=PENDING)),
        (Outcome.AMBIGUOUS, {"code": RETRY_FORBIDDEN}, replace(UNKNOWN, target=HELD)),
    ],
)
def test_each_outcome(outcome: Outcome, facts: dict[str, Any], expected: SubmitStep) -> None:
    """How the job moves, when it is sent again, what it may have cost, and whether the run pauses."""
    got = step(outcome, **facts)
    assert got.wait_s == pytest.approx(expected.wait_s)
    assert replace(got, wait_s=0.0) == replace(expected, wait_s=0.0)


@pytest.mark.parametrize(
    ("policy", "target"),
    [
        (POLICY, PENDING),
        (replace(POLICY, extras=AUTOMATIC_EXTRAS_MAX - 1), PENDING),
        (replace(POLICY, extras=AUTOMATIC_EXTRAS_MAX), HELD),
        (replace(POLICY, on_ambiguous="hold"), HELD),
    ],
)
def test_a_job_of_unknown_outcome_is_sent_twice_more_at_most(policy: JobPolicy, target: JobState) -> None:
    """Then a person decides: each time may have been paid."""
    assert step(Outcome.AMBIGUOUS, policy).target is target


@pytest.mark.parametrize(("spent", "target"), [(0, PENDING), (3, PENDING), (4, FAILED), (9, FAILED)])
def test_a_refusal_of_a_moment_spends_an_attempt(spent: int, target: JobState) -> None:
    """The last one ends the job."""
    assert step(Outcome.TRANSIENT, replace(POLICY, spent=spent)).target is target


POLICIES = st.builds(
    JobPolicy,
    spent=st.integers(0, 9),
    extras=st.integers(0, 4),
    max_attempts=st.integers(1, 9),
    on_ambiguous=st.sampled_from(["resubmit", "hold"]),
)


@given(st.sampled_from(SUBMIT_FAILURES), POLICIES, st.booleans(), st.booleans())
def test_whatever_comes(outcome: Outcome, policy: JobPolicy, is_path_right: bool, is_filtered: bool) -> None:
    """What may have been paid is counted; what was not taken costs nothing; only an account pauses."""
    got = step(
        outcome,
        policy,
        reason=PauseReason.KEY if outcome is Outcome.ACCOUNT else None,
        is_path_right=is_path_right and outcome is Outcome.ACCOUNT,
        is_content_filtered=is_filtered,
    )
    assert (got.move is SubmitMove.AMBIGUOUS) == (outcome is Outcome.AMBIGUOUS)
    assert (got.cost is AttemptCost.UNKNOWN) == (got.is_bad is True) == (outcome is Outcome.AMBIGUOUS)
    assert (got.pauses is not None) == (outcome is Outcome.ACCOUNT and not is_path_right)
    assert (got.target is PENDING) or got.move in (SubmitMove.REFUSED, SubmitMove.AMBIGUOUS)
    assert got.wait_s >= 0


@pytest.mark.parametrize("outcome", SUBMIT_FAILURES)
def test_verdicts_are_no_failures_of_the_service(outcome: Outcome) -> None:
    """The API gave them, so it is there."""
    verdicts = (Outcome.REFUSED, Outcome.VALUE_REFUSED, Outcome.ACCOUNT)
    assert is_counted(outcome) is (outcome not in verdicts)


@pytest.mark.parametrize(
    ("outcome", "should_probe", "is_shared"),
    [
        (Outcome.NOT_SENT, False, True),
        (Outcome.REFUSED_FOR_NOW, False, True),
        (Outcome.TRANSIENT, False, False),
        (Outcome.TRANSIENT, True, True),
        (Outcome.AMBIGUOUS, False, False),
        (Outcome.AMBIGUOUS, True, True),
    ],
)
def test_a_single_failure_of_a_moment_pauses_nobody(
    outcome: Outcome, should_probe: bool, is_shared: bool
) -> None:
    """The second in a row does."""
    assert pause_after(found(outcome), 1, 0.5, should_probe=should_probe).is_shared is is_shared


@pytest.mark.parametrize(
    ("in_a_row", "retry_after_s", "pause_s"),
    [(1, None, 0.5), (3, None, 2.0), (9, None, PROBE_WAIT_S_MAX), (9, 100.0, 105.0), (1, 0.0, 0.05)],
)
def test_a_pause_grows_with_the_failures(in_a_row: int, retry_after_s: float | None, pause_s: float) -> None:
    """Unless the API says how long; then a little longer than that."""
    pause = pause_after(
        found(Outcome.REFUSED_FOR_NOW, retry_after_s=retry_after_s), in_a_row, 0.5, should_probe=False
    )
    assert pause.pause_s == pytest.approx(pause_s)


@pytest.mark.parametrize(
    ("in_a_row", "code", "waits"),
    [
        (UNAVAILABLE_AFTER - 1, "capacity", False),
        (UNAVAILABLE_AFTER, "capacity", True),
        (UNAVAILABLE_AFTER, "rate-limited", False),
    ],
)
def test_a_run_waits_after_failures_in_a_row(in_a_row: int, code: str, waits: bool) -> None:
    """Not for a rate limit: the limiter shows that pause."""
    pause = pause_after(found(Outcome.REFUSED_FOR_NOW, code), in_a_row, 0.5, should_probe=True)
    assert pause.run_waits is waits
    assert pause.is_rate_limited is (code == "rate-limited")


@pytest.mark.parametrize(
    ("outcome", "status", "needs"),
    [(Outcome.ACCOUNT, 404, True), (Outcome.ACCOUNT, 403, False), (Outcome.REFUSED, 404, False)],
)
def test_a_404_is_the_settings_fault_or_the_lines(outcome: Outcome, status: int, needs: bool) -> None:
    """So the base URL is asked."""
    assert needs_path_check(found(outcome), status) is needs


@pytest.mark.parametrize(
    ("outcome", "code", "is_page"),
    [
        (Outcome.REFUSED_FOR_NOW, FIREWALL_PAGE, True),
        (Outcome.REFUSED_FOR_NOW, "capacity", False),
        (Outcome.REFUSED, FIREWALL_PAGE, False),
    ],
)
def test_a_firewall_page(outcome: Outcome, code: str, is_page: bool) -> None:
    """It may be about the network or about this job."""
    assert is_firewall_page(found(outcome, code)) is is_page
