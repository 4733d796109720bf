"""The limits of a minute: those of a run, of its team, and of a model; together they say what may be sent."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenLimits:
    """What a person gave, requests and tokens a minute. None: not given; 0: no limit.

    `rpm`, `tpm`: those of a run, for itself. `team_rpm`, `team_tpm`: those of the team, in place of what the
    model table says of a model.
    """

    rpm: int | None = None
    tpm: int | None = None
    team_rpm: int | None = None
    team_tpm: int | None = None

    def of_model(self, rpm: int, tpm: int) -> tuple[int, int]:
        """Return what all runs together may send to a model with these limits by the table; 0 is no limit."""
        return (
            rpm if self.team_rpm is None else self.team_rpm,
            tpm if self.team_tpm is None else self.team_tpm,
        )

    def prompt_tpm(self, model_tpm: float) -> float:
        """Return the tokens a minute that one prompt has to fit, by the smallest limit; inf: by none.

        `model_tpm` is the limit of the model that answers, in whose place the team's stands.
        """
        of_all_runs = model_tpm if self.team_tpm is None else self.team_tpm
        return min((one for one in (of_all_runs, self.tpm) if one), default=math.inf)


NOT_GIVEN: Final = GivenLimits()


def lower(one: int, other: int) -> int:
    """Return the lower of two limits; 0 is no limit."""
    return min(one, other) if one and other else one or other
