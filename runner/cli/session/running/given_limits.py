"""The limits that a person gave: the flags of a run, and what was set for the team."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runner.rules.errors import RunnerError
from runner.rules.sending.rate_limits import GivenLimits
from runner.rules.sending.team_limits import TeamLimits

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runner.settings import Settings


def given_limits(settings: Settings, rpm: int | None, tpm: int | None) -> GivenLimits:
    """Return them. `rpm` and `tpm` are the flags; None: not given, 0: no limit."""
    team = team_limits_in_force(settings)
    return GivenLimits(rpm=rpm, tpm=tpm, team_rpm=team.rpm, team_tpm=team.tpm)


def named_limits(settings: Settings, named: Mapping[str, Any]) -> GivenLimits:
    """Return them, by the options that a command names."""
    return given_limits(settings, named.get("rpm"), named.get("tpm"))


def team_limits_in_force(settings: Settings) -> TeamLimits:
    """Return what is set for the team: what the database has, where it can be read, else the settings.

    Of a state folder: as it will be once a run starts with these settings. Workers of shared servers have
    settings of their own.
    """
    by_settings = TeamLimits(rpm=settings.team_rpm, tpm=settings.team_tpm)
    is_missing = settings.embedded and not (settings.home / "runner.db").exists()
    if settings.api_key is None or is_missing:
        return by_settings
    from sqlalchemy.exc import SQLAlchemyError

    from runner.db import migrate
    from runner.db.session import Database
    from runner.embedded.read_team_limits import read_team_limits

    try:
        database = Database(settings.effective_database_url)
        try:
            if migrate.revision(database) != migrate.HEAD:
                return by_settings
            with database.read() as connection:
                return read_team_limits(connection, settings)
        finally:
            database.close()
    except (RunnerError, SQLAlchemyError):  # other parts of a command say what is wrong with it
        return by_settings
