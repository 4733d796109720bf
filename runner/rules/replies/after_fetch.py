"""What follows a fetch that brought no answer: poll again, and when; lost; held; or a reply to count.

`postponed_s` decides before a fetch whether to send it, `after_fetch` afterwards how its job moves.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from runner.rules.replies.reply_table import RATE_LIMITED, Outcome
from runner.rules.sending import polling, retry
from runner.rules.sending.probes import UNAVAILABLE_AFTER
from runner.rules.states import Event, JobState

if TYPE_CHECKING:
    from runner.rules.replies.reply import Classification
    from runner.rules.states import PauseReason

NOT_FOUND_MAX: Final = 2
NOT_FOUND_WAIT_S: Final = 2.0
ACCOUNT_WAIT_S: Final = 30.0  # between polls while the account is refused
RETRY_WAIT_S_MIN: Final = 0.2
NO_SLOT_WAIT_S: Final = 1.0
FULL_DISK_WAIT_S: Final = 2.0
NOT_ASKED: Final = "not-asked"  # of a poll that was not sent: the limiter pauses, the process or lease ends
GONE: Final = "result-gone"
UNREADABLE: Final = "unreadable"  # the code of a job whose answer could not be read in 24 hours
EXPIRED: Final = "expired"
NEVER_READY: Final = "never-ready"
_POLLS_MAX: Final = 6  # of a job, that lengthen its backoff


@dataclass(frozen=True, slots=True, kw_only=True)
class PollState:
    """What decides whether a claimed job may be asked for now, right before that.

    `paused_s`: the limiter's pause of its bucket. `needs_slot` but not `has_slot`: none came in time.
    """

    paused_s: float
    needs_slot: bool
    has_slot: bool
    is_slot_usable: bool
    is_disk_full: bool  # an answer that cannot be kept would be lost: it is handed out once
    is_outage: bool
    is_probe: bool  # of that outage
    is_stopping: bool
    is_lease_late: bool


def postponed_s(state: PollState) -> float | None:
    """Return the seconds after which to try again; None if the fetch may be sent now."""
    wait_s = max(
        state.paused_s,
        NO_SLOT_WAIT_S if state.needs_slot and not state.has_slot else 0.0,
        FULL_DISK_WAIT_S if state.is_disk_full else 0.0,
    )
    reasons = (
        wait_s > 0,
        state.is_outage and not state.is_probe,
        state.has_slot and not state.is_slot_usable,
        state.is_stopping,
        state.is_lease_late,
    )
    return max(wait_s, 0.0) if any(reasons) else None


class FetchMove(StrEnum):
    """How the job moves: the names of moves in `db.moves.job_moves`."""

    LATER = "later"
    NOT_READY = "not_ready"
    LOST = "lost"
    GENERATION_FAILED = "generation_failed"
    UNREADABLE = "unreadable"  # counted: it may still be there


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedJob:
    """What decides what follows: the age of the request, how often it was asked for and not found."""

    age_s: float
    polls: int
    misses: int
    is_interrupted: bool  # a crash may have taken its answer


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchStep:
    """What to do about one fetch. `event`: for the job's next state.

    `wait_s` None: NOT_READY waits by the poll schedule, LATER by a backoff.

    `target` None: as the run's policy says. `has_replied`: the API itself replied, which ends an outage.
    `is_bad`: the circuit breaker counts an answer that was paid and is gone.
    """

    move: FetchMove
    code: str | None = None  # in place of the classification's
    event: Event = Event.LOST
    target: JobState | None = None
    wait_s: float | None = None
    misses: int = 0
    was_asked: bool = True
    has_replied: bool = False
    is_bad: bool = False
    is_failure: bool = False  # of the service: counted in a row
    pauses: PauseReason | None = None


def after_fetch(found: Classification, job: FetchedJob, *, is_of_the_api: bool = False) -> FetchStep:
    """Return what follows a fetch without an answer.

    `is_of_the_api`: an error in unknown words is the API's own (asked only where `needs_origin_check`).
    """
    match found.outcome:
        case Outcome.NOT_READY:
            return _after_not_ready(job)
        case Outcome.GONE:
            return _after_gone(found.code, job)
        case Outcome.FOREIGN:
            return _after_gone(GONE, job) if is_of_the_api else FetchStep(move=FetchMove.UNREADABLE)
        case Outcome.GENERATION_FAILED:
            return FetchStep(
                move=FetchMove.GENERATION_FAILED, event=Event.GENERATION_FAILED, has_replied=True
            )
        case _:
            return _poll_later(found, job)


def _poll_later(found: Classification, job: FetchedJob) -> FetchStep:
    """Poll again: the account was refused, nothing was sent, or the service failed."""
    if found.outcome is Outcome.ACCOUNT:
        return FetchStep(move=FetchMove.LATER, wait_s=ACCOUNT_WAIT_S, misses=job.misses, pauses=found.reason)
    if found.code == NOT_ASKED:
        return FetchStep(
            move=FetchMove.LATER, wait_s=found.retry_after_s or 0.0, misses=job.misses, was_asked=False
        )
    return FetchStep(move=FetchMove.LATER, misses=job.misses, is_failure=True)


def needs_origin_check(found: Classification, status: int | None) -> bool:
    """Return whether to find out who said 404: the API, or a server that knows nothing of the answer."""
    return found.outcome is Outcome.FOREIGN and status == HTTPStatus.NOT_FOUND


def retry_wait_s(polls: int, rng_unit: float, retry_after_s: float | None) -> float:
    """Return the seconds to the next poll after a failure of the service; longer with the polls so far."""
    return max(retry.backoff_s(min(polls, _POLLS_MAX), rng_unit, retry_after_s), RETRY_WAIT_S_MIN)


def is_unavailable(in_a_row: int, code: str) -> bool:
    """Return whether so many failures in a row mean that answers cannot be fetched."""
    return in_a_row >= UNAVAILABLE_AFTER and code != RATE_LIMITED


def is_expired(age_s: float) -> bool:
    """Return whether the API keeps the answer no longer."""
    return age_s > polling.EXPIRES_AFTER_S


def _after_not_ready(job: FetchedJob) -> FetchStep:
    if job.age_s > polling.GIVE_UP_AFTER_S:
        return _held(code=NEVER_READY, has_replied=False)
    return FetchStep(move=FetchMove.NOT_READY, misses=job.misses, has_replied=True)


def _after_gone(code: str, job: FetchedJob) -> FetchStep:
    """The API does not have the answer: expired, or lost when it says so twice."""
    if is_expired(job.age_s):
        return _held(code=EXPIRED, has_replied=True)
    if job.misses + 1 < NOT_FOUND_MAX and retry.is_retryable(code):
        return FetchStep(
            move=FetchMove.LATER, wait_s=NOT_FOUND_WAIT_S, misses=job.misses + 1, has_replied=True
        )
    # If a crash took it, that says nothing about the API.
    return FetchStep(move=FetchMove.LOST, code=code, has_replied=True, is_bad=not job.is_interrupted)


def _held(*, code: str, has_replied: bool) -> FetchStep:
    """Hold a job whose answer can no longer come: a person decides whether to pay again."""
    return FetchStep(move=FetchMove.LOST, code=code, target=JobState.HELD, has_replied=has_replied)
