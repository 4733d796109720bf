"""The counters of a run: changed by delta in the transaction of what they count.

On PostgreSQL a counter is the sum of SHARDS rows, so that workers that write at the same time need not wait
for each other. On SQLite one transaction writes at a time, and one row is enough. The counters in
`run_series.COLUMNS` are kept over time as well, written in the same step.

| kind | key | counts |
|---|---|---|
| state | a job state | jobs in it |
| code | an error code | failed jobs with it |
| finish | a finish_reason | succeeded jobs with it |
| flaw | length, refusal, empty | succeeded jobs whose result has it |
| attempts | sent | attempts on record, without those that certainly never left |
| attempts | accepted, refused_for_now, polls, collected | submissions and fetches |
| attempts | priced | collected results with a known cost |
| attempts | latency_ms | the time from acceptance to receipt, summed over collected results |
| attempts | answered_at_once | submissions that were answered instead of deferred |
| attempts | fetch_refused | 1 while what the run has out cannot be fetched either, else 0 |
| extra | ambiguous, lost, unusable, generation_failed, user_retry | attempts that did not end their job |
| extra | reask | the same: their answers were invalid, and their jobs are asked again |
| invalid | first, again | invalid answers of jobs that were asked once, or asked again before |
| repaired | a kind of repair | succeeded jobs whose answer needed it to be valid |
| label | field=value | succeeded jobs with this label, of fields with few values (`rules.label_counts`) |
| tokens | prompt, cached, completion, reasoning, total | of every collected result |
| ticks | reported, estimated | the cost of collected results |
| ticks | possible_extra | an upper bound of the cost of results whose usage is unknown |
| ticks | probable_extra | their probable cost, and that of answers that refusals (503) may hide |
| ticks | probable_unavailable | the part of it that refusals (503) may hide |
| unread | answers, refused_prompts, unavailable | what these two stand for |
| ticks | reserved | reservations of attempts in flight: of the jobs in `rules.budget.RESERVING_STATES` |
| ticks | unpriced | reservations of results without any price, for the budget only |
| unknown | jobs | results, read or not, whose cost has not even a bound |
| output | a returned model/a bucket | collected results by their output tokens (`rules.output_estimate`) |
| model_jobs, model_ticks | a returned model | collected results, and their price |
| dearest | a returned model | the price of its dearest result: a maximum, not a sum |
| returned | asked -> returned | collected results of another model than asked for |
| latency | a bucket | collected results by time from acceptance to receipt |
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, text

from runner.db import bulk
from runner.db.counts import run_series
from runner.db.counts.uncertain_costs import UNCERTAIN
from runner.db.jobs.job_ids import job_id
from runner.rules.costs.uncertain_cost import DEAREST
from runner.rules.states import JobState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runner.db.counts.run_series import CountKey

SHARDS: Final = 8
MAXIMA = (DEAREST,)  # kinds of counters that are raised, not added to
_LISTED_MAXIMA = ", ".join(f"'{kind}'" for kind in MAXIMA)
FETCH_REFUSED: Final = ("attempts", "fetch_refused")
Key = tuple[int, str, str]  # run, kind, key


class Deltas:
    """The changes of one transaction, collected and then written in one statement."""

    def __init__(self, shard: int) -> None:
        """Use the shard of `shard`, any number: workers that write at the same time have different ones."""
        self._shard = shard
        self._counts: Counter[CountKey] = Counter()
        self._maxima: dict[Key, int] = {}

    def add(
        self, run_id: int, kind: str, key: str, n: int = 1, *, model: str = "", at_ms: int | None = None
    ) -> None:
        """Add `n` to one count.

        `model` and `at_ms` (None: now) say where it is booked in the series, if it is kept over time.
        """
        self._counts[(run_id, kind, key, model, at_ms and at_ms // 1_000)] += n

    def raise_to(self, run_id: int, kind: str, key: str, n: int) -> None:
        """Raise a maximum to `n`; `kind` is one of MAXIMA."""
        place = (run_id, kind, key)
        if n > self._maxima.get(place, 0):
            self._maxima[place] = n

    def move_jobs(self, run_id: int, source: str, target: str, n: int = 1, *, model: str = "") -> None:
        """Move `n` jobs of a model from the count of one state to that of another."""
        self._counts[(run_id, "state", source, model, None)] -= n
        self._counts[(run_id, "state", target, model, None)] += n

    def write(self, connection: Connection) -> None:
        """Write the collected changes, to the counters and to the series, and clear them."""
        changes: Counter[Key] = Counter(self._maxima)  # no kind of counter is both added to and raised
        for (run_id, kind, key, _, _), n in self._counts.items():
            changes[run_id, kind, key] += n
        shard = 0 if connection.dialect.name == "sqlite" else self._shard
        rows = [(*place, shard % SHARDS, n) for place, n in sorted(changes.items()) if n]
        bulk.execute(
            connection,
            [("run_id", "INT"), ("kind", "TEXT"), ("key", "TEXT"), ("shard", "INT"), ("n", "BIGINT")],
            rows,
            "INSERT INTO run_counters (run_id, kind, key, shard, n)"
            " SELECT run_id, kind, key, shard, n FROM v WHERE run_id IS NOT NULL"
            " ON CONFLICT (run_id, kind, key, shard) DO UPDATE SET n = CASE"
            f" WHEN excluded.kind NOT IN ({_LISTED_MAXIMA}) THEN run_counters.n + excluded.n"
            " WHEN excluded.n > run_counters.n THEN excluded.n ELSE run_counters.n END",
        )
        run_series.add(connection, shard % run_series.SHARDS, self._counts)
        self._counts.clear()
        self._maxima.clear()


def read(connection: Connection, run_id: int, *kinds: str) -> dict[tuple[str, str], int]:
    """Return the counts of a run by (kind, key), of these kinds or of all."""
    listed = ", ".join(f"'{kind}'" for kind in kinds)
    condition = f" AND kind IN ({listed})" if kinds else ""
    rows = connection.execute(
        text(
            f"SELECT kind, key, CASE WHEN kind IN ({_LISTED_MAXIMA}) THEN MAX(n) ELSE SUM(n) END"
            f" FROM run_counters WHERE run_id = :run{condition} GROUP BY kind, key"
        ),
        {"run": run_id},
    )
    return {(kind, key): int(n) for kind, key, n in rows}


def set_fetch_refused(connection: Connection, deltas: Deltas, run_id: int, *, is_refused: bool) -> None:
    """Record whether the fetches of a run are refused, or answered by another server."""
    deltas.write(connection)  # others of this transaction may have changed it
    before = read(connection, run_id, "attempts").get(FETCH_REFUSED, 0)
    deltas.add(run_id, *FETCH_REFUSED, is_refused - before)


def jobs_by_state(counts: Mapping[tuple[str, str], int]) -> dict[JobState, int]:
    """Return the number of jobs by state from the counts of `read`; every state is a key."""
    return {state: counts.get(("state", state), 0) for state in JobState}


def count_open_jobs(connection: Connection, run_id: int) -> int:
    """Return the number of a run's jobs that still move without the user: neither ended nor held."""
    return int(
        connection.execute(
            text(
                "SELECT COALESCE(SUM(n), 0) FROM run_counters WHERE run_id = :run AND kind = 'state'"
                " AND key IN ('pending', 'submitting', 'waiting', 'collecting', 'stored')"
            ),
            {"run": run_id},
        ).scalar_one()
    )


def count_in_flight(connection: Connection, run_id: int) -> int:
    """Return the number of a run's jobs in flight: submitting, waiting or collecting."""
    return int(
        connection.execute(
            text(
                "SELECT COALESCE(SUM(n), 0) FROM run_counters WHERE run_id = :run AND kind = 'state'"
                " AND key IN ('submitting', 'waiting', 'collecting')"
            ),
            {"run": run_id},
        ).scalar_one()
    )


def recount(connection: Connection, run_id: int) -> bool:
    """Count the jobs' states and sum the uncertain costs in the tables; return whether a counter differed.

    Counters that differ are corrected; so is the series, whose sums are the counters. Where the series lacks
    something, a worker of an older version did not count the attempts either: they are counted then.
    """
    differences = {("state", state): n for state, n in _states_missing(connection, run_id).items()}
    differences |= {("ticks", key): n for key, n in _uncertain_ticks_missing(connection, run_id).items()}
    if run_series.is_behind(connection, run_id):
        differences |= {("attempts", key): n for key, n in _attempts_missing(connection, run_id).items()}
    deltas = Deltas(0)
    for (kind, key), n in differences.items():
        deltas.add(run_id, kind, key, n)
    deltas.write(connection)
    return run_series.mend(connection, run_id) or any(differences.values())


def _states_missing(connection: Connection, run_id: int) -> dict[str, int]:
    """Return by how many jobs each state's counter is too low."""
    each = ", ".join(
        f"COUNT(CASE WHEN state = '{state}' THEN 1 END) - {_counted('state', state)} AS {state}"
        for state in JobState
    )
    query = text(f"SELECT {each} FROM jobs WHERE run_id = :run")  # GROUP BY would sort a million rows
    return {state: int(n) for state, n in connection.execute(query, {"run": run_id}).mappings().one().items()}


def _uncertain_ticks_missing(connection: Connection, run_id: int) -> dict[str, int]:
    """Return by how many ticks the two counters of uncertain costs are too low."""
    each = ", ".join(
        f"COALESCE(SUM({column}), 0) - {_counted('ticks', key)} AS {key}"
        for column, key in (("probable_ticks", "probable_extra"), ("possible_ticks", "possible_extra"))
    )
    query = text(f"SELECT {each} FROM attempts WHERE {UNCERTAIN} AND job_id >= :first AND job_id < :last")
    values = {"run": run_id, "first": job_id(run_id, 0), "last": job_id(run_id + 1, 0)}
    return {key: int(n) for key, n in connection.execute(query, values).mappings().one().items()}


def _attempts_missing(connection: Connection, run_id: int) -> dict[str, int]:
    """Return by how many attempts two counters that came with the series are too low. Reads all attempts."""
    columns = {
        "sent": "CASE WHEN outcome IN ('not_sent', 'withheld') THEN 0 ELSE 1 END",
        "priced": "CASE WHEN ticks_source IN ('reported', 'estimated') THEN 1 ELSE 0 END",
    }
    each = ", ".join(
        f"COALESCE(SUM({column}), 0) - {_counted('attempts', key)} AS {key}"
        for key, column in columns.items()
    )
    query = text(f"SELECT {each} FROM attempts WHERE job_id >= :first AND job_id < :last")
    values = {"run": run_id, "first": job_id(run_id, 0), "last": job_id(run_id + 1, 0)}
    return {key: int(n) for key, n in connection.execute(query, values).mappings().one().items()}


def _counted(kind: str, key: str) -> str:
    """Return SQL for one counter of `:run`.

    It stands in the statement that counts the rows: two statements would see what is committed in between.
    """
    return (
        "(SELECT COALESCE(SUM(n), 0) FROM run_counters"
        f" WHERE run_id = :run AND kind = '{kind}' AND key = '{key}')"
    )
