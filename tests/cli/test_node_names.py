"""The names of live workers are completed for `workers drain`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.cli.session.completion.node_names import complete_nodes
from runner.db.session import Database
from runner.db.workers import workers

if TYPE_CHECKING:
    from pathlib import Path

    import pytest
    from conftest import PostgresServer


def test_live_nodes_are_completed(
    postgres_server: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not those that have ended, nor a name that a terminal would obey."""
    with postgres_server.fresh("migrated") as url:
        database = Database(url)
        with database.write() as connection:
            now_ms = database.now_ms()
            ids = [
                workers.register(connection, host="h", node=node, pid=1, now_ms=now_ms)
                for node in ("w1@a", "w2@a", "w3@a", "w\x1b[2J@a")
            ]
            workers.record_end(connection, ids[1], now_ms)
        database.close()
        for name, value in {
            "RUNNER_HOME": str(tmp_path),
            "RUNNER_DATABASE_URL": url,
            "RUNNER_REDIS_URL": f"unix://{tmp_path}/none.sock",
        }.items():
            monkeypatch.setenv(name, value)

        assert [item.value for item in complete_nodes("w")] == ["w1@a", "w3@a"]
        assert complete_nodes("x") == []
    assert complete_nodes("w") == []
