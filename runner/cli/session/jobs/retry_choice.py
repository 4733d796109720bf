"""Which jobs the flags of `retry` mean: by state, or by the status of their rows in a labeled table."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from runner.rules.errors import UsageError
from runner.rules.labels.row_filter import row_status
from runner.rules.labels.row_status import RowStatus
from runner.rules.sending.failure_pause import INVALID
from runner.rules.states import JobState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runner.cli.flag_values import RetryFlags
    from runner.db.jobs.job_selection import JobSelection

_STATE_OF: Final[Mapping[RowStatus, JobState]] = {
    RowStatus.INVALID: JobState.FAILED,
    RowStatus.FAILED: JobState.FAILED,
    RowStatus.HELD: JobState.HELD,
    RowStatus.CANCELLED: JobState.CANCELLED,
}
_WHY_NOT: Final[Mapping[RowStatus, str]] = {
    RowStatus.OK: "they have their labels",
    RowStatus.UNFINISHED: "they are sent without a retry: runner start RUN",
    RowStatus.SKIPPED: "they have a fault: correct it in the table and label that",
    RowStatus.EXCLUDED: "they were left out by --where, --sample or --limit",
}


def chosen_states(given: RetryFlags, set_model: str | None) -> frozenset[JobState]:
    """Return the states of the jobs to choose. Raises UsageError if nothing says which jobs."""
    _check_one_kind(given)
    if given.status is not None:
        return frozenset({_state_of(given.status)})
    if states := _named_states(given):
        return states
    if not given.is_given and set_model is None:
        fix = (
            "add --failed, --held, --lost, --cancelled, --status STATUS, --code CODE, --id ID, --model NAME"
            " or --flaw FLAW"
        )
        raise UsageError("which jobs?", fix=fix)
    more = {JobState.CANCELLED: bool(given.ids), JobState.PENDING: set_model is not None}
    return frozenset({JobState.FAILED, JobState.HELD, *(state for state, is_so in more.items() if is_so)})


def of_status(chosen: JobSelection, status: str | None) -> JobSelection:
    """Narrow a choice to the rows with a status: those that are invalid have failed with a code of theirs."""
    if status is None:
        return chosen
    found = row_status(status)
    if found is RowStatus.FAILED:
        return replace(chosen, not_code=INVALID)
    if found is not RowStatus.INVALID:
        return chosen
    if chosen.code not in (None, INVALID):
        fix = f"leave out --code, or --status {found}"
        raise UsageError(f"rows that are {found} have the code {INVALID}, not {chosen.code}", fix=fix)
    return replace(chosen, code=INVALID)


def is_alone(given: RetryFlags) -> bool:
    """Return whether no flag chooses jobs: then --set-model means those whose model the API refuses."""
    return not given.is_given and given.status is None and not _named_states(given)


def without_other_flags(given: RetryFlags, set_model: str | None, *, is_recheck: bool) -> None:
    """Raise UsageError unless the flags mean to check stored answers again, and nothing else."""
    if not is_recheck:
        raise UsageError(
            "answers that are there are repaired, or not, where they are checked again",
            fix="add --judge: they are checked, and nothing is sent",
        )
    is_other = given.status is not None and row_status(given.status) is not RowStatus.INVALID
    if is_other or set_model is not None or given.is_given or _named_states(given):
        raise UsageError(
            "--judge checks the answers of all invalid rows",
            fix="runner retry RUN --status invalid --judge, with --repair or --dry-run",
        )


def _check_one_kind(given: RetryFlags) -> None:
    """Raise UsageError where --lost or --status is given beside another kind of jobs."""
    kinds = (given.failed, given.held, given.cancelled, given.lost, given.status is not None)
    if given.status is not None and sum(kinds) > 1:
        raise UsageError("--status stands alone", fix="give one command for each kind")
    if given.lost and sum(kinds) > 1:
        raise UsageError("--lost stands alone", fix="give one command for each kind")


def _state_of(word: str) -> JobState:
    status = row_status(word)
    state = _STATE_OF.get(status)
    if state is None:
        listed = ", ".join(_STATE_OF)
        what = f"rows that are {status} are not sent again: {_WHY_NOT[status]}"
        raise UsageError(what, fix=f"a status to send again is one of {listed}")
    return state


def _named_states(given: RetryFlags) -> frozenset[JobState]:
    """Return the states that flags name themselves."""
    wanted = {
        JobState.FAILED: given.failed,
        JobState.HELD: given.held or given.lost,
        JobState.CANCELLED: given.cancelled,
    }
    return frozenset(state for state, is_wanted in wanted.items() if is_wanted)
