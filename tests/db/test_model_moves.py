"""A retry with another model: what changes, what stays, and what an older lease may still do."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import pytest
from run_driver import NOW_MS, RunDriver, new_job, new_run, requeue_row

from runner.db.answers import results
from runner.db.intake import new_jobs
from runner.db.jobs import chosen_jobs, job_history, models_of_run
from runner.db.jobs.job_ids import job_id
from runner.db.jobs.job_selection import JobSelection
from runner.db.moves import job_moves, model_moves, user_moves
from runner.db.moves.outcomes import Cause
from runner.rules.requests.request import validate_with_model
from runner.rules.sending.rate_limits import NOT_GIVEN
from runner.rules.states import JobState

if TYPE_CHECKING:
    from runner.db.session import Database

USER = b'"messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"hi"}]'
BODY = b'{ "model" : "gone-1",%b}' % USER
STRICT = b'{"model":"gone-1","reasoning_effort":"low",%b}' % USER
ANY = JobSelection(states=frozenset({JobState.PENDING, JobState.HELD, JobState.FAILED, JobState.CANCELLED}))
GONE = Cause(code="model-gone", message="no such model", http_status=404)


def loaded(database: Database, *bodies: bytes, model: str = "gone-1") -> RunDriver:
    """Load a run whose jobs have these bodies."""
    driver = new_run(database, 0)
    rows = [
        new_job(number, body)._replace(custom_id=f"r-{number}", model=model, conv_id="of-the-old-model")
        for number, body in enumerate(bodies, 1)
    ]
    with database.write() as connection:
        new_jobs.insert(connection, driver.run_id, 0, rows)
    return driver


def set_model(
    driver: RunDriver,
    model: str,
    chosen: JobSelection = ANY,
    after: int | None = None,
    *,
    now_ms: int = NOW_MS,
) -> tuple[int, int]:
    """Change one chunk; return how many jobs changed, and the last one that was looked at (0: none)."""
    moved, last = driver.in_transaction(
        lambda connection, deltas: model_moves.retry_with_model(
            connection, driver.run_id, chosen, model,
            partial(validate_with_model, model=model, limits=NOT_GIVEN), now_ms, deltas, after,
        )
    )  # fmt: skip
    return moved, last or 0


def sent_body(driver: RunDriver, job: int) -> tuple[bytes, str | None]:
    with driver.database.read() as connection:
        return results.request_bodies(connection, [job])[job]


@pytest.mark.parametrize("state", [JobState.PENDING, JobState.HELD, JobState.FAILED, JobState.CANCELLED])
def test_a_job_is_sent_with_the_new_model_and_its_stored_body_stays(
    database: Database, state: JobState
) -> None:
    """Model, estimates and conversation id change with it; the history and the counters hold."""
    driver = loaded(database, BODY)
    job = driver.bring(state).job_id
    before = driver.row(job)

    assert set_model(driver, "grok-4") == (1, job)
    row, found = driver.row(job), validate_with_model(BODY, "grok-4", NOT_GIVEN)
    assert (row.state, row.model, row.prompt_tokens) == ("pending", "grok-4", found.prompt_tokens)
    assert (row.output_tokens_max, row.lease_gen) == (found.max_output_tokens, before.lease_gen + 1)
    assert sent_body(driver, job) == (BODY.replace(b'"gone-1"', b'"grok-4"'), found.conv_id)
    (payload,) = driver.rows("SELECT body, set_model FROM payloads")
    assert (bytes(payload.body), payload.set_model) == (BODY, "grok-4")
    assert driver.recount().items() <= driver.counts().items()


def test_a_retry_afterwards_keeps_the_model_that_was_set(database: Database) -> None:
    """And another one can be set later: the last one holds."""
    driver = loaded(database, BODY)
    set_model(driver, "grok-4.3")
    lease = driver.bring(JobState.FAILED)
    driver.in_transaction(
        lambda c, d: user_moves.retry(
            c, driver.run_id, JobSelection(states=frozenset({JobState.FAILED})), NOW_MS, d
        )
    )

    assert b'"grok-4.3"' in sent_body(driver, lease.job_id)[0]
    set_model(driver, "grok-4.5")
    assert b'"grok-4.5"' in sent_body(driver, lease.job_id)[0]
    assert driver.row(lease.job_id).model == "grok-4.5"


def test_a_worker_that_leased_the_job_before_does_not_send_it(database: Database) -> None:
    """It has the limits and the price of the old model in hand: its lease is void."""
    driver = loaded(database, BODY)
    (lease,) = driver.lease()
    set_model(driver, "grok-4.3")

    assert driver.send(lease) == set()
    assert [job.model for job in driver.leased()] == ["grok-4.3"]


def test_jobs_that_the_model_does_not_take_stay_as_they_are(database: Database) -> None:
    """grok-4 rejects reasoning_effort."""
    driver = loaded(database, STRICT, BODY, STRICT)
    jobs = [driver.bring(JobState.HELD).job_id for _ in range(3)]

    assert set_model(driver, "grok-4") == (1, jobs[-1])
    assert [driver.state(job) for job in jobs] == [JobState.HELD, JobState.PENDING, JobState.HELD]
    assert {driver.row(job).model for job in jobs} == {"gone-1", "grok-4"}
    assert set_model(driver, "grok-4", after=jobs[-1]) == (0, 0)


def test_chunks_go_by_rows_and_by_bytes(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each job is looked at once, a large one alone; the rest is done by the next call."""
    driver = loaded(database, *[BODY] * 5)
    monkeypatch.setattr(model_moves, "ROWS_MAX", 3)
    first = job_id(driver.run_id, 0)
    assert set_model(driver, "grok-4.3") == (3, first + 2)
    monkeypatch.setattr(model_moves, "BYTES_MAX", 1)
    assert set_model(driver, "grok-4.3", after=first + 2) == (1, first + 3)
    assert set_model(driver, "grok-4.3", replace(ANY, models=("gone-1",))) == (1, first + 4)


def test_checking_changes_nothing(database: Database) -> None:
    """Every chosen job comes with what was found, in file order."""
    driver = loaded(database, BODY, STRICT)
    with database.read() as connection:
        found = list(
            model_moves.check(
                connection, driver.run_id, ANY, partial(validate_with_model, model="grok-4", limits=NOT_GIVEN)
            )
        )

    assert [(one.job.custom_id, one.validation.refused) for one in found] == [("r-1", False), ("r-2", True)]
    assert [row.model for row in driver.rows("SELECT model FROM jobs")] == ["gone-1"] * 2


@pytest.mark.parametrize("target", [JobState.PENDING, JobState.HELD])
def test_models_that_the_api_refused_are_known(database: Database, target: JobState) -> None:
    """Of jobs that are held for it, and of those of a paused run, which are pending again."""
    driver = loaded(database, BODY, BODY)
    (lease,) = driver.lease()
    driver.send(lease)
    row = replace(requeue_row(lease, target), cause=GONE)
    driver.apply(job_moves.refused_for_now if target is JobState.PENDING else job_moves.ambiguous, row)
    is_held = target is JobState.HELD
    with database.read() as connection:
        assert models_of_run.refused(connection, driver.run_id, of_pending=True) == ["gone-1"]
        assert models_of_run.refused(connection, driver.run_id, of_pending=False) == ["gone-1"] * is_held
        assert models_of_run.refused(connection, driver.run_id + 1, of_pending=True) == []
    set_model(driver, "grok-4.3")
    driver.bring(JobState.HELD)
    with database.read() as connection:
        assert models_of_run.refused(connection, driver.run_id, of_pending=True) == []


def test_a_model_that_was_set_later_is_not_the_refused_one(database: Database) -> None:
    """The refusal on record is of the old model until the job is sent again, and refused again."""
    driver = loaded(database, BODY, BODY)
    leases = driver.lease(2)
    driver.send(*leases)
    at_ms = NOW_MS + 3_000
    rows = [
        replace(requeue_row(lease, JobState.PENDING), cause=GONE, due_at_ms=at_ms, at_ms=at_ms)
        for lease in leases
    ]
    driver.apply(job_moves.refused_for_now, *rows)

    def refused() -> list[str]:
        with database.read() as connection:
            return models_of_run.refused(connection, driver.run_id, of_pending=True)

    assert refused() == ["gone-1"]
    for nth, lease in enumerate(leases):
        set_model(driver, "gone-2", replace(ANY, job_ids=(lease.job_id,)), now_ms=at_ms + 1)
        assert refused() == ["gone-1"][nth:]
    again = driver.lease(now_ms=at_ms + 1)
    driver.send(*again)
    row = replace(rows[0], lease=again[0], due_at_ms=at_ms + 2, at_ms=at_ms + 2)
    driver.apply(job_moves.refused_for_now, row)
    assert refused() == ["gone-2"]


ODD = ["tab\tx", "tab\\tx", "\u202eabc", "a'b\"c\\", "größe", "-x"]


def test_ids_are_found_as_they_are_and_as_they_are_printed(database: Database) -> None:
    """An id that is printed as the word goes before one that is spelled so, which is printed otherwise."""
    driver = new_run(database, 0)
    rows = [new_job(number)._replace(custom_id=name) for number, name in enumerate(ODD, 1)]
    with database.write() as connection:
        new_jobs.insert(connection, driver.run_id, 0, rows)
    first = job_id(driver.run_id, 0)
    with database.read() as connection:
        found = job_history.find_ids(
            connection, driver.run_id, [*ODD, r"\u202eabc", r"tab\x5ctx", "none", "\udcff", r"\udcff"]
        )
        as_printed = {r"tab\tx": first, r"tab\x5ctx": first + 1, r"\u202eabc": first + 2}
        assert found == {name: first + number for number, name in enumerate(ODD)} | as_printed
        job = job_history.find_job(connection, driver.run_id, r"\u202eabc")
        assert job is not None
        assert job.custom_id == "\u202eabc"
        assert job_history.find_job(connection, driver.run_id, "none") is None


def test_jobs_are_chosen_by_all_that_is_given(database: Database) -> None:
    """By id, model and flaw together; what is in another state is counted apart."""
    driver = loaded(database, BODY, BODY, BODY)
    held, failed = driver.bring(JobState.HELD), driver.bring(JobState.FAILED)
    driver.change(held.job_id, "model = 'other'")
    with database.write() as connection:
        connection.exec_driver_sql("UPDATE attempts SET flaw = 'length'")

    def chosen(selection: JobSelection) -> dict[JobState, int]:
        with database.read() as connection:
            return chosen_jobs.count_by_state(connection, driver.run_id, selection)

    assert chosen(ANY) == {JobState.PENDING: 1, JobState.HELD: 1, JobState.FAILED: 1}
    assert chosen(replace(ANY, models=("other",))) == {JobState.HELD: 1}
    assert chosen(replace(ANY, flaw="length")) == {JobState.HELD: 1, JobState.FAILED: 1}
    assert chosen(replace(ANY, flaw="length", models=("gone-1",))) == {JobState.FAILED: 1}
    assert chosen(replace(ANY, flaw="empty")) == {}
    assert chosen(replace(ANY, job_ids=(failed.job_id,), models=("other",))) == {}
    moved = driver.in_transaction(
        lambda c, d: user_moves.cancel(c, driver.run_id, NOW_MS, d, selection=replace(ANY, models=("other",)))
    )
    assert (moved, driver.state(held.job_id)) == (1, JobState.CANCELLED)
    assert driver.recount().items() <= driver.counts().items()
