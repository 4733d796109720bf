"""kill -9 of what sets the limits of a team: Redis gets what the database has, the trail has its event."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from live_runner import KEY, wait_until
from redis import Redis
from runtimes import opened_worker
from sqlalchemy import text
from trail_points import __file__ as points_file

from runner.db import stored_team_limits as stored
from runner.db.events import event_log
from runner.limiter.hand_over_limits import read_handed_over
from runner.limiter.team_names import KEY as TEAMS_KEY
from runner.rules.secret import Secret
from runner.rules.sending.team_limits import TeamLimits

if TYPE_CHECKING:
    from valkey_server import ValkeyServer

    from runner.db.session import Database

FINGERPRINT: Final = Secret(KEY).fingerprint
POINTS: Final = Path(points_file)


WORKER: Final = """
import os, sys
from pathlib import Path
from runtimes import opened_worker
from trail_points import Points
from runner.db.session import Database

folder, point, rpm = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
url = os.environ["RUNNER_DATABASE_URL"]
shared = {"RUNNER_REDIS_URL": os.environ["RUNNER_REDIS_URL"], "XAI_API_KEY": os.environ["XAI_API_KEY"]}
Points(point).install()
with opened_worker(Database(url), url, folder, RUNNER_TEAM_RPM=rpm, RUNNER_TEAM_TPM="", **shared) as worker:
    assert worker.run(worker.shared.team.resolve()) is None
"""


def test_a_worker_that_starts_is_killed_with_its_change_and_its_event_or_with_neither(
    database: Database, database_url: str, tmp_path: Path, server: ValkeyServer
) -> None:
    """At each point, as `set --team`; one that starts with the settings of before leaves no event."""
    env = {
        "PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path),
        "RUNNER_REDIS_URL": server.url, "RUNNER_DATABASE_URL": database_url, "XAI_API_KEY": KEY,
    }  # fmt: skip

    def start(point: int, rpm: int) -> bool:
        """Start a worker with these settings; return whether it was killed at this point."""
        words = [sys.executable, "-c", WORKER, str(tmp_path / "worker"), str(point), str(rpm)]
        done = subprocess.run(words, cwd=tmp_path, env=env, check=False, capture_output=True, timeout=300)
        is_killed = done.returncode == -signal.SIGKILL
        assert is_killed or not done.returncode, done.stderr.decode()
        return is_killed

    def facts() -> tuple[int | None, list[tuple[int | None, int]]]:
        """Return the limit in the database, and the old and the new one of each event."""
        with database.read() as connection:
            limits = stored.read(connection, FINGERPRINT).limits
            events = event_log.newest(connection, event_log.OPERATORS, event_log.EventFilter(), 100)
        return limits.rpm, [(event.old["rpm"], event.new["rpm"]) for event in events]

    with Redis.from_url(server.url) as redis:
        redis.flushall()
        redis.hset(TEAMS_KEY, FINGERPRINT, "team-7")
    in_force: int | None = None
    changes: list[tuple[int | None, int]] = []
    point, is_killed, has_left_one_out = 0, True, False
    while is_killed:
        point += 1
        is_killed = start(point, 100 + point)
        now, events = facts()
        if now != in_force:
            changes.append((in_force, 100 + point))
            in_force = 100 + point
        else:
            has_left_one_out = True
        assert (now, events) == (in_force, changes), f"after point {point}"
    assert has_left_one_out, "it was killed before its commit too"
    assert len(changes) > 1, "and after it"
    assert not start(0, in_force or 0)
    assert facts() == (in_force, changes)


@pytest.mark.parametrize("is_named", [True, False], ids=["team known", "team not known"])
def test_after_a_kill_redis_has_what_the_database_has(
    database: Database, database_url: str, tmp_path: Path, server: ValkeyServer, *, is_named: bool
) -> None:
    """At each point: after each statement, before the commit and after it, before Redis has it and after."""
    shared = {"RUNNER_REDIS_URL": server.url, "XAI_API_KEY": KEY}
    env = shared | {
        "PATH": os.environ["PATH"], "HOME": str(tmp_path), "RUNNER_HOME": str(tmp_path / "command"),
        "PYTHONPATH": os.pathsep.join(sys.path), "RUNNER_DATABASE_URL": database_url,
    }  # fmt: skip

    def trail() -> list[int]:
        with database.read() as connection:
            query = text("SELECT new FROM operator_events WHERE kind = 'team_limits' ORDER BY id")
            return [int(new.partition(":")[2].strip(" }")) for new in connection.execute(query).scalars()]

    def in_database() -> TeamLimits:
        with database.read() as connection:
            return stored.read(connection, FINGERPRINT).limits

    def in_redis() -> TeamLimits:
        with Redis.from_url(server.url) as redis:
            return read_handed_over(redis, FINGERPRINT) or TeamLimits()

    with Redis.from_url(server.url) as redis:
        redis.flushall()
        redis.hset(TEAMS_KEY, FINGERPRINT, "team-7" if is_named else FINGERPRINT)
    no_settings = {"RUNNER_TEAM_RPM": "", "RUNNER_TEAM_TPM": ""}
    with opened_worker(database, database_url, tmp_path / "worker", **shared, **no_settings) as worker:
        assert worker.run(worker.shared.team.resolve()) is None
        point, is_killed = 0, True
        set_so_far: list[int | None] = [None]
        while is_killed:
            point += 1
            rpm = 100 + point
            words = [sys.executable, str(POINTS), "--at", str(point), "set", "--team", "--rpm", str(rpm)]
            done = subprocess.run(words, cwd=tmp_path, env=env, check=False, capture_output=True, timeout=300)
            is_killed = done.returncode == -signal.SIGKILL
            assert is_killed or not done.returncode, done.stderr.decode()
            if (now := in_database().rpm) != set_so_far[-1]:
                assert now == rpm
                set_so_far.append(rpm)
            assert trail() == set_so_far[1:], "a change has its event, and an event its change"

            def is_the_same() -> bool:
                worker.read_runs()
                return in_redis() == in_database()

            wait_until(is_the_same, f"Redis has what the database has after point {point}")
    assert len(set_so_far) > 2, "it was killed after its commit too"
    assert point > len(set_so_far), "and before it"
