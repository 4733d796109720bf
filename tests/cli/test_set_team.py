"""`runner set --team`: what all runs of a team may send together, with its event."""

from __future__ import annotations

import json
import shlex
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

import pytest
from actors import ANN, trail_of
from cli_calls import run_command
from live_runner import KEY
from servers import RedisServer

from runner.cli.session.change_team_limits import change_team_limits
from runner.cli.session.context import read_settings
from runner.db.session import Database
from runner.limiter.team_limits import TeamLimits, read
from runner.rules.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Team:
    """Shared servers on which commands are given."""

    def __init__(self, folder: Path, database_url: str, redis_url: str) -> None:
        self.folder, self.database_url, self.redis_url = folder, database_url, redis_url
        self.env = {
            "RUNNER_HOME": str(folder / "home"), "XAI_API_KEY": KEY, "PATH": "/usr/bin:/bin",
            "RUNNER_DATABASE_URL": database_url, "RUNNER_REDIS_URL": redis_url,
        }  # fmt: skip

    def call(self, words: str, *codes: int) -> tuple[str, str]:
        """Give a command; return its stdout and its stderr."""
        done = run_command(shlex.split(words), self.folder, self.env, *codes)
        return done.stdout, done.stderr

    def limits(self) -> TeamLimits:
        """Return the limits in Redis."""
        return read(self.redis_url, Secret(KEY).fingerprint)

    def trail(self) -> list[tuple[str, object, object, str | None]]:
        """Return the events of commands that belong to no run."""
        database = Database(self.database_url)
        found = trail_of(database, "operator_events")
        database.close()
        return [(event.kind, event.old, event.new, event.reason) for event in found]


@pytest.fixture
def team(database_url: str, tmp_path: Path) -> Iterator[Team]:
    """Yield shared servers without a worker."""
    with RedisServer() as redis:
        yield Team(tmp_path, database_url, redis.url)


def test_the_limits_of_a_team_are_set_and_recorded(team: Team) -> None:
    """Only what is named changes; the same again leaves no event."""
    assert team.call("set --team --rpm 480 --reason 'the demo'")[0] == "team rpm not set -> 480\n"
    assert team.call("set --team --rpm 480 --tpm none")[0].splitlines() == [
        "team rpm 480 (unchanged)",
        "team tpm not set -> none",
    ]
    found = json.loads(team.call("set --team --rpm 480 --json")[0])
    assert (found["changed"], found["unchanged"]) == ([], ["rpm"])

    assert team.limits() == TeamLimits(rpm=480, tpm=0)
    assert team.trail() == [
        ("team_limits", {"rpm": None}, {"rpm": 480}, "the demo"),
        ("team_limits", {"tpm": None}, {"tpm": 0}, None),
    ]


def test_commands_at_once_keep_the_limits_of_each_other(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each changes what it names; the old and new values of the events follow one another."""
    team.call("set --team --rpm 1 --tpm 1")
    for name, value in team.env.items():
        monkeypatch.setenv(name, value)
    settings, database = read_settings(), Database(team.database_url)
    rounds = range(2, 20)
    with ThreadPoolExecutor(2) as threads:
        for number in rounds:
            given = ({"rpm": number}, {"tpm": number})
            change = partial(change_team_limits, settings, database, ANN, dry_run=False)
            list(threads.map(change, given))
            assert team.limits() == TeamLimits(rpm=number, tpm=number)
    database.close()

    found = [(old, new) for _, old, new, _ in team.trail()[1:]]
    expected = [({name: n - 1}, {name: n}) for n in rounds for name in ("rpm", "tpm")]
    assert sorted(found, key=str) == sorted(expected, key=str)


def test_a_dry_run_of_a_team_changes_nothing(team: Team) -> None:
    """It prints what it would do."""
    assert team.call("set --team --tpm 5 --dry-run")[0] == "would set team tpm not set -> 5\n"
    assert (team.limits(), team.trail()) == (TeamLimits(), [])


@pytest.mark.parametrize(
    "words", ["set 1 --team --rpm 5", "set --team --budget 5", "set --rpm 5", "set --team"]
)
def test_what_is_no_limit_of_a_team_is_refused(team: Team, words: str) -> None:
    """In a sentence."""
    assert "error: " in team.call(words, 2)[1]


def test_the_cure_for_nothing_named_is_a_limit_of_a_team(team: Team) -> None:
    """A budget, which a run may have, would be refused."""
    assert team.call("set --team", 2)[1].endswith("fix: name an option, such as --rpm 480 or --tpm none\n")


def test_nothing_is_on_record_where_redis_does_not_answer(team: Team) -> None:
    """The change and its event go together."""
    team.env["RUNNER_REDIS_URL"] = "redis://127.0.0.1:1/0"
    assert "Redis does not answer; nothing was changed" in team.call("set --team --rpm 5", 5)[1]
    assert team.trail() == []
