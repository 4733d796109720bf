"""Read a page of a run's jobs: those that the flags choose, with their prompts and answers if wanted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runner.cli.render.jobs.job_list import ListedPage
from runner.cli.session.context import find_working_run
from runner.cli.session.jobs.choose_jobs import choose_jobs
from runner.db.answers import results
from runner.db.jobs import job_history, listed_jobs
from runner.db.session import clock_ms
from runner.rules.errors import UsageError
from runner.rules.printed_id import short_id
from runner.rules.states import JobState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Row

    from runner.cli.flag_values import JobFilter
    from runner.db.runs.run_row import RunRow

_WITH_CODE = frozenset({JobState.FAILED, JobState.HELD})
_ID_LENGTH = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRequest:
    """What a call of `jobs` asks for. `states`: () are all. `after`: the id where the page before ended."""

    states: tuple[JobState, ...]
    given: JobFilter
    rows_max: int
    after: str | None
    has_content: bool


def read_page(connection: Connection, word: str, asked: PageRequest) -> ListedPage:
    """Return the page of a run. Raises UsageError for an unknown run or id."""
    run = find_working_run(connection, word)
    states = frozenset(asked.states) or (listed_jobs.EVERY_STATE if asked.given.code is None else _WITH_CODE)
    chosen = choose_jobs(connection, run, states, asked.given)
    after = None if asked.after is None else _job_of(connection, run, asked.after)
    page = listed_jobs.read_page(connection, run.id, chosen, asked.rows_max, after, listed_jobs.WINDOW)
    last = page.next_after
    return ListedPage(
        run=run,
        now_ms=clock_ms(connection),
        jobs=page.jobs,
        next_after=None if last is None else listed_jobs.custom_id_of(connection, last),
        looked_at=page.looked_at,
        contents=_contents(connection, page.jobs) if asked.has_content else None,
    )


def _job_of(connection: Connection, run: RunRow, word: str) -> int:
    found = job_history.find_ids(connection, run.id, [word])
    if word not in found:
        raise UsageError(
            f"run {run.id} has no {run.unit} {short_id(word, _ID_LENGTH)} to go on after",
            fix=f"runner jobs {run.id} shows the first {run.unit}s, and the command for the next ones",
        )
    return found[word]


def _contents(connection: Connection, jobs: Sequence[Row[Any]]) -> dict[int, tuple[bytes, bytes | None]]:
    """Return the request and the answer of each job, by its id."""
    bodies = results.loaded_bodies(connection, [job.id for job in jobs])
    return {
        job.id: (bodies[job.id][0], results.answer_of(connection, job.id, job.answered_by)) for job in jobs
    }
