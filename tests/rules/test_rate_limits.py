"""The limits of a minute: of a run, of its team, and of a model."""

from __future__ import annotations

import math

import pytest

from runner.rules.sending.rate_limits import GivenLimits, lower


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (GivenLimits(), (120, 200_000)),
        (GivenLimits(rpm=5, tpm=5), (120, 200_000)),  # a run's own is no limit of the model
        (GivenLimits(team_rpm=600), (600, 200_000)),
        (GivenLimits(team_rpm=0, team_tpm=0), (0, 0)),
    ],
)
def test_the_team_s_limit_stands_in_place_of_the_model_s(
    given: GivenLimits, expected: tuple[int, int]
) -> None:
    """Each of the two by itself; 0 lifts it."""
    assert given.of_model(120, 200_000) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (GivenLimits(), 400),
        (GivenLimits(tpm=0), 400),
        (GivenLimits(tpm=100), 100),
        (GivenLimits(tpm=900), 400),
        (GivenLimits(team_tpm=500), 500),
        (GivenLimits(tpm=100, team_tpm=500), 100),
        (GivenLimits(tpm=900, team_tpm=500), 500),
        (GivenLimits(team_tpm=0), math.inf),
        (GivenLimits(tpm=900, team_tpm=0), 900),
        (GivenLimits(tpm=100, team_tpm=0), 100),
    ],
)
def test_a_prompt_has_to_fit_the_lowest_limit_that_binds_it(given: GivenLimits, expected: float) -> None:
    """That of its model or in its place the team's, and the run's own; 0 is none."""
    assert given.prompt_tpm(400) == expected


def test_no_limit_is_never_the_lower_one() -> None:
    """0 is no limit."""
    assert [lower(0, 5), lower(5, 0), lower(3, 5), lower(0, 0)] == [5, 5, 3, 0]
