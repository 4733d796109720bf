"""The limits that a person gave: the flags of a run, and the settings of the team."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runner.rules.rate_limits import GivenLimits

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runner.settings import Settings


def given_limits(settings: Settings, rpm: int | None, tpm: int | None) -> GivenLimits:
    """Return them. `rpm` and `tpm` are the flags; None: not given, 0: no limit."""
    return GivenLimits(rpm=rpm, tpm=tpm, team_rpm=settings.team_rpm, team_tpm=settings.team_tpm)


def named_limits(settings: Settings, named: Mapping[str, Any]) -> GivenLimits:
    """Return them, by the options that a command names."""
    return given_limits(settings, named.get("rpm"), named.get("tpm"))
