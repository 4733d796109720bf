"""What is set for the team, as a command or a night knows it before a run is at work."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.db import stored_team_limits
from runner.db.stored_team_limits import HostSettings
from runner.engine.process.host_id import EMBEDDED
from runner.rules.sending.team_limits import NAMES, THIS_MACHINE, RecordedSetting, TeamLimits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from runner.settings import Settings


def read_team_limits(connection: Connection, settings: Settings) -> TeamLimits:
    """Return the limits of the team of the API key; without a key those of the settings.

    Of a state folder: as they will be once a run starts with these settings. Workers of shared servers have
    settings of their own, so these count only where nothing was ever set.
    """
    by_settings = TeamLimits(rpm=settings.team_rpm, tpm=settings.team_tpm)
    if settings.api_key is None:
        return by_settings
    fingerprint = settings.api_key.fingerprint
    if settings.embedded:
        given = HostSettings(fingerprint=fingerprint, host=EMBEDDED, limits=by_settings)
        return stored_team_limits.after_start(connection, given)
    found = stored_team_limits.read(connection, fingerprint)
    return found.limits if found.version else by_settings


def read_team_settings(connection: Connection, settings: Settings) -> Sequence[RecordedSetting]:
    """Return the settings that count for the limits which `read_team_limits` returns.

    Those of the command itself, where they count, have the host THIS_MACHINE.
    """
    fingerprint = "" if settings.api_key is None else settings.api_key.fingerprint
    if not settings.embedded and stored_team_limits.read(connection, fingerprint).version:
        return stored_team_limits.read_settings(connection, fingerprint)
    own = TeamLimits(rpm=settings.team_rpm, tpm=settings.team_tpm)
    return [
        RecordedSetting(host=THIS_MACHINE, name=name, value=value, version=0)
        for name in NAMES
        if (value := own.of(name)) is not None
    ]
