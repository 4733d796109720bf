"""The limits of teams in the database: keys of one team share them, and their version only grows."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from runner.db import stored_team_limits as stored
from runner.db.stored_team_limits import HostSettings
from runner.rules.sending.team_limits import TeamLimits, VersionedLimits

if TYPE_CHECKING:
    from runner.db.session import Database

ONE, OTHER, FOREIGN = "one", "other", "foreign"
NOW_MS: Final = 1_800_000_000_000


def set_limits(database: Database, key: str, rpm: int | None, now_ms: int = NOW_MS) -> int:
    """Set them as `runner set --team` does; return their version."""
    with database.write() as connection:
        stored.lock(connection)
        return stored.change(connection, key, TeamLimits(rpm=rpm), now_ms).version


def start(
    database: Database, key: str, team: str | None, rpm: int | None = None, *, host: str = "a"
) -> VersionedLimits:
    """Let a worker start with a setting, once it knows the name of its team."""
    with database.write() as connection:
        stored.lock(connection)
        if team is not None:
            stored.record_team(connection, key, team)
        settings = HostSettings(fingerprint=key, host=host, limits=TeamLimits(rpm=rpm))
        return stored.record_start(connection, settings, NOW_MS)


def rpm_of(database: Database, key: str) -> int | None:
    with database.read() as connection:
        return stored.read(connection, key).limits.rpm


def test_the_keys_of_a_team_share_what_was_set_last(database: Database) -> None:
    """Whichever key it was set with, also before its team was known; other teams keep their own."""
    set_limits(database, ONE, 300)
    start(database, OTHER, "team", 600)
    start(database, FOREIGN, "another team", 60)
    assert (rpm_of(database, ONE), rpm_of(database, OTHER)) == (300, 600)

    assert start(database, ONE, "team", host="b").limits.rpm == 600
    set_limits(database, ONE, 200)
    assert (rpm_of(database, ONE), rpm_of(database, OTHER), rpm_of(database, FOREIGN)) == (200, 200, 60)
    set_limits(database, OTHER, None)
    assert (rpm_of(database, ONE), rpm_of(database, OTHER), rpm_of(database, FOREIGN)) == (None, None, 60)


def test_what_was_set_before_the_team_was_known_is_newer_where_it_is(database: Database) -> None:
    """It counts by its time, not by that of the worker that learned the name."""
    start(database, OTHER, "team", 600)
    set_limits(database, ONE, 300)
    start(database, ONE, "team")
    assert rpm_of(database, OTHER) == 300


def test_a_new_key_of_the_team_is_under_its_limits(database: Database) -> None:
    """And settings that the host had with the old key are no new word."""
    start(database, ONE, "team", 600)
    set_limits(database, ONE, 300)
    assert start(database, OTHER, "team", 600).limits.rpm == 300
    assert start(database, OTHER, "team", 900).limits.rpm == 900
    assert start(database, ONE, "team", 900).limits.rpm == 900
    assert start(database, ONE, "team").limits.rpm is None


def test_a_start_with_the_settings_of_before_changes_nothing(database: Database) -> None:
    """Not even the version, so nothing is handed over again."""
    first = start(database, ONE, "team", 600)
    assert start(database, ONE, "team", 600) == first
    assert start(database, ONE, "team", 600, host="b") == first
    later = set_limits(database, ONE, 300)
    assert start(database, ONE, "team", 600) == VersionedLimits(limits=TeamLimits(rpm=300), version=later)
    assert start(database, ONE, "team", 900).version > later


def test_what_a_start_would_set_is_known_before(database: Database) -> None:
    """For `check`: nothing is written."""
    start(database, ONE, "team", 600)
    set_limits(database, ONE, 300)
    with database.read() as connection:
        found = [
            stored.after_start(
                connection, HostSettings(fingerprint=ONE, host="a", limits=TeamLimits(rpm=rpm))
            ).rpm
            for rpm in (600, 900, None)
        ]
    assert found == [300, 900, 300]
    assert rpm_of(database, ONE) == 300


def test_a_version_grows_whatever_the_clock_says(database: Database) -> None:
    """It is the time, unless that went back."""
    versions = [set_limits(database, ONE, 1, now_ms) for now_ms in (NOW_MS, NOW_MS, 5, NOW_MS + 9)]
    assert versions == [NOW_MS, NOW_MS + 1, NOW_MS + 2, NOW_MS + 9]
    assert set_limits(database, OTHER, 1, 5) == NOW_MS + 10


def test_changes_at_once_get_versions_one_after_another(database: Database) -> None:
    """Of several keys and processes: none has the version of another one."""
    with ThreadPoolExecutor(4) as threads:
        versions = list(threads.map(lambda n: set_limits(database, str(n % 3), n), range(24)))
    assert len(set(versions)) == 24


def test_a_name_that_is_no_text_is_stored_all_the_same(database: Database) -> None:
    """The API names the team."""
    start(database, ONE, "team\0seven", 600)
    start(database, OTHER, "team\0seven", host="b")
    assert rpm_of(database, OTHER) == 600
