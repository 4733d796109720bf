"""The check of the limits that were set for the team of the key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.cli.doctor.diagnosis import ok
from runner.cli.render.runs.progress import team_limits_text
from runner.cli.session.running.given_limits import team_limits_in_force

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runner.cli.doctor.diagnosis import Diagnosis
    from runner.settings import Settings


def check_team_limits(settings: Settings) -> Iterator[Diagnosis]:
    """Report the limits in place of the models'; nothing where none are set."""
    found = team_limits_text(team_limits_in_force(settings))
    if found is not None:
        yield ok("team limits", found)
