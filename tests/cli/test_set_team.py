"""`runner set --team`: what all runs of a team may send together, with its event."""

from __future__ import annotations

import json
import shlex
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

import pytest
from actors import ANN, trail_of
from cli_calls import run_command
from live_runner import KEY, write_jobs
from redis import Redis
from servers import RedisServer
from sqlalchemy import text

from runner import settings as settings_of
from runner.cli.doctor.team_limits_check import check_team_limits
from runner.cli.session.context import read_settings
from runner.cli.session.steering.change_team_limits import change_team_limits
from runner.db import stored_team_limits as stored
from runner.db.session import Database
from runner.db.stored_team_limits import HostSettings
from runner.embedded import engine_record
from runner.embedded.engine_record import EngineRecord
from runner.embedded.state_folder import StateFolder
from runner.engine.process.host_id import EMBEDDED
from runner.limiter.hand_over_limits import hand_over, read_handed_over
from runner.rules.secret import Secret
from runner.rules.sending.team_limits import TeamLimits

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


FINGERPRINT = Secret(KEY).fingerprint


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
        """Return the limits in the database; those in Redis are the same."""
        with Redis.from_url(self.redis_url) as redis:
            in_redis = read_handed_over(redis, FINGERPRINT) or TeamLimits()
        assert in_redis == self.stored()
        return in_redis

    def stored(self) -> TeamLimits:
        """Return the limits in the database."""
        database = Database(self.database_url)
        with database.read() as connection:
            found = stored.read(connection, FINGERPRINT).limits
        database.close()
        return found

    def start_host(self, host: str, limits: TeamLimits) -> None:
        """Record what a worker of a host with these settings records when it starts; Redis has it, too."""
        database = Database(self.database_url)
        with database.write() as connection:
            stored.lock(connection)
            given = HostSettings(fingerprint=FINGERPRINT, host=host, limits=limits)
            found = stored.record_start(connection, given, database.now_ms())
        database.close()
        hand_over(self.redis_url, FINGERPRINT, None, found)

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
    "words",
    [
        *("set 1 --team --rpm 5", "set --team --budget 5", "set --rpm 5", "set 1 --team"),
        *("set 1 --rpm default", "set --tpm default", "check jobs.jsonl --rpm default"),
    ],
)
def test_what_is_no_limit_of_a_team_is_refused(team: Team, words: str) -> None:
    """In a sentence."""
    assert "error: " in team.call(words, 2)[1]


def test_the_cure_for_nothing_named_is_a_limit_of_a_team(team: Team) -> None:
    """A budget, which a run may have, would be refused."""
    said = team.call("set --team --reason because", 2)[1]
    assert "fix: name an option, such as --rpm 480 or --tpm none; without --reason this shows" in said


def test_without_a_limit_those_in_force_are_shown_with_their_source(team: Team) -> None:
    """A command, the settings of hosts, or the model; nothing is changed, and no event is left."""
    assert team.call("set --team")[0].splitlines() == [
        "team rpm  not set: the limit of the model holds",
        "team tpm  not set: the limit of the model holds",
    ]
    team.start_host("alpha", TeamLimits(rpm=240, tpm=7))
    team.start_host("beta", TeamLimits(rpm=240, tpm=9))
    team.call("set --team --tpm none")
    before = team.limits(), team.trail()

    assert team.call("set --team")[0].splitlines() == [
        "team rpm  240, by the setting team_rpm of alpha and 1 more",
        "team tpm  none, by runner set --team",
    ]
    assert json.loads(team.call("set --team --json")[0]) == {
        "schema": 1,
        "rpm": {"value": 240, "source": "settings", "hosts": ["alpha", "beta"]},
        "tpm": {"value": 0, "source": "command", "hosts": []},
    }
    assert (team.limits(), team.trail()) == before


def test_limits_that_no_worker_knows_yet_come_from_this_machine(team: Team) -> None:
    """As `check` uses them: where nothing was ever set in the database."""
    team.env["RUNNER_TEAM_RPM"] = "60"
    assert (
        team.call("set --team")[0].splitlines()[0] == "team rpm  60, by the setting team_rpm of this machine"
    )
    team.call("set --team --rpm 480")
    assert team.call("set --team")[0].splitlines()[0] == "team rpm  480, by runner set --team"
    del team.env["XAI_API_KEY"]
    assert "no API key is set" in team.call("set --team", 2)[1]


def test_status_knows_the_limits_that_redis_does_not_have(team: Team) -> None:
    """They come from the database: before a worker has started, and where Redis does not answer."""

    def shown() -> object:
        return json.loads(team.call("status --json")[0])["team_limit"]

    write_jobs(team.folder / "jobs.jsonl", 1)
    team.call("load jobs.jsonl")
    assert shown() == {"requests_max": None, "tokens_max": None}
    team.call("set --team --rpm 480 --tpm none")
    with Redis.from_url(team.redis_url) as redis:
        redis.flushall()
    assert shown() == {"requests_max": 480, "tokens_max": 0}
    assert "480 requests a minute, no limit of tokens to each model" in team.call("status")[0]

    redis_url, team.env["RUNNER_REDIS_URL"] = team.redis_url, "redis://127.0.0.1:1/0"
    team.call("set --team --rpm 90")
    assert shown() == {"requests_max": 90, "tokens_max": 0}
    team.env["RUNNER_REDIS_URL"] = redis_url
    team.call("set --team --rpm 60")
    assert shown() == {"requests_max": 60, "tokens_max": 0}
    del team.env["XAI_API_KEY"]
    assert shown() is None


def test_default_goes_back_to_the_limits_of_the_models(team: Team) -> None:
    """As where none was ever set; the other limit stays."""
    team.call("set --team --rpm 480 --tpm none")
    assert team.call("set --team --rpm default --dry-run")[0] == "would set team rpm 480 -> not set\n"
    assert team.call("set --team --rpm default")[0] == "team rpm 480 -> not set\n"
    assert team.limits() == TeamLimits(tpm=0)
    assert team.call("set --team --rpm default")[0] == "team rpm not set (unchanged)\n"
    assert json.loads(team.call("set --team --tpm default --json")[0])["changed"] == [
        {"name": "tpm", "old": 0, "new": None}
    ]
    assert team.limits() == TeamLimits()
    assert [new for _, _, new, _ in team.trail()] == [{"rpm": 480, "tpm": 0}, {"rpm": None}, {"tpm": None}]


def test_a_run_has_no_default_limit(team: Team) -> None:
    """The sentence says where one goes."""
    words = "default is a limit of the team, in place of one that was set for it"
    assert words in team.call("set 1 --rpm default", 2)[1]


def test_while_redis_does_not_answer_the_database_has_the_limits(team: Team) -> None:
    """With their event. Workers hand them over; a command that gives the same again does so, too."""
    redis_url, team.env["RUNNER_REDIS_URL"] = team.redis_url, "redis://127.0.0.1:1/0"
    out, err = team.call("set --team --rpm 5")
    assert out == "team rpm not set -> 5\n"
    assert err.startswith("warning: Redis does not answer")
    assert err.endswith("; workers use the limits once it answers\n")
    assert team.stored() == TeamLimits(rpm=5)
    assert len(team.trail()) == 1

    team.env["RUNNER_REDIS_URL"] = redis_url
    assert team.call("set --team --rpm 5") == ("team rpm 5 (unchanged)\n", "")
    assert team.limits() == TeamLimits(rpm=5)


def test_a_state_folder_needs_no_engine(tmp_path: Path) -> None:
    """Only a database, and a key; what is missing is named."""
    write_jobs(tmp_path / "jobs.jsonl", 1)
    env = {"RUNNER_HOME": str(tmp_path / "home"), "PATH": "/usr/bin:/bin"}
    words = ("set", "--team", "--rpm", "480")
    assert "there are no runs yet" in run_command(words, tmp_path, env | {"XAI_API_KEY": KEY}, 2).stderr
    run_command(("load", "jobs.jsonl"), tmp_path, env)
    assert "no API key is set" in run_command(words, tmp_path, env, 2).stderr
    done = run_command(words, tmp_path, env | {"XAI_API_KEY": KEY})
    assert (done.stdout, done.stderr) == ("team rpm not set -> 480\n", "")


def test_a_killed_engine_is_no_redis_that_does_not_answer(tmp_path: Path) -> None:
    """The socket of its Valkey and its record are still there; the next engine hands the limits over."""
    write_jobs(tmp_path / "jobs.jsonl", 1)
    home = StateFolder(tmp_path / "home")
    env = {"RUNNER_HOME": str(home.path), "PATH": "/usr/bin:/bin", "XAI_API_KEY": KEY}
    run_command(("load", "jobs.jsonl"), tmp_path, env)
    with socket.socket(socket.AF_UNIX) as valkey:
        valkey.bind(str(home.socket))
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    engine_record.write(
        home.engine_json,
        EngineRecord(
            pid=ended.pid, started_at=0.0, socket=str(home.socket), valkey=ended.pid, workers=(),
            key_fingerprint=FINGERPRINT, base_url="", token="t",
        ),
    )  # fmt: skip
    done = run_command(("set", "--team", "--rpm", "480"), tmp_path, env)
    assert (done.stdout, done.stderr) == ("team rpm not set -> 480\n", "")


def test_a_word_holds_also_where_the_database_was_put_back(team: Team) -> None:
    """Redis has a newer version than the backup then, of limits that the database does not know."""
    team.call("set --team --rpm 90")
    database = Database(team.database_url)
    with database.write() as connection:
        connection.execute(text("DELETE FROM team_limits"))
    database.close()
    assert team.call("set --team --rpm default") == ("team rpm not set (unchanged)\n", "")
    assert team.limits() == TeamLimits()


@pytest.mark.parametrize(
    ("rpm", "setting", "known"),
    [(None, "", 1_800), (None, "60", 60), (480, "", 480), (480, "60", 60), (480, "240", 480)],
)
def test_check_knows_what_was_set(tmp_path: Path, rpm: int | None, setting: str, known: int) -> None:
    """By a person, or by settings that were changed since; those of before (240) do not count again."""
    write_jobs(tmp_path / "jobs.jsonl", 2)
    env = {
        "RUNNER_HOME": str(tmp_path / "home"), "PATH": "/usr/bin:/bin", "XAI_API_KEY": KEY,
        "RUNNER_TEAM_RPM": setting,
    }  # fmt: skip
    run_command(("load", "jobs.jsonl"), tmp_path, env)
    if rpm is not None:
        database = Database(f"sqlite:///{tmp_path / 'home' / 'runner.db'}")
        with database.write() as connection:
            of_before = HostSettings(fingerprint=FINGERPRINT, host=EMBEDDED, limits=TeamLimits(rpm=240))
            stored.record_start(connection, of_before, 1)
        database.close()
        run_command(("set", "--team", "--rpm", str(rpm)), tmp_path, env)
    assert checked_rpm(tmp_path, env) == known


def test_check_of_shared_servers_knows_what_was_set(team: Team) -> None:
    """The settings of the machine count where nothing was: its workers may be others."""
    write_jobs(team.folder / "jobs.jsonl", 2)
    team.env["RUNNER_TEAM_RPM"] = "60"
    assert checked_rpm(team.folder, team.env) == 60
    team.call("set --team --rpm 480")
    assert checked_rpm(team.folder, team.env) == 480
    team.call("set --team --rpm default")
    assert checked_rpm(team.folder, team.env) == 1_800


def test_doctor_knows_what_was_set(team: Team) -> None:
    """As `check` does; nothing is said where nothing is set."""

    def found() -> list[str]:
        settings = settings_of.load(team.env, team.folder)
        return [diagnosis.result for diagnosis in check_team_limits(settings)]

    team.call("set --team --rpm 480 --tpm none")
    assert found() == ["480 requests a minute, no limit of tokens to each model, set for the team"]
    team.call("set --team --rpm default --tpm default")
    assert found() == []


def test_a_prompt_above_a_limit_of_the_team_is_refused(team: Team) -> None:
    """By `check` and by `run` alike."""
    write_jobs(team.folder / "jobs.jsonl", 2)
    team.call("set --team --tpm 1")
    assert "prompt" in team.call("check jobs.jsonl", 3)[0]
    assert "prompt" in team.call("run jobs.jsonl", 3)[1]


def checked_rpm(folder: Path, env: dict[str, str]) -> int:
    """Return the requests a minute that `check` reckons with."""
    found = json.loads(run_command(("check", "jobs.jsonl", "--json"), folder, env).stdout)
    rpm: int = found["models"][0]["limits"]["rpm"]
    return rpm
