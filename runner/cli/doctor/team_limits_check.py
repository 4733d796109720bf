"""The check of the limits that were set for the team of the key."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from runner.cli.doctor.diagnosis import ok
from runner.limiter import team_limits
from runner.limiter.team_limits import TeamLimits
from runner.rules.errors import UserError
from runner.settings import socket_path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runner.cli.doctor.diagnosis import Diagnosis
    from runner.settings import Settings


def check_team_limits(settings: Settings) -> Iterator[Diagnosis]:
    """Report the limits in place of the models'; nothing where none are set."""
    found = _in_force(settings)
    parts = [_words(found.rpm, "requests"), _words(found.tpm, "tokens")]
    if any(parts):
        yield ok(
            "team limits", f"{', '.join(part for part in parts if part)} to each model, set for the team"
        )


def _in_force(settings: Settings) -> TeamLimits:
    """Return what Redis has; where it does not answer, what the settings will set."""
    is_there = settings.redis_url is not None or socket_path(settings.home).exists()
    if is_there and settings.api_key is not None:
        with suppress(UserError):
            return team_limits.read(settings.effective_redis_url, settings.api_key.fingerprint)
    return TeamLimits(rpm=settings.team_rpm, tpm=settings.team_tpm)


def _words(limit: int | None, what: str) -> str:
    if limit is None:
        return ""
    return f"{limit:,} {what} a minute" if limit else f"no limit of {what}"
