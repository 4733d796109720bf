"""The error for a name or a path whose run was loaded with other content: the user decides to pay again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from runner.db.counts import counters
from runner.db.jobs import models_of_run
from runner.rules.errors import UsageError
from runner.rules.money import dollars
from runner.rules.states import JobState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

    from runner.db.runs.run_row import RunRow

_ENDED: Final = (JobState.SUCCEEDED, JobState.FAILED, JobState.HELD, JobState.CANCELLED)


def other_content(connection: Connection, found: RunRow, what: str) -> UsageError:
    """Return the error: what the run has and has paid for, how to go on with it, and how to pay again.

    `what` is the name or the path that belongs to the run `found`.
    """
    counts = counters.read(connection, found.id, "state", "ticks")
    spent = dollars(counts.get(("ticks", "reported"), 0) + counts.get(("ticks", "estimated"), 0))
    return UsageError(
        f"{what} belongs to run {found.id}, which was loaded with other content; nothing was done",
        where=(
            f"run {found.id}: {found.input_path}, {found.total:,} jobs, {found.state}",
            f"it has {_done(counts, found.total)}; {spent} spent",
        ),
        fix=f"{_keep(connection, found)}; to send the new content, and pay for all of it: start a fresh run"
        " with --new (with another -o, too, where its files are there)",
    )


def _done(counts: Mapping[tuple[str, str], int], total: int) -> str:
    by_state = counters.jobs_by_state(counts)
    ended = {state.value: by_state[state] for state in _ENDED if by_state[state]}
    ended |= {"unfinished": total - sum(ended.values())} if total > sum(ended.values()) else {}
    return ", ".join(f"{n:,} {name}" for name, n in ended.items())


def _keep(connection: Connection, found: RunRow) -> str:
    """Return how to go on with the run as it was loaded."""
    commands = [f"runner write {found.id}" if found.is_over else f"runner start {found.id}"]
    if models_of_run.refused(connection, found.id, of_pending=True):
        commands = [f"runner retry {found.id} --set-model NAME", f"runner start {found.id}"]
    return f"to keep what it has: put the file back and run the same command, or {', then '.join(commands)}"
