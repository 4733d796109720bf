"""Whole runs through the stages of a worker, in the test's process, under one fault after the other.

The simulator's books say what was bought; the counters have to agree.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from runner.db.runs import stored_options
from runner.db.runs.run_row import RunOptions
from runner.limiter.slots import run_of
from runner.limiter.usage import UsageReader

if TYPE_CHECKING:
    from run_driver import RunDriver
    from stage_driver import Opened, StageDriver
    from valkey_server import ValkeyServer

FAST = RunOptions(rpm=0, tpm=0)
WITHOUT_ID_MOST = 8 + 2  # what leaves together, and two after it
SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def jobs_by_state(driver: RunDriver) -> dict[str, int]:
    """Return the number of jobs by state."""
    return {key: n for (kind, key), n in driver.counts().items() if kind == "state"}


def check_books(stages: StageDriver, *drivers: RunDriver) -> None:
    """Compare what the API accepted and handed out with what is on record, and the counters with the rows."""
    books = stages.simulator.books()
    accepted = sum(driver.count("attempts", "accepted") for driver in drivers)
    unknown = sum(driver.count("extra", "ambiguous") for driver in drivers)
    assert accepted <= books["accepted"] <= accepted + unknown
    for driver in drivers:
        recounted = {key: n for key, n in driver.recount().items() if key[0] != "latency"}
        counted = driver.counts()
        assert {key: counted.get(key, 0) for key in recounted} == recounted


def test_a_run_from_its_first_job_to_its_end(opened: Opened) -> None:
    """Every job has an answer, each was bought once, and nothing is left behind."""
    with opened() as stages:
        driver = stages.load(40, FAST)
        stages.finish(driver)
        assert jobs_by_state(driver) == {"succeeded": 40}
        check_books(stages, driver)
        assert stages.simulator.books()["accepted"] == 40
        worker = stages.worker
        stages.work_until(lambda: worker.runtime.spool.is_acknowledged, "all is acknowledged")
    assert driver.rows("SELECT ended_at_ms IS NOT NULL AS ended FROM workers") == [(True,)]


REFUSED = ["429", "503", "409", "425", "499", "capacity"]


@SQLITE
@pytest.mark.parametrize("fault", REFUSED)
def test_refusals_that_pass_cost_nothing(opened: Opened, fault: str) -> None:
    """The jobs go again, and none is bought twice."""
    with opened(faults={f"submit:{fault}": 0.3}, retry_after=0.05, seed=5) as stages:
        driver = stages.load(20, RunOptions(rpm=0, tpm=0, max_attempts=30))  # some refusals spend one
        stages.finish(driver)
        assert jobs_by_state(driver) == {"succeeded": 20}
        assert stages.simulator.books()["accepted"] == 20
        check_books(stages, driver)


@SQLITE
@pytest.mark.parametrize("fault", ["500_after", "reset_after", "reset_before", "520", "hang"])
def test_replies_that_are_lost_are_unknown_outcomes(opened: Opened, fault: str) -> None:
    """They may be paid, so each counts as extra."""
    with opened(faults={f"submit:{fault}": 0.3}, hang_s=0.2, seed=5) as stages:
        driver = stages.load(20, FAST)
        stages.finish(driver)
        states = jobs_by_state(driver)
        assert states["succeeded"] + states.get("held", 0) == 20
        assert driver.count("extra", "ambiguous") > 0
        check_books(stages, driver)


@SQLITE
def test_with_hold_a_job_of_unknown_outcome_waits_for_a_person(opened: Opened) -> None:
    """It is not sent again by itself."""
    with opened(faults={"submit:reset_after": 1.0}) as stages:
        driver = stages.load(2, RunOptions(rpm=0, tpm=0, on_ambiguous="hold"))
        stages.finish(driver)
        assert jobs_by_state(driver) == {"held": 2}
        assert stages.simulator.books()["accepted"] == 2


@SQLITE
@pytest.mark.parametrize("fault", ["429", "500", "503", "521", "reset_before"])
def test_fetches_that_fail_are_sent_again(opened: Opened, fault: str) -> None:
    """No answer is given up for it."""
    with opened(faults={f"fetch:{fault}": 0.4}, retry_after=0.05, seed=5) as stages:
        driver = stages.load(10, FAST)
        stages.finish(driver)
        assert jobs_by_state(driver) == {"succeeded": 10}
        assert stages.simulator.books()["accepted"] == 10


@SQLITE
@pytest.mark.parametrize("fault", ["lost", "cut"])
def test_answers_that_are_gone_are_bought_again_twice_at_most(opened: Opened, fault: str) -> None:
    """Then the job is held."""
    with opened(faults={f"fetch:{fault}": 1.0}) as stages:
        driver = stages.load(2, FAST)
        stages.finish(driver)
        assert jobs_by_state(driver) == {"held": 2}
        assert driver.count("extra", "lost") == 6
        assert stages.simulator.books()["accepted"] == 6


@SQLITE
@pytest.mark.parametrize(("fault", "attempts"), [("failed", 5), ("no_choices", 5)])
def test_answers_without_use_spend_the_attempts(opened: Opened, fault: str, attempts: int) -> None:
    """They were paid; the last one fails the job, or holds it after two extras."""
    with opened(faults={f"fetch:{fault}": 1.0}) as stages:
        driver = stages.load(1, FAST)
        stages.finish(driver)
        (row,) = driver.rows("SELECT state, spent, extras FROM jobs")
        assert row.state in ("failed", "held")
        assert 1 <= row.spent <= attempts
        assert stages.simulator.books()["accepted"] == row.spent + row.extras - (row.spent and row.extras)


@SQLITE
def test_a_page_in_place_of_answers_makes_the_run_wait(opened: Opened) -> None:
    """Nothing is bought again; the answers come when the page has gone."""
    with opened(faults={"html200": 1.0}) as stages:
        driver = stages.load(6, FAST)
        stages.work_until(lambda: stages.state(driver)[0] == "waiting", "the run waits")
        assert len(driver.rows("SELECT * FROM unreadables")) >= 3
        stages.simulator.switch(faults={})
        stages.finish(driver)
        assert jobs_by_state(driver) == {"succeeded": 6}
        assert stages.simulator.books()["accepted"] == 6


PAUSES = [
    ("key", {"key_revoked": True}),
    ("key", {"permission_gone": True}),
    ("credits", {"credits_gone": True}),
    ("model", {"model_gone": True}),
]


@SQLITE
@pytest.mark.parametrize(("reason", "switches"), PAUSES)
def test_what_a_person_has_to_mend_pauses_the_run(
    opened: Opened, reason: str, switches: dict[str, Any]
) -> None:
    """No job fails for it; resumed, all of them succeed."""
    with opened() as stages:
        stages.worker.run(stages.worker.shared.team.resolve())
        stages.simulator.switch(**switches)
        driver = stages.load(5, FAST)
        stages.work_until(lambda: stages.state(driver) == ("paused", reason), f"paused ({reason})")
        assert driver.count("state", "failed") == 0
        stages.simulator.switch(**dict.fromkeys(switches, False))
        stages.set_running(driver)
        stages.finish(driver)
        assert jobs_by_state(driver) == {"succeeded": 5}
        assert stages.simulator.books()["accepted"] == 5


@SQLITE
def test_an_answer_at_once_is_kept_and_the_third_pauses_the_run(opened: Opened) -> None:
    """A gateway drops `deferred`: each answer is paid."""
    with opened(faults={"submit:not_deferred": 1.0}) as stages:
        driver = stages.load(30, RunOptions(rpm=0, tpm=0, max_waiting=4))
        stages.work_until(lambda: stages.state(driver) == ("paused", "setting"), "paused (setting)")
        stages.wait_for_replies()
        stages.work()  # what came last is settled
        kept = driver.count("state", "succeeded")
        assert 3 <= kept == stages.simulator.books()["accepted"] < 30


@SQLITE
def test_a_login_page_for_submits_pauses_after_three(opened: Opened) -> None:
    """A 200 without a request_id may be paid."""
    with opened(faults={"submit:200_status": 1.0}) as stages:
        driver = stages.load(5, FAST)
        stages.work_until(lambda: stages.state(driver) == ("paused", "setting"), "paused (setting)")
        stages.wait_for_replies()
        assert 3 <= driver.count("extra", "ambiguous") <= WITHOUT_ID_MOST


@SQLITE
def test_values_that_are_refused_hold_their_jobs_and_pause_at_last(opened: Opened) -> None:
    """20 in a row look like a common mistake."""
    with opened(faults={"submit:model-words": 1.0}) as stages:
        driver = stages.load(600, RunOptions(rpm=0, tpm=0, max_waiting=5))
        stages.work_until(lambda: stages.state(driver) == ("paused", "failures"), "paused (failures)")
        assert 20 <= driver.count("state", "held") < 600


@SQLITE
def test_a_filter_that_refuses_one_job_holds_it(opened: Opened) -> None:
    """Its pages come while others get through."""
    with opened(faults={"submit:403_page": 0.4}, seed=3) as stages:
        driver = stages.load(8, FAST)
        stages.finish(driver)
        assert jobs_by_state(driver).get("succeeded", 0) >= 6
        assert driver.count("state", "failed") == 0


@SQLITE
def test_a_safety_refusal_fails_the_job_with_its_possible_fee(opened: Opened) -> None:
    """It is the prompt's, so the others are not held back."""
    with opened(faults={"submit:safety": 1.0}) as stages:
        driver = stages.load(8, FAST)
        stages.finish(driver)
        assert jobs_by_state(driver) == {"failed": 8}
        assert driver.count("ticks", "possible_extra") > 0
        shared = stages.worker.shared
        assert shared.limiter.paused_s(shared.buckets.name("grok-4.3")) == 0.0


@SQLITE
def test_while_the_api_is_down_the_run_waits(opened: Opened) -> None:
    """While submitting, and while collecting."""
    with opened(median_s=3600.0, sigma=0.0) as stages:
        driver = stages.load(4, FAST)
        stages.work_until(lambda: jobs_by_state(driver) == {"waiting": 4}, "all are out")
        more = stages.load(4, FAST, identity="b")
        stages.simulator.switch(down=True)
        stages.work_until(lambda: stages.state(more)[0] == "waiting", "the run waits")
        stages.simulator.switch(down=False)
        stages.work_until(lambda: jobs_by_state(more) == {"waiting": 4}, "all are out")
        assert stages.simulator.books()["accepted"] == 8


@SQLITE
def test_polls_that_are_charged_take_slots(opened: Opened) -> None:
    """The limit holds for both; all answers come."""
    with opened(RUNNER_CHARGE_POLLS="always", RUNNER_TEAM_RPM="2000", polls_count=True, rpm=2_000) as stages:
        driver = stages.load(12, FAST)
        stages.finish(driver)
        assert jobs_by_state(driver) == {"succeeded": 12}
        assert stages.simulator.books()["refused"].get("429", 0) == 0
        assert stages.worker.shared.schedule.is_charged("grok-4.3")


@SQLITE
def test_the_bounds_of_a_run_hold(opened: Opened) -> None:
    """No more jobs are out than max_waiting, and a budget is not overrun."""
    with opened(median_s=3600.0, sigma=0.0) as stages:
        bounded = stages.load(9, RunOptions(rpm=0, tpm=0, max_waiting=3))
        poor = stages.load(9, RunOptions(rpm=0, tpm=0, budget_ticks=1), identity="b")
        stages.work_until(lambda: stages.state(poor) == ("paused", "budget"), "paused (budget)")
        stages.work_until(lambda: bounded.count("state", "waiting") == 3, "three are out")
        stages.work()
        assert jobs_by_state(bounded) == {"waiting": 3, "pending": 6}
        assert jobs_by_state(poor) == {"pending": 9}


@SQLITE
def test_a_full_disk_stops_sending_and_fetching(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that cannot be kept would be lost: it stays at the API."""
    with opened() as stages:
        driver = stages.load(4, FAST)
        with monkeypatch.context() as patch:
            patch.setattr(stages.worker.runtime.disk, "problem", lambda: "the disk is full")
            stages.work_until(lambda: stages.state(driver)[0] == "waiting", "the run waits")
            stages.work()
            assert stages.simulator.books()["accepted"] == 0
        stages.finish(driver)
        assert jobs_by_state(driver) == {"succeeded": 4}


@SQLITE
def test_without_redis_nothing_is_sent(opened: Opened, server: ValkeyServer) -> None:
    """The run waits, and goes on when Redis is back, empty."""
    with opened() as stages:
        stages.worker.run(stages.worker.shared.team.resolve())
        server.stop()
        driver = stages.load(4, RunOptions(rpm=600, tpm=0))
        stages.work_until(lambda: stages.state(driver)[0] == "waiting", "the run waits")
        assert stages.simulator.books()["accepted"] == 0
        server.start()
        stages.finish(driver)
        assert jobs_by_state(driver) == {"succeeded": 4}


@SQLITE
def test_a_paused_run_is_collected_and_sends_nothing_more(opened: Opened) -> None:
    """What is out is paid for."""
    with opened() as stages:
        driver = stages.load(600, RunOptions(rpm=0, tpm=0, max_waiting=2))
        stages.work_until(lambda: driver.count("state", "succeeded") >= 4, "some have their answers")
        with stages.database.write() as connection:
            connection.exec_driver_sql("UPDATE runs SET state = 'paused', pause_reason = 'user'")
        stages.work_until(
            lambda: set(jobs_by_state(driver)) == {"succeeded", "pending"}, "nothing is out any more"
        )
        assert stages.simulator.books()["accepted"] == driver.count("state", "succeeded") < 600


@SQLITE
def test_a_worker_that_stops_leaves_no_lease(opened: Opened) -> None:
    """It sends nothing more, finishes what is in flight, and frees what it had leased."""
    with opened(median_s=3600.0) as stages:
        driver = stages.load(200, RunOptions(rpm=600, tpm=0))
        stages.work_until(lambda: driver.count("state", "waiting") > 0, "some are out")
        stages.worker.stages.stop()
        stages.work()
        stages.wait_for_replies()
        leased = driver.rows("SELECT COUNT(*) FROM jobs WHERE lease_owner IS NOT NULL")
        assert leased == [(0,)]
        assert driver.count("state", "pending") > 0
        assert stages.simulator.books()["accepted"] == driver.count("state", "waiting")


@SQLITE
def test_a_run_sends_no_faster_than_its_own_limit_and_follows_a_new_one(opened: Opened) -> None:
    """Another run goes on meanwhile; the limit of a run that is at work can be changed."""
    with opened() as stages:
        slow = stages.load(20, RunOptions(rpm=1))
        fast = stages.load(60, FAST, identity="b")
        stages.finish(fast)
        assert slow.count("state", "pending") == 19
        with stages.database.write() as connection:
            stored_options.change(connection, slow.run_id, {"rpm": None}, 2)
        stages.finish(slow)
        assert jobs_by_state(slow) == {"succeeded": 20}
        check_books(stages, slow, fast)


@SQLITE
def test_tokens_are_settled_in_the_bucket_of_the_run_as_well(opened: Opened, server: ValkeyServer) -> None:
    """From the name of the slot that is stored with the attempt."""
    with opened(RUNNER_TEAM_TPM="1000000") as stages:
        driver = stages.load(3, RunOptions(tpm=500_000))
        stages.finish(driver)
        used = sum(row.total_tokens for row in driver.rows("SELECT total_tokens FROM attempts"))
        names = [row.slot for row in driver.rows("SELECT slot FROM attempts")]
        assert [run_of(name) for name in names] == [driver.run_id] * 3
        shared = stages.worker.shared
        stages.worker.run(shared.limiter._bucket(shared.buckets.name("grok-4.3")).flush())
        reader = UsageReader(server.url, None)
        (usage,), own = reader.read(), reader.read_run(driver.run_id)
        reader.close()
    assert (usage.view.tokens, own.tokens, own.requests) == (used, used, 3)
