"""`runner doctor` beside a database that accepts connections and answers nothing, as a frozen one does."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING

from cli_calls import run_command
from live_runner import KEY, NO_LIMITS, Simulator

from runner.db.connection import postgres_engine

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def connections(listener: socket.socket) -> int:
    """Return how many connections wait to be accepted."""
    listener.setblocking(False)
    found = []
    try:
        while True:
            found.append(listener.accept()[0])
    except BlockingIOError:
        return len(found)
    finally:
        for connection in found:
            connection.close()


def test_a_database_that_does_not_answer_is_asked_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each check that needs it says so; the others are made."""
    monkeypatch.setitem(postgres_engine._CONNECT, "connect_timeout", 2)  # the least that libpq takes
    with Simulator(tmp_path, *NO_LIMITS) as simulator, socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        env = {
            "RUNNER_HOME": str(tmp_path / "home"), "PATH": "/usr/bin:/bin", "XAI_API_KEY": KEY,
            "XAI_BASE_URL": simulator.url, "RUNNER_REDIS_URL": "redis://127.0.0.1:1/0",
            "RUNNER_DATABASE_URL": f"postgresql+psycopg://ann:secret@127.0.0.1:{port}/runner",
        }  # fmt: skip
        words = ("doctor", "database", "workers", "api", "--json")
        checks = json.loads(run_command(words, tmp_path, env, 5).stdout)["checks"]
        assert connections(listener) == 1

    found = {check["name"]: check for check in checks}
    for name, state in (("database", "failed"), ("workers", "failed"), ("team limits", "warning")):
        assert found[name]["state"] == state
        assert "the database does not answer" in found[name]["told"]
    assert (found["api"]["state"], found["model"]["state"]) == ("ok", "ok")
