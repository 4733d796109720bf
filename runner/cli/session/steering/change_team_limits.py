"""Change the limits of a whole team in the database, with its event, and hand them to Redis."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from runner.cli.session.context import require_key
from runner.db import stored_team_limits
from runner.db.events import trail
from runner.db.runs.stored_options import OptionsChange
from runner.rules.errors import UserError
from runner.rules.event_kinds import EventKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runner.db.events.trail import Actor
    from runner.db.session import Database
    from runner.rules.sending.team_limits import VersionedLimits
    from runner.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedTeamLimits:
    """What changed; and why Redis does not have it yet: then the workers hand it over. None: it has."""

    change: OptionsChange
    problem: UserError | None = None


def change_team_limits(
    settings: Settings, database: Database, actor: Actor, named: Mapping[str, Any], *, dry_run: bool
) -> ChangedTeamLimits:
    """Set the named limits of the team of the API key; return what that changed, or with `dry_run` would.

    The change and its event are one transaction. Raises UsageError where no API key is set.
    """
    require_key(settings)
    fingerprint = settings.api_key.fingerprint if settings.api_key else ""
    if dry_run:
        with database.read() as connection:
            old = stored_team_limits.read(connection, fingerprint).limits
        return ChangedTeamLimits(change=OptionsChange.between(asdict(old), asdict(replace(old, **named))))
    now_ms = database.now_ms()
    with database.write() as connection:
        stored_team_limits.lock(connection)
        old = stored_team_limits.read(connection, fingerprint).limits
        new = replace(old, **named)
        change = OptionsChange.between(asdict(old), asdict(new))
        # Unchanged ones get a new version, too: Redis may have newer ones than a database from a backup.
        found = stored_team_limits.change(connection, fingerprint, new, now_ms)
        if change.new:
            trail.record_operator_event(
                connection, now_ms, EventKind.TEAM_LIMITS, actor=actor, old=change.old, new=change.new
            )
        team = stored_team_limits.name_of_team(connection, fingerprint)
    return ChangedTeamLimits(change=change, problem=_hand_over(settings, fingerprint, team, found))


def _hand_over(
    settings: Settings, fingerprint: str, team: str | None, found: VersionedLimits
) -> UserError | None:
    """Hand limits to Redis; return why it did not take them. Where no engine is at work there is none.

    An engine that was killed leaves the socket of its Valkey.
    """
    if settings.embedded and not _has_engine(settings):
        return None
    from runner.limiter.hand_over_limits import hand_over  # with redis-py

    try:
        hand_over(settings.effective_redis_url, fingerprint, team, found)
    except UserError as error:
        return error
    return None


def _has_engine(settings: Settings) -> bool:
    from runner.embedded.engine_record import read_alive
    from runner.embedded.state_folder import StateFolder

    return read_alive(StateFolder(settings.home).engine_json) is not None
