"""A prompt has to fit the smallest limit of tokens that binds it, for every command that looks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import pytest
from live_runner import KEY
from night_driver import NightDriver, item
from test_commands import Place

from runner import settings as settings_of
from runner.db import stored_team_limits
from runner.db.evaluation import nights
from runner.db.runs.run_row import RunOptions
from runner.evals.night.load_measurement import load_measurement
from runner.evals.night.night_options import NightOptions
from runner.rules.errors import UserError
from runner.rules.secret import Secret
from runner.rules.sending.team_limits import TeamLimits

if TYPE_CHECKING:
    from pathlib import Path

    from runner.db.session import Database

LINE: Final = json.dumps({"id": "long", "model": "grok-4.3", "prompt": "word " * 2_000}) + "\n"
REFUSED: Final = "prompt-above-tpm"
TEAM: Final = {"RUNNER_TEAM_TPM": "1000"}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Return a place with a job of about 2,000 tokens."""
    found = Place(tmp_path)
    found.write("jobs.jsonl", LINE)
    return found


@pytest.mark.parametrize("words", ["check jobs.jsonl", "load jobs.jsonl", "run jobs.jsonl"])
def test_a_prompt_above_the_limit_of_the_team_is_refused(place: Place, words: str) -> None:
    """Also where the run may send more by itself: the model's bucket would never admit it."""
    own = "" if words.startswith("load") else " --tpm 5000"
    refused = place.call(words + own, **TEAM)

    assert refused.code == 3
    said = " ".join((refused.stdout + refused.stderr).split())
    assert REFUSED in said
    assert "1,000 a minute are allowed" in said
    assert "shorten it, or set that of your team: runner set --team --tpm N" in said


def test_another_model_is_refused_for_a_prompt_above_the_limit_of_the_team(place: Place) -> None:
    """As by the run's own limit."""
    assert place.call("load jobs.jsonl").code == 0
    retry = "retry 1 --id long --set-model grok-4.5 --yes"
    assert place.call(f"{retry} --dry-run").code == 0
    by_team = place.call(retry, **TEAM)
    assert (by_team.code, REFUSED in by_team.stderr) == (2, True)

    place.call("set 1 --tpm 1000")
    assert REFUSED in place.call(retry).stderr
    place.call("set 1 --tpm 5000")
    assert REFUSED in place.call(retry, **TEAM).stderr
    assert place.call(retry).code == 0


@pytest.mark.parametrize("limits", [{"RUNNER_TEAM_TPM": "10"}, {}])
def test_the_run_of_a_night_is_bound_by_both_limits(
    database: Database, tmp_path: Path, limits: dict[str, str]
) -> None:
    """It is read again when it is loaded, by the limits of then."""
    driver = NightDriver(database)
    night = driver.begin()
    settings = settings_of.load({"RUNNER_HOME": str(tmp_path), **limits}, None)
    own = RunOptions(tpm=None if limits else 10)

    with pytest.raises(UserError) as refused:
        load_measurement(database, settings, night, driver.suite, [item("a", "word " * 50)], 1, own)
    assert REFUSED in "".join(refused.value.where)


@pytest.mark.parametrize("set_by_settings", ["10", "5000"])
def test_the_run_of_a_night_is_bound_by_what_was_set_for_the_team_last(
    database: Database, tmp_path: Path, set_by_settings: str
) -> None:
    """As `check` and `eval` read its suite: what a person set holds until the settings are changed."""
    driver = NightDriver(database)
    night = driver.begin()
    servers = {"RUNNER_DATABASE_URL": "postgresql://h/d", "RUNNER_REDIS_URL": "redis://h"}
    env = {"RUNNER_HOME": str(tmp_path), "XAI_API_KEY": KEY, "RUNNER_TEAM_TPM": set_by_settings, **servers}
    settings, items = settings_of.load(env, None), [item("a", "word " * 50)]
    by_person = TeamLimits(tpm=10 if set_by_settings == "5000" else 5_000)
    with database.write() as connection:
        stored_team_limits.change(connection, Secret(KEY).fingerprint, by_person, 1)
        nights.set_options(connection, night.id, NightOptions(folder="", output="").encoded())

    def load() -> int:
        return load_measurement(database, settings, night, driver.suite, items, 1, RunOptions()).total

    if by_person.tpm == 10:
        with pytest.raises(UserError) as refused:
            load()
        assert REFUSED in "".join(refused.value.where)
    else:
        assert load() > 0
