"""The numbers of a run over time: written with the counters, and equal to them in sum."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import pytest
from run_driver import (
    COST,
    NOW_MS,
    RunDriver,
    new_run,
    poll_again_row,
    received,
    requeue_row,
    settled,
)
from sqlalchemy import text

from runner.db.counts import counters, daily_costs, result_costs, run_series
from runner.db.counts.counters import Deltas
from runner.db.counts.run_series import SHARDS
from runner.db.moves import job_moves, result_moves
from runner.db.runs import removal, run_moves
from runner.rules.bucket_width import width_s
from runner.rules.costs.uncertain_cost import UncertainCost
from runner.rules.states import Event, JobState, PauseReason, RunState

if TYPE_CHECKING:
    from sqlalchemy import Row

    from runner.db.session import Database

S = JobState
HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS


def buckets(driver: RunDriver) -> list[Row[Any]]:
    """Return the buckets of a run that have something in them, in the order of time."""
    named = " OR ".join(f"{name} <> 0" for name in run_series.COLUMNS)
    query = f"SELECT * FROM run_series WHERE run_id = :run AND ({named}) ORDER BY at_ms, model, shard"
    return driver.rows(query, run=driver.run_id)


def sums(driver: RunDriver) -> dict[str, int]:
    """Return the sums over all buckets, by column."""
    return {name: sum(getattr(row, name) for row in buckets(driver)) for name in run_series.COLUMNS}


def counted(driver: RunDriver) -> dict[str, int]:
    """Return the counters by the column that has their parts."""
    counts = driver.counts()
    return {name: counts.get(counter, 0) for name, counter in run_series.COLUMNS.items()}


def answer(driver: RunDriver, at_ms: int, model: str = "grok-4.3", **cost: Any) -> None:
    """Send the next job and settle its answer, received at a time."""
    lease = driver.bring(S.COLLECTING)
    row = settled(
        lease.job_id, lease.attempt, Event.SUCCEEDED, S.SUCCEEDED, replace(COST, model=model, **cost)
    )
    row = replace(row, at_ms=at_ms, latency_ms=700)
    pair = (received(lease.job_id, lease.attempt), row)
    driver.in_transaction(lambda c, d: result_moves.stored_and_settled(c, [pair], d))


def add(driver: RunDriver, at_ms: int, n: int = 1) -> None:
    """Count polls at a time."""
    driver.in_transaction(lambda _, d: d.add(driver.run_id, "attempts", "polls", n, model="m", at_ms=at_ms))


def test_each_number_is_booked_under_its_model_and_its_time(database: Database) -> None:
    """What is sent under the model that is asked, costs under the one that answered, when it was received."""
    driver = new_run(database, 3)
    answer(driver, NOW_MS + 25_000, model="grok-4.3-fast")
    refused = driver.bring(S.SUBMITTING)
    driver.apply(job_moves.refused_for_now, requeue_row(refused, S.PENDING))
    driver.apply(job_moves.refused, requeue_row(driver.bring(S.SUBMITTING), S.FAILED, 30))

    by_model = {(row.model, row.at_ms): row for row in buckets(driver)}

    (priced,) = (row for (model, _), row in by_model.items() if model == "grok-4.3-fast")
    assert (priced.at_ms, priced.width_s) == (NOW_MS + 20_000, 10)
    assert (priced.priced, priced.reported_ticks, priced.total_tokens, priced.latency_ms) == (
        1,
        1_000,
        35,
        700,
    )
    assert (priced.sent, priced.polls, priced.succeeded) == (0, 0, 0)
    asked = [row for (model, _), row in by_model.items() if model == "grok-4.3"]
    assert sum(row.sent for row in asked) == 3
    assert sum(row.succeeded for row in asked) == sum(row.failed for row in asked) == 1
    assert sum(row.refused_for_now for row in asked) == sum(row.polls for row in asked) == 1
    assert sum(row.possible_ticks for row in asked) == 30
    assert sums(driver) == counted(driver)


def test_what_never_left_is_taken_back(database: Database) -> None:
    """A request that was not sent, and a poll that was not made."""
    driver = new_run(database, 2)
    driver.apply(job_moves.not_sent, requeue_row(driver.bring(S.SUBMITTING), S.PENDING))
    driver.apply(job_moves.withheld, requeue_row(driver.bring(S.SUBMITTING), S.HELD))
    claimed = driver.bring(S.COLLECTING)
    driver.apply(job_moves.later, replace(poll_again_row(claimed), was_asked=False))

    assert sums(driver) == counted(driver)
    assert (sums(driver)["sent"], sums(driver)["polls"]) == (1, 0)


def test_restated_and_late_costs_keep_the_sums(database: Database) -> None:
    """They are booked when they are restated, with the counters."""
    driver = new_run(database, 2)
    lost = [driver.bring(S.COLLECTING) for _ in range(2)]
    driver.apply(job_moves.lost, *(requeue_row(lease, S.PENDING, 90) for lease in lost))
    assert sums(driver)["possible_ticks"] == 180

    driver.in_transaction(
        lambda c, d: result_costs.restate_uncertain_costs(
            c, driver.run_id, lambda _: UncertainCost(5, 20, is_learnt=True), d
        )
    )
    assert sums(driver)["possible_ticks"] == 40
    again = driver.bring(S.SUCCEEDED)
    late = settled(again.job_id, 1, Event.SUCCEEDED, S.SUCCEEDED)
    driver.in_transaction(lambda c, d: result_costs.count_late_results(c, [late], d))

    assert sums(driver) == counted(driver)
    assert (sums(driver)["possible_ticks"], sums(driver)["priced"]) == (20, 2)


@pytest.mark.parametrize("age_ms", [-5_000, 0, HOUR_MS - 1, HOUR_MS, 7 * HOUR_MS, 12 * HOUR_MS, 30 * DAY_MS])
@pytest.mark.parametrize("within_s", [0, 35])
def test_the_statement_has_the_rule_of_the_width(database: Database, age_ms: int, within_s: int) -> None:
    """Around each change of the width, for a run that starts at a whole minute, and within one."""
    driver = new_run(database, 1)
    started_ms = NOW_MS + within_s * 1_000
    with database.write() as connection:
        connection.execute(text(f"UPDATE runs SET started_at_ms = {started_ms}"))
    times = [started_ms + age_ms + step for step in (-61_000, -60_000, -1_000, 0, 24_000, 25_000, 600_000)]
    for at_ms in times:
        add(driver, at_ms)

    expected: dict[tuple[int, int], int] = {}
    for at_ms in times:
        width = width_s(at_ms // 1000, started_ms // 1000)
        place = (at_ms // 1000 // width * width * 1000, width)
        expected[place] = expected.get(place, 0) + 1
    assert {(row.at_ms, row.width_s): row.polls for row in buckets(driver)} == expected


def test_a_transaction_adds_to_the_buckets_of_others(database: Database) -> None:
    """On PostgreSQL of its shard: workers with other shards have their own rows."""
    driver = new_run(database, 1)
    for shard in (3, 3, SHARDS):
        with database.write() as connection:
            deltas = Deltas(shard)
            for model in ("b", "a"):
                deltas.add(driver.run_id, "attempts", "polls", 2, model=model, at_ms=NOW_MS + 1)
                deltas.add(driver.run_id, "attempts", "polls", 1, model=model, at_ms=NOW_MS + 9_999)
            deltas.write(connection)

    found = [(row.model, row.shard, row.polls) for row in buckets(driver)]
    if database.is_sqlite:
        assert found == [("a", 0, 9), ("b", 0, 9)]
    else:
        assert found == [("a", 0, 3), ("a", 3, 6), ("b", 0, 3), ("b", 3, 6)]


def test_nothing_is_written_where_no_number_of_it_changes(database: Database) -> None:
    """A change of other counters, and one that was taken back in the same transaction."""
    driver = new_run(database, 1)
    driver.lease()

    def change(_: object, deltas: Deltas) -> None:
        deltas.add(driver.run_id, "ticks", "reserved", 5)
        deltas.add(driver.run_id, "attempts", "polls", 1, model="m")
        deltas.add(driver.run_id, "attempts", "polls", -1, model="m")

    driver.in_transaction(change)

    assert buckets(driver) == []


def test_a_start_begins_a_bucket(database: Database) -> None:
    """So the rate since a start has nothing in it from before, however wide the buckets are."""
    driver = new_run(database, 1)
    old_ms = NOW_MS - 30 * DAY_MS
    with database.write() as connection:
        connection.execute(text(f"UPDATE runs SET started_at_ms = {old_ms}, state = 'paused'"))
        connection.execute(text("DELETE FROM run_series"))
    add(driver, NOW_MS + 100_000, 1_000)
    with database.write() as connection:
        assert run_moves.start(connection, driver.run_id, NOW_MS + 200_500)
        assert not run_moves.start(connection, driver.run_id, NOW_MS + 300_000), "it runs already"
    for at_ms in (199_000, 200_900, 230_000, 600_000):
        add(driver, NOW_MS + at_ms)

    found = [(row.at_ms - NOW_MS, row.width_s, row.polls) for row in buckets(driver)]
    assert found == [(0, 600, 1_001), (200_500, 600, 2), (600_000, 600, 1)]
    with database.read() as connection:
        lately = run_series.ended_since(connection, driver.run_id, NOW_MS + 200_500)
    assert [at_ms - NOW_MS for at_ms, _, _ in lately.buckets] == [200_500, 600_000]


def test_a_day_ends_at_midnight_in_utc(database: Database) -> None:
    """The cost by day is exact to the millisecond in which an answer came, at any width of the buckets."""
    driver = new_run(database, 4)
    midnight_ms = NOW_MS // DAY_MS * DAY_MS + 40 * DAY_MS
    for n, at_ms in enumerate((midnight_ms - 1, midnight_ms, midnight_ms + DAY_MS - 1, midnight_ms + DAY_MS)):
        answer(driver, at_ms, ticks=10**n)

    with database.read() as connection:
        found = daily_costs.read(connection, driver.run_id)

    assert [(cost.ticks, cost.answers, cost.tokens) for cost in found] == [
        (1, 1, 35),
        (110, 2, 70),
        (1_000, 1, 35),
    ]
    by_attempts = driver.rows(
        f"SELECT collected_at_ms / {DAY_MS} AS day, SUM(ticks) AS ticks FROM attempts GROUP BY 1 ORDER BY 1"
    )
    assert [int(row.ticks) for row in by_attempts] == [cost.ticks for cost in found]


def test_answers_without_a_known_cost_stand_beside_the_sums(database: Database) -> None:
    """On the day on which they ended, whenever their cost is restated."""
    driver = new_run(database, 2)
    answer(driver, NOW_MS)
    driver.apply(job_moves.lost, requeue_row(driver.bring(S.COLLECTING), S.HELD, 90))

    with database.read() as connection:
        known, unread = daily_costs.read(connection, driver.run_id)
        everything = daily_costs.read(connection, None)

    assert (known.ticks, known.unread, known.model) == (1_000, 0, "grok-4.3")
    assert (unread.answers, unread.unread, unread.possible_extra_ticks) == (0, 1, 90)
    assert everything == [known, unread]


def test_a_series_that_lacks_something_is_mended(database: Database) -> None:
    """As a worker of an older version leaves it, which counts and knows no series."""
    driver = new_run(database, 2)
    answer(driver, NOW_MS)
    with database.write() as connection:
        connection.execute(text("DELETE FROM run_series WHERE priced > 0"))
    assert sums(driver) != counted(driver)

    with database.write() as connection:
        assert counters.recount(connection, driver.run_id) is True
        assert counters.recount(connection, driver.run_id) is False

    assert sums(driver) == counted(driver)
    assert {row.model for row in buckets(driver)} == {"", "grok-4.3"}


def test_costs_have_the_answers_that_an_older_worker_collected(database: Database) -> None:
    """It counts tokens and money, but no buckets, and not what is sent and priced."""
    driver = new_run(database, 2)
    answer(driver, NOW_MS)
    whole = sums(driver)
    with database.write() as connection:
        [expected] = daily_costs.read(connection, driver.run_id)
        connection.execute(text("DELETE FROM run_series"))
        connection.execute(
            text("DELETE FROM run_counters WHERE kind = 'attempts' AND key IN ('sent', 'priced')")
        )
        counters.recount(connection, driver.run_id)
        [found] = daily_costs.read(connection, driver.run_id)

    assert sums(driver) == counted(driver) == whole
    assert (found.answers, found.tokens, found.ticks) == (expected.answers, expected.tokens, expected.ticks)


def test_what_a_removed_run_has_spent_stays_in_the_costs(database: Database) -> None:
    """To the tick, and under its day and model."""
    gone, stays = new_run(database, 1, identity="a"), new_run(database, 1, identity="b")
    for driver in (gone, stays):
        answer(driver, NOW_MS)
    with database.write() as connection:
        costs = daily_costs.read(connection, None)
        run_moves.pause(connection, gone.run_id, PauseReason.USER, "", NOW_MS)
        assert removal.begin(connection, gone.run_id, RunState.PAUSED)
    removal.remove(database, gone.run_id)

    with database.read() as connection:
        assert daily_costs.read(connection, None) == costs
    assert [cost.run for cost in costs] == [gone.run_id, stays.run_id]


def test_a_run_that_was_never_sent_leaves_no_buckets(database: Database) -> None:
    """The next run may have its id."""
    driver = new_run(database, 1)
    with database.write() as connection:
        run_series.begin_bucket(connection, driver.run_id, NOW_MS)
    removal.remove_unsent(database, driver.run_id)

    assert buckets(driver) == []
