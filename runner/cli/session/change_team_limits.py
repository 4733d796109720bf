"""Change the limits of a whole team, which are in Redis, and record it in the database."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from runner.cli.session.context import require_key
from runner.db import trail
from runner.db.stored_options import OptionsChange
from runner.limiter import team_limits
from runner.limiter.store import LimiterUnavailable
from runner.rules.errors import Unreachable, UsageError
from runner.rules.event_kinds import EventKind
from runner.settings import socket_path

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runner.db.session import Database
    from runner.db.trail import Actor
    from runner.settings import Settings


def change_team_limits(
    settings: Settings, database: Database, actor: Actor, named: Mapping[str, Any], *, dry_run: bool
) -> OptionsChange:
    """Set the named limits of the team of the API key; return what that changed, or with `dry_run` would.

    Two commands at once change them one after the other. Redis is written last before the commit: where it
    fails, nothing is on record. Only a kill between the two leaves a change without its event. Raises
    Unreachable, and UsageError where no engine holds the limits.
    """
    url, fingerprint = _team(settings)
    try:
        if dry_run:
            old = team_limits.read(url, fingerprint)
            return OptionsChange.between(asdict(old), asdict(replace(old, **named)))
        now_ms = database.now_ms()
        with database.write() as connection:
            trail.lock_operator_events(connection)
            old = team_limits.read(url, fingerprint)
            new = replace(old, **named)
            change = OptionsChange.between(asdict(old), asdict(new))
            if change.new:
                trail.record_operator_event(
                    connection, now_ms, EventKind.TEAM_LIMITS, actor=actor, old=change.old, new=change.new
                )
                team_limits.write(url, fingerprint, new)
    except LimiterUnavailable as error:
        raise Unreachable("Redis does not answer; nothing was changed", fix="runner doctor") from error
    return change


def _team(settings: Settings) -> tuple[str, str]:
    """Return the URL of the Redis that has the limits, and the fingerprint of the key. Raises UsageError."""
    require_key(settings)
    if settings.redis_url is None and not socket_path(settings.home).exists():
        raise UsageError(
            "the engine keeps the limits of the team, and no engine is at work",
            fix="start a run first, or set RUNNER_TEAM_RPM and RUNNER_TEAM_TPM",
        )
    return settings.effective_redis_url, settings.api_key.fingerprint if settings.api_key else ""
