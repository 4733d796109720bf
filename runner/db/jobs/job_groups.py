"""Jobs in groups by model and error code: counted, or estimated from a sample where they are many.

The sample is stratified: the run is cut into windows of equal length, and the first jobs of each are read.
A window with fewer than that was read whole; the others share what the run's counter has beyond those.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from sqlalchemy import text

from runner.db.jobs.job_ids import JOBS_MAX, job_id
from runner.db.jobs.job_ranges import bounds
from runner.rules.costs.stratified_sample import apportioned

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Connection, Row

    from runner.db.jobs.job_ranges import JobRange

WINDOWS: Final = 16
WINDOW_ROWS: Final = 50
_COLUMNS: Final = "model, error_code, prompt_tokens, output_tokens_max"
_GROUPED: Final = (
    "COUNT(*) AS n, model, error_code, AVG(prompt_tokens) AS prompt_tokens,"
    " AVG(output_tokens_max) AS output_tokens_max"
)


class JobGroup(NamedTuple):
    """Jobs with the same model and error code, and the means of their tokens."""

    n: int
    model: str
    error_code: str | None
    prompt_tokens: float
    output_tokens_max: float | None


def counted_groups(connection: Connection, run_id: int, ranges: Sequence[JobRange]) -> list[JobGroup]:
    """Return the groups of all jobs in some ranges."""
    if not ranges:
        return []
    jobs = " UNION ALL ".join(f"SELECT {_COLUMNS} FROM jobs WHERE {each.condition}" for each in ranges)
    query = text(f"SELECT {_GROUPED} FROM ({jobs}) AS chosen GROUP BY model, error_code")
    return [JobGroup._make(row) for row in connection.execute(query, bounds(ranges, run_id))]


def sampled_groups(
    connection: Connection, run_id: int, of_range: JobRange, total: int, run_jobs: int
) -> list[JobGroup]:
    """Return the groups of the `total` jobs of a range, as a sample has them; `run_jobs`: all of the run."""
    windows = " UNION ALL ".join(
        f"SELECT {number} AS place, {_COLUMNS} FROM (SELECT id, {_COLUMNS} FROM jobs"
        f" WHERE {of_range.condition.replace(':after', str(after))}"
        f" ORDER BY {of_range.order} LIMIT {WINDOW_ROWS}) AS w{number} WHERE id <= {last}"
        for number, (after, last) in enumerate(_windows(run_id, run_jobs))
    )
    query = text(f"SELECT place, {_GROUPED} FROM ({windows}) AS sample GROUP BY place, model, error_code")
    values = {name: value for name, value in bounds([of_range], run_id).items() if name != "after"}
    rows = connection.execute(query, values).all()
    found: dict[int, dict[tuple[str, str | None], int]] = {}
    for row in rows:
        found.setdefault(row.place, {})[row.model, row.error_code] = row.n
    counts = apportioned(total, list(found.values()), WINDOW_ROWS)
    return [
        JobGroup(n, *kind, *_means([row for row in rows if (row.model, row.error_code) == kind]))
        for kind, n in counts.items()
    ]


def _windows(run_id: int, jobs: int) -> Iterator[tuple[int, int]]:
    """Yield the id before each window, and its last id; the last window has all that is left."""
    for number in range(WINDOWS):
        after = job_id(run_id, jobs * number // WINDOWS) - 1
        end = JOBS_MAX if number == WINDOWS - 1 else jobs * (number + 1) // WINDOWS - 1
        yield after, job_id(run_id, end)


def _means(rows: Sequence[Row[tuple[object, ...]]]) -> tuple[float, float | None]:
    """Return the mean prompt_tokens and output_tokens_max of the sampled jobs that some rows have."""
    n = sum(row.n for row in rows)
    prompt = sum(row.n * float(row.prompt_tokens) for row in rows) / n
    limited = [row for row in rows if row.output_tokens_max is not None]
    jobs = sum(row.n for row in limited)
    return prompt, sum(row.n * float(row.output_tokens_max) for row in limited) / jobs if jobs else None
