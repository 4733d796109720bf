"""Reads the jobs that a user chose: page by page to move them, or counted to show what a command would do."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection, Row, text

from runner.db.counts import counters
from runner.db.jobs.job_groups import JobGroup, counted_groups, sampled_groups
from runner.db.jobs.job_ranges import HELD_CODE, bounds, next_ids, ranges_of
from runner.db.jobs.job_selection import LAST_ATTEMPT
from runner.db.workers.leases import PROMPT_TOKENS
from runner.rules.states import JobState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runner.db.jobs.job_ranges import JobRange
    from runner.db.jobs.job_selection import JobSelection

SAMPLED_ABOVE: Final = 2_000


def pick(
    connection: Connection,
    run_id: int,
    selection: JobSelection,
    rows_max: int,
    after: int | None = None,
    *,
    lock: bool = True,
) -> list[Row[Any]]:
    """Return the next chosen jobs; `lock`: until this transaction ends; `after`: only with larger ids.

    They are found first and then locked: one that another transaction moved in between is left out.
    """
    while ids := next_ids(connection, run_id, selection, rows_max, after):
        if rows := _read(connection, run_id, replace(selection, job_ids=tuple(ids)), lock=lock):
            return rows
        after = ids[-1]  # others moved all of them
    return []


def matching_groups(connection: Connection, run_id: int, selection: JobSelection) -> list[JobGroup]:
    """Return the chosen jobs in groups, the largest first.

    Of more than SAMPLED_ABOVE jobs of a state or code, only their number is exact: it is counted anyway.
    Their models and tokens are those of a sample.
    """
    ranges = ranges_of(connection, run_id, selection)
    counts = counters.read(connection, run_id, "state", "code")
    numbers = {each: _number(connection, run_id, each, counts) for each in ranges}
    few = [each for each in ranges if numbers[each] <= SAMPLED_ABOVE]
    groups = counted_groups(connection, run_id, few)
    for each in ranges:
        if each not in few:
            jobs = sum(n for (kind, _), n in counts.items() if kind == "state")
            groups += sampled_groups(connection, run_id, each, numbers[each], jobs)
    return sorted(groups, key=lambda group: (-group.n, group.model))


def _number(
    connection: Connection, run_id: int, each: JobRange, counts: Mapping[tuple[str, str], int]
) -> int:
    """Return how many jobs a range has; 0 where that takes as long as counting its groups."""
    if each.counter is None:
        return 0
    if each.counter[0] != HELD_CODE:
        return counts.get(each.counter, 0)
    query = text(f"SELECT COUNT(*) FROM jobs WHERE {each.condition}")
    return int(connection.execute(query, bounds([each], run_id)).scalar_one())


def count_by_state(connection: Connection, run_id: int, selection: JobSelection) -> dict[JobState, int]:
    """Return the number of chosen jobs by state; states without one are left out."""
    if selection.is_of_states_alone:
        counted = counters.jobs_by_state(counters.read(connection, run_id, "state"))
        return {state: n for state, n in counted.items() if n and state in selection.states}
    ranges = ranges_of(connection, run_id, selection)
    if not ranges:
        return {}
    jobs = " UNION ALL ".join(f"SELECT state FROM jobs WHERE {each.condition}" for each in ranges)
    query = text(f"SELECT state, COUNT(*) AS n FROM ({jobs}) AS chosen GROUP BY state")
    return {JobState(row.state): row.n for row in connection.execute(query, bounds(ranges, run_id))}


def _read(connection: Connection, run_id: int, selection: JobSelection, *, lock: bool) -> list[Row[Any]]:
    """Return the jobs of `selection.job_ids` that are still chosen."""
    ranges = ranges_of(connection, run_id, selection)
    locks = "FOR UPDATE OF jobs" if lock and connection.dialect.name != "sqlite" else ""
    query = text(
        f"SELECT id, state, error_code, attempt, model, {PROMPT_TOKENS}, output_tokens_max, reserved_ticks,"
        " custom_id, line, body_bytes,"
        f" EXISTS (SELECT 1 FROM attempts a WHERE {LAST_ATTEMPT} AND a.request_id IS NOT NULL)"
        f" AS was_accepted FROM jobs WHERE {ranges[0].condition} ORDER BY id {locks}"
    )
    return list(connection.execute(query, bounds(ranges, run_id)))
