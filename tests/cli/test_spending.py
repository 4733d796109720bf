"""Budgets as they are given: kept, replaced, lifted, refused without prices; and how they are shown."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from click import BadParameter
from run_driver import COST, new_run, settled
from snapshots import snapshot_of_run

from runner import settings
from runner.cli import value_types
from runner.cli.render.runs.live_object import live_object
from runner.cli.render.runs.progress import money_text
from runner.cli.render.runs.summary_table import summary_lines
from runner.cli.session.running.budget_prices import effective_budget, require_prices
from runner.db.moves import result_moves
from runner.db.runs import stored_options
from runner.db.runs.run_row import RunOptions
from runner.rules.errors import UsageError
from runner.rules.states import Event, JobState

if TYPE_CHECKING:
    from pathlib import Path

    from runner.db.session import Database

USD = 10**10


def test_a_budget_is_kept_until_another_is_given(database: Database) -> None:
    """None takes it away; a command that does not name it leaves it."""
    run_id = new_run(database, 1, RunOptions(budget_ticks=5 * USD, rpm=7)).run_id

    def kept() -> int | None:
        return effective_budget(database, run_id, {})

    assert kept() == 5 * USD
    assert effective_budget(database, run_id, {"budget_ticks": None}) is None
    assert effective_budget(database, run_id, {"budget_ticks": 3}) == 3
    for budget_ticks in (9 * USD, None):
        with database.write() as connection:
            stored_options.change(connection, run_id, {"budget_ticks": budget_ticks}, 1)
        assert kept() == budget_ticks
    assert snapshot_of_run(database, run_id).run.options.rpm == 7, "nothing else changes"


def test_a_budget_needs_the_price_of_every_model(database: Database, tmp_path: Path) -> None:
    """It is refused; the user's own prices make a model known."""
    driver = new_run(database, 3)
    (lease,) = driver.lease()
    driver.change(lease.job_id, "model = 'strange-1'")
    with pytest.raises(UsageError, match="nobody knows that of strange-1"):
        require_prices(database, settings.load({}, tmp_path), driver.run_id)

    (tmp_path / "runner.toml").write_text('[prices."strange-1"]\ninput = 1\noutput = 2\n')
    require_prices(database, settings.load({}, tmp_path), driver.run_id)


@pytest.mark.parametrize(("word", "ticks"), [("20", 20 * USD), ("0.75", 3 * USD // 4), ("none", 0)])
def test_the_flag_takes_dollars(word: str, ticks: int) -> None:
    """Ticks inside; `none` lifts a budget."""
    assert value_types.Budget().convert(word, None, None) == ticks


@pytest.mark.parametrize("word", ["0", "-3", "much", "nan", ""])
def test_the_flag_takes_nothing_else(word: str) -> None:
    """Told with an example of what it takes."""
    with pytest.raises(BadParameter, match=r", or none$"):
        value_types.Budget().convert(word, None, None)


def test_used_and_reserved_are_shown(database: Database) -> None:
    """What counts against the budget, not only what is billed; without one, what may be as well."""
    driver = replace(new_run(database, 2, RunOptions(budget_ticks=20 * USD)), reserve_ticks=2 * USD)
    lease = driver.bring(JobState.STORED)
    driver.apply(
        result_moves.settled,
        settled(lease.job_id, 1, Event.SUCCEEDED, JobState.SUCCEEDED, replace(COST, ticks=3 * USD)),
    )
    driver.bring(JobState.WAITING)
    driver.in_transaction(lambda _, deltas: deltas.add(driver.run_id, "ticks", "possible_extra", USD))
    driver.in_transaction(lambda _, deltas: deltas.add(driver.run_id, "ticks", "probable_extra", USD // 5))
    seen = snapshot_of_run(database, driver.run_id)

    assert money_text(seen) == (
        "$4.00 of $20.00 ($1.00 of it possible, about $0.2000 probable, and $2.00 reserved)"
    )
    budget = live_object(seen).budget
    assert budget is not None
    assert budget.used_ticks == 4 * USD
    assert budget.reserved_ticks == 2 * USD
    lines = " ".join(" ".join(summary_lines(seen.stored.summary())).split())
    assert (
        "$4.00 of $20.00 used, possible costs included; $2.00 reserved for answers not collected yet" in lines
    )
    free = replace(seen.run, options=RunOptions())
    bare = replace(seen, stored=replace(seen.stored, run=free))
    assert money_text(bare) == "$3.00 (about $0.2000 more, at most $1.00)"
    assert "budget" not in "\n".join(summary_lines(bare.stored.summary()))
