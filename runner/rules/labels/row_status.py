"""What became of one row of a labeled table: its `_status`, and the reason where it has no labels."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from runner.rules.explain import HELD_PREFIX, explain
from runner.rules.redact import one_line
from runner.rules.sending.failure_pause import INVALID
from runner.rules.states import JobState

if TYPE_CHECKING:
    from collections.abc import Mapping

MESSAGE_LENGTH_MAX: Final = 400  # characters of a reason
_UNREADABLE: Final = "unreadable-result"


class RowStatus(StrEnum):
    """What became of a row, in the order in which summaries show them."""

    OK = "ok"  # it has labels
    INVALID = "invalid"  # no answer fits the labels
    FAILED = "failed"
    HELD = "held"  # it waits for a person's decision
    CANCELLED = "cancelled"
    UNFINISHED = "unfinished"
    SKIPPED = "skipped"  # the row has a fault, and --skip-bad was given
    EXCLUDED = "excluded"  # not sent: left out by a condition, a sample or a limit


COMPLETE: Final = frozenset({RowStatus.OK, RowStatus.EXCLUDED})  # nothing went wrong and nothing is to come
_BY_STATE: Final[Mapping[str, RowStatus]] = {
    JobState.SUCCEEDED.value: RowStatus.OK,
    JobState.FAILED.value: RowStatus.FAILED,
    JobState.HELD.value: RowStatus.HELD,
    JobState.CANCELLED.value: RowStatus.CANCELLED,
}


class RowReason(NamedTuple):
    """Why a row has no labels: a code, and a sentence in one line."""

    code: str
    message: str

    def __str__(self) -> str:
        return f"{self.code}: {self.message}" if self.message else self.code


UNFINISHED: Final = RowReason("unfinished", "There is no answer yet.")
CANCELLED: Final = RowReason("cancelled", "The user cancelled it before it had an answer.")


def status_of_job(state: str, error_code: str | None) -> RowStatus:
    """Return the status of a row whose job is in a state; a job that succeeded is ok if its answer fits."""
    if error_code == INVALID and state == JobState.FAILED:
        return RowStatus.INVALID
    return _BY_STATE.get(state, RowStatus.UNFINISHED)


def reason_of_job(status: RowStatus, error_code: str | None, message: str | None) -> RowReason:
    """Return why the row of a job without labels has none; `message`: the words on record, if any."""
    if status is RowStatus.UNFINISHED:
        return UNFINISHED
    if status is RowStatus.CANCELLED:
        return CANCELLED
    code = error_code or "unknown"
    words = one_line(message or explain(code), MESSAGE_LENGTH_MAX)
    return RowReason(f"{HELD_PREFIX}{code}" if status is RowStatus.HELD else code, words)


def reason_of_answer(message: str) -> RowReason:
    """Return why a row has no labels whose answer is there and does not fit them."""
    return RowReason(INVALID, one_line(message, MESSAGE_LENGTH_MAX))


def reason_unreadable() -> RowReason:
    """Return why a row has no labels whose answer cannot be read at all."""
    return RowReason(_UNREADABLE, explain(_UNREADABLE))


def reason_of_fault(fault: str) -> RowReason:
    """Return why a row was skipped; `fault` is what was found in it."""
    return RowReason("skipped", one_line(fault, MESSAGE_LENGTH_MAX))


def rows_by_status(jobs: Mapping[str, int], rows: Mapping[str, int], invalid: int) -> dict[RowStatus, int]:
    """Return the rows by status as the counters of a run know them, each row having a job of its own.

    `jobs` are the jobs by state, `rows` the rows without a job (skipped, excluded), and `invalid` the failed
    jobs whose last answer broke the contract.
    """
    found = dict.fromkeys(RowStatus, 0)
    for state, n in jobs.items():
        found[status_of_job(state, None)] += n
    found[RowStatus.FAILED] -= invalid
    found[RowStatus.INVALID] += invalid
    for status in (RowStatus.SKIPPED, RowStatus.EXCLUDED):
        found[status] += rows.get(status, 0)
    return found
