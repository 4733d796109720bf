"""Runs with labels through the stages of a worker: invalid answers are asked for again and counted."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import pytest
from sqlalchemy import text

from runner.db.runs.run_row import RunOptions

if TYPE_CHECKING:
    from run_driver import RunDriver
    from stage_driver import Opened

FAST = RunOptions(rpm=0, tpm=0)
SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
REASK: Final = 2


def schema_of(*moods: str) -> dict[str, Any]:
    """Return a schema with one field of these values."""
    return {
        "type": "object",
        "properties": {"mood": {"type": "string", "enum": list(moods)}},
        "required": ["mood"],
        "additionalProperties": False,
    }


SENT = {
    "type": "json_schema",
    "json_schema": {"name": "labels", "schema": schema_of("north", "south", "east")},
}
BODY = json.dumps(
    {
        "model": "grok-4.3",
        "messages": [{"role": "user", "content": "Which way is"}],
        "response_format": SENT,
    },
    separators=(",", ":"),
).encode()
HALF: Final = json.dumps({"schema": schema_of("north"), "ask": {"reask": REASK}})  # the API may say more
NONE: Final = json.dumps({"schema": schema_of("never"), "ask": {"reask": REASK}})


def states(driver: RunDriver) -> dict[str, int]:
    return {key: n for (kind, key), n in driver.counts().items() if kind == "state"}


def vary(driver: RunDriver) -> None:
    """Give each job a text of its own: the simulator answers equal bodies alike."""
    with driver.database.write() as connection:
        for row in driver.rows("SELECT job_id FROM payloads"):
            body = BODY.replace(b"Which way is", b"Where %06d" % (row.job_id % 10**6))
            connection.execute(
                text("UPDATE payloads SET body = :body WHERE job_id = :job"),
                {"body": body, "job": row.job_id},
            )


def test_every_job_ends_with_its_label_or_as_invalid(opened: Opened) -> None:
    """After 1 + REASK asks at most; reasons and money are those of the API's books."""
    with opened() as stages:
        driver = stages.load(40, FAST, body=BODY, recipe=HALF, needs="labels")
        vary(driver)
        stages.finish(driver)
        books = stages.simulator.books()

    jobs = driver.rows("SELECT * FROM jobs")
    assert {(job.state, job.error_code) for job in jobs} == {("succeeded", None), ("failed", "invalid")}
    assert all(job.asks == REASK for job in jobs if job.state == "failed")
    assert all(
        (job.attempt, job.spent, job.extras) == (1 + job.asks, 1 - (job.state == "failed"), 0) for job in jobs
    )
    asked = sum(job.asks for job in jobs)
    assert asked > 0
    assert driver.count("extra", "reask") == asked == books["accepted"] - 40
    assert driver.count("ticks", "reported") == books["ticks_accepted"]
    assert driver.count("label", "mood=north") == states(driver)["succeeded"]
    assert (
        driver.count("invalid", "first") + driver.count("invalid", "again")
        == asked + states(driver)["failed"]
    )
    assert driver.count("ticks", "reserved") == 0


@SQLITE
def test_a_run_whose_first_answers_are_all_invalid_pauses(opened: Opened) -> None:
    """A wrong schema costs the first asks; a user that goes on gets every job to its end."""
    with opened() as stages:
        driver = stages.load(60, RunOptions(rpm=0, tpm=0, max_waiting=20), body=BODY, recipe=NONE)
        stages.work_until(lambda: stages.state(driver) == ("paused", "failures"), "the pause")
        assert driver.count("invalid", "first") >= 20
        assert driver.count("state", "succeeded") == 0
        stages.set_running(driver)
        stages.finish(driver)

    assert states(driver) == {"failed": 60}
    assert driver.count("extra", "reask") == 60 * REASK


@SQLITE
def test_a_run_that_needs_more_than_this_version_knows_is_left_alone(opened: Opened) -> None:
    """Neither sent nor fetched; the runs beside it are not held up."""
    with opened() as stages:
        plain = stages.load(5, FAST, "b")
        newer = stages.load(5, FAST, body=BODY, recipe=HALF, needs="labels packs")
        stages.finish(plain)

        assert states(newer) == {"pending": 5}
        assert stages.simulator.books()["accepted"] == 5


@SQLITE
def test_a_recipe_that_cannot_be_used_fails_its_own_jobs_only(opened: Opened) -> None:
    """Each answer is kept, tried three times and then given up; another run ends beside it."""
    with opened() as stages:
        broken = stages.load(3, FAST, body=BODY, recipe="{}")
        whole = stages.load(3, FAST, "b", body=BODY, recipe=HALF)
        stages.finish(whole)
        stages.finish(broken)

    assert states(broken) == {"failed": 3}
    assert broken.count("code", "unreadable_result") == 3
    assert len(broken.rows("SELECT * FROM results WHERE job_id >> 32 = :run", run=broken.run_id)) == 3


@SQLITE
def test_the_policy_of_a_run_that_was_never_read_has_its_recipe(opened: Opened) -> None:
    """An answer may be fetched by a worker that has not seen the run yet."""
    with opened() as stages:
        driver = stages.load(1, FAST, body=BODY, recipe=HALF)
        runs = stages.worker.runs

        async def read() -> tuple[str | None, str | None]:
            return runs.policy(driver.run_id).recipe, (await runs.settling_policy(driver.run_id)).recipe

        assert stages.worker.run(read()) == (None, HALF)
