"""What sending jobs again may cost: one number, wherever it is printed."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from click.testing import CliRunner
from run_driver import COST, NOW_MS, accepted, new_run, received, requeue_row, settled
from sqlalchemy import text

from runner.cli.main import cli
from runner.db import migrate
from runner.db.moves import job_moves, result_moves
from runner.db.session import Database
from runner.rules.states import Event, JobState

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

EACH: Final = 3 * 10**9  # ticks of the answer that came: $0.30
BODY: Final = b'{"model": "grok-4.3", "messages": [{"role": "user", "content": "Say 1."}]}'
PRICE: Final = re.compile(r"about (\$[\d.]+)")


def prices(home: Path, command: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the prices that a command prints."""
    monkeypatch.setenv("RUNNER_HOME", str(home))
    done = CliRunner().invoke(cli, command.split())
    assert done.exit_code == 0, done.output
    return PRICE.findall(done.output)


def test_retry_asks_with_the_price_of_the_suggestion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both go by what the run's answers cost, with another model too."""
    database = Database(f"sqlite:///{tmp_path / 'runner.db'}")
    migrate.upgrade(database, None)
    driver = new_run(database, 2)
    answered, lost = driver.lease(2)
    driver.send(answered, lost)
    driver.apply(job_moves.accepted, accepted(lost, due_at_ms=NOW_MS))
    (claimed,) = driver.claim()
    driver.apply(job_moves.lost, requeue_row(claimed.lease, JobState.HELD, 9))
    driver.apply(result_moves.stored, received(answered.job_id))
    row = settled(answered.job_id, 1, Event.SUCCEEDED, JobState.SUCCEEDED, replace(COST, ticks=EACH))
    driver.apply(result_moves.settled, row)
    with database.write() as connection:
        connection.execute(text("UPDATE payloads SET body = :body"), {"body": BODY})
    database.close()

    suggested = prices(tmp_path, "status 1", monkeypatch)
    assert suggested == ["$0.3000"]
    assert prices(tmp_path, "retry 1 --lost --dry-run", monkeypatch) == suggested
    assert prices(tmp_path, "retry 1 --lost --set-model grok-4.3 --dry-run", monkeypatch) == suggested
