"""Choose jobs of a run by the flags that `jobs`, `retry` and `cancel` share; name what does not fit."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from runner.db.counts import budget_account
from runner.db.jobs import chosen_jobs, job_history
from runner.db.jobs.job_selection import JobSelection
from runner.rules.counted import listed
from runner.rules.errors import UsageError
from runner.rules.explain import code_of
from runner.rules.printed_id import read_id, short_id
from runner.rules.redact import one_line
from runner.rules.states import JobState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from sqlalchemy import Connection

    from runner.cli.flag_values import JobFilter
    from runner.db.runs.run_row import RunRow

_NAMED_MAX: Final = 10
_ID_LENGTH: Final = 60


def choose_jobs(
    connection: Connection,
    run: RunRow,
    states: frozenset[JobState],
    given: JobFilter,
    *,
    lost: bool = False,
) -> JobSelection:
    """Return the jobs in these states that fit the flags. Raises UsageError for an id that is not there.

    An id may be a list of them, one per line, as `summary --ids` prints it.
    """
    ids = job_history.find_ids(connection, run.id, set(given.ids))
    words = [line for word in given.ids for line in ([word] if word in ids else word.split("\n"))]
    ids |= job_history.find_ids(connection, run.id, set(words) - ids.keys())
    missing = [read_id(word) for word in dict.fromkeys(words) if word not in ids]
    if missing:
        raise UsageError(
            f"run {run.id} has no {run.unit} {_listed(missing, short_id)}; nothing was done",
            fix=f"an id is {run.ids_text};"
            f" runner summary {run.id} --ids CODE prints those with an error code or a flaw",
        )
    return JobSelection(
        states=states,
        lost=lost,
        code=None if given.code is None else code_of(given.code),
        job_ids=tuple(sorted(set(ids.values()))),
        models=() if given.model is None else (given.model,),
        flaw=given.flaw,
    )


def nothing_chosen(
    connection: Connection, run: RunRow, selection: JobSelection, words: Mapping[JobState, str]
) -> UsageError:
    """Return the error that no job is chosen; `words`: what to say of jobs that fit, in another state."""
    others = _others(connection, run.id, selection)
    names = budget_account.models(connection, run.id) if selection.models else []
    if not set(selection.models) <= set(names):
        return UsageError(
            f"no {run.unit} of run {run.id} names the model {_listed(selection.models)}",
            fix=f"its {run.unit}s name {_listed(names)}",
        )
    fix = f"runner summary {run.id} counts them"
    if selection.flaw is not None and JobState.SUCCEEDED in others:
        fix = (
            f"runner summary {run.id} --ids {selection.flaw} lists the {run.unit}s whose answer has this flaw"
        )
    return UsageError(
        f"run {run.id} has no such {run.unit}s",
        where=tuple(f"{n:,} {state}: {words[state]}" for state, n in others.items() if state in words),
        fix=fix,
    )


def left_out_line(connection: Connection, run_id: int, selection: JobSelection) -> str:
    """Return how many of the jobs named by id are in another state, so not chosen; "" if there is none."""
    others = _others(connection, run_id, selection) if selection.job_ids else {}
    listed = ", ".join(f"{n:,} {state}" for state, n in others.items())
    return f"of the jobs named, these stay as they are: {listed}" if listed else ""


def _others(connection: Connection, run_id: int, selection: JobSelection) -> dict[JobState, int]:
    """Return by state the number of jobs that fit in all but their state."""
    found = chosen_jobs.count_by_state(
        connection, run_id, replace(selection, states=frozenset(JobState) - selection.states, lost=False)
    )
    return {state: found[state] for state in JobState if state in found}


def _listed(words: Iterable[str], shortened: Callable[[str, int], str] = one_line) -> str:
    return listed([shortened(word, _ID_LENGTH) for word in words], _NAMED_MAX)
