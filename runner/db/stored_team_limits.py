"""The tables `team_limits` and `team_settings`: what was set for teams, by a person or by settings.

A row belongs to an API key, by its fingerprint. Keys of one team share the row that was changed last: so a
limit may be set before a worker has asked the API for the team, and holds for a new key of the team.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, text

from runner.db.stored_text import stored_text
from runner.rules.sending.team_limits import (
    RecordedSetting,
    TeamLimits,
    VersionedLimits,
    changed_settings,
    with_settings,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

_OF_TEAM: Final = "(fingerprint = :key OR team = (SELECT team FROM team_limits WHERE fingerprint = :key))"
_OF_KEYS: Final = f"fingerprint IN (SELECT fingerprint FROM team_limits WHERE {_OF_TEAM})"


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSettings:
    """The limits that the settings of a host have for the team of an API key, known by its fingerprint."""

    fingerprint: str
    host: str
    limits: TeamLimits


def read(connection: Connection, fingerprint: str) -> VersionedLimits:
    """Return the limits in force of the team of a key."""
    query = text(f"SELECT rpm, tpm, version FROM team_limits WHERE {_OF_TEAM} ORDER BY version DESC LIMIT 1")
    row = connection.execute(query, {"key": fingerprint}).one_or_none()
    if row is None:
        return VersionedLimits()
    return VersionedLimits(limits=TeamLimits(rpm=row.rpm, tpm=row.tpm), version=row.version)


def name_of_team(connection: Connection, fingerprint: str) -> str | None:
    """Return the name of a key's team; None while no worker has learned it."""
    query = text("SELECT team FROM team_limits WHERE fingerprint = :key")
    found: str | None = connection.execute(query, {"key": fingerprint}).scalar_one_or_none()
    return found


def read_settings(connection: Connection, fingerprint: str) -> Sequence[RecordedSetting]:
    """Return what the settings of each host said last of the team of a key, the oldest first."""
    query = text(f"SELECT host, name, value, version FROM team_settings WHERE {_OF_KEYS} ORDER BY version")
    return [RecordedSetting(**row) for row in connection.execute(query, {"key": fingerprint}).mappings()]


def after_start(connection: Connection, given: HostSettings) -> TeamLimits:
    """Return what would be in force after a worker started with these settings. Changes nothing."""
    return with_settings(
        read(connection, given.fingerprint).limits,
        read_settings(connection, given.fingerprint),
        given.host,
        given.limits,
    )


def lock(connection: Connection) -> None:
    """Let no other transaction change the limits until this one ends: it reads what it changes.

    On SQLite a writing transaction is alone anyway.
    """
    if connection.dialect.name != "sqlite":
        connection.execute(text("LOCK TABLE team_limits IN SHARE ROW EXCLUSIVE MODE"))


def change(connection: Connection, fingerprint: str, limits: TeamLimits, now_ms: int) -> VersionedLimits:
    """Set the limits of the team of a key; return them with their version. The caller holds the `lock`."""
    found = VersionedLimits(limits=limits, version=_next_version(connection, now_ms))
    connection.execute(
        text(
            "INSERT INTO team_limits (fingerprint, rpm, tpm, version) VALUES (:key, :rpm, :tpm, :version)"
            " ON CONFLICT (fingerprint) DO UPDATE"
            " SET rpm = excluded.rpm, tpm = excluded.tpm, version = excluded.version"
        ),
        {"key": fingerprint, "rpm": limits.rpm, "tpm": limits.tpm, "version": found.version},
    )
    return found


def record_team(connection: Connection, fingerprint: str, team: str) -> None:
    """Record the name of a key's team. The caller holds the `lock`."""
    stored = stored_text(team)
    if name_of_team(connection, fingerprint) != stored:
        connection.execute(
            text(
                "INSERT INTO team_limits (fingerprint, team, version) VALUES (:key, :team, 0)"
                " ON CONFLICT (fingerprint) DO UPDATE SET team = excluded.team"
            ),
            {"key": fingerprint, "team": stored},
        )


def record_start(connection: Connection, given: HostSettings, now_ms: int) -> VersionedLimits:
    """Record that a worker started with these settings; return what is in force then.

    The caller holds the `lock`.
    """
    before = read(connection, given.fingerprint)
    known = read_settings(connection, given.fingerprint)
    after = with_settings(before.limits, known, given.host, given.limits)
    version = _next_version(connection, now_ms)
    for name in changed_settings(known, given.host, given.limits):
        _replace_setting(connection, given, name, version)
    if after == before.limits:
        return before
    return change(connection, given.fingerprint, after, now_ms)


def _replace_setting(connection: Connection, given: HostSettings, name: str, version: int) -> None:
    facts = {
        "key": given.fingerprint,
        "host": given.host,
        "name": name,
        "value": given.limits.of(name),
        "version": version,
    }
    connection.execute(
        text(f"DELETE FROM team_settings WHERE host = :host AND name = :name AND {_OF_KEYS}"), facts
    )
    if facts["value"] is not None:
        connection.execute(
            text(
                "INSERT INTO team_settings (fingerprint, host, name, value, version)"
                " VALUES (:key, :host, :name, :value, :version)"
            ),
            facts,
        )


def _next_version(connection: Connection, now_ms: int) -> int:
    """Return a version above all in the tables; the time, where that is above them.

    So it is also above those that a Redis has from another database, or from one that was replaced since.
    """
    query = text(
        "SELECT MAX(version) FROM (SELECT version FROM team_limits UNION ALL"
        " SELECT version FROM team_settings) AS versions"
    )
    return max(now_ms, 1 + (connection.execute(query).scalar_one() or 0))
