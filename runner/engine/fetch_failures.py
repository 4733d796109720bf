"""What follows a fetch that brought no answer: poll again, lost, held, or an outage that is waited for."""

from __future__ import annotations

from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING

from runner.api import account
from runner.db import counters, events, job_moves
from runner.db.counters import FETCH_REFUSED
from runner.db.outcomes import Cause, PollAgain, Requeue
from runner.db.unreadables import UnreadableReply
from runner.engine import cost_bounds, keep_answers, unreadable_replies
from runner.engine.circuit_breaker import Endpoint
from runner.engine.consecutive_failures import UNAVAILABLE_AFTER, ConsecutiveFailures
from runner.engine.fetch_outage import FetchOutage
from runner.engine.unreadable_replies import UnreadableFetch
from runner.rules import error_body, polling, retry, unreadable
from runner.rules.reply import Classification, Outcome
from runner.rules.states import Event, JobState, RunState

if TYPE_CHECKING:
    from runner.db.leases import ClaimedJob
    from runner.engine.runtime import Runtime
    from runner.rules.chat_completion import Completion

NOT_FOUND_MAX = 2
NOT_FOUND_WAIT_S = 2.0
NOT_ASKED = "not-asked"  # of a poll that was not sent: the limiter pauses, or the process or the lease ends
ACCOUNT_WAIT_S = 30.0  # between polls while the account is refused
GONE = "result-gone"
UNREADABLE = "unreadable"  # the code of a job whose answer could not be read in 24 hours


class FetchFailures:
    """Moves jobs whose fetches brought no answer. One per process; it knows whether the API replies."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._failures = ConsecutiveFailures()
        self.outage = FetchOutage()
        self._refused: dict[int, bool] = {}  # by run
        self._warned: set[int] = set()  # runs that say that another server replies

    async def handle(
        self,
        job: ClaimedJob,
        classification: Classification,
        status: int | None,
        asked_at_ms: int,
        body: bytes = b"",
    ) -> None:
        """Move a job whose fetch brought no answer, by what the API replied; `body`: without secrets."""
        runtime = self._runtime
        age_s = runtime.clock.since_s(job.accepted_at_ms)
        match classification.outcome:
            case Outcome.NOT_READY if age_s > polling.GIVE_UP_AFTER_S:
                await self._hold_for_person(job, classification, status, code="never-ready")
            case Outcome.NOT_READY:
                await self._not_ready(job, age_s)
            case Outcome.ACCOUNT:
                assert classification.reason is not None  # noqa: S101 - ACCOUNT means that there is one
                await runtime.pause(job.lease.run_id, classification.reason, classification.message)
                await self._set_refused(job.lease.run_id, is_refused=True)
                await self._poll_again(job, job_moves.later, ACCOUNT_WAIT_S, job.misses)
            case Outcome.GONE:
                await self._gone(job, classification, status, age_s)
            case Outcome.FOREIGN if status == HTTPStatus.NOT_FOUND and await self._is_of_the_api(body):
                await self._gone(job, replace(classification, code=GONE), status, age_s)
            case Outcome.FOREIGN:
                await self._foreign(job, classification, status, body)
            case Outcome.GENERATION_FAILED:
                await self._api_replied(job.lease.run_id)
                row = self._given_up(job, Event.GENERATION_FAILED, classification, status)
                await self._move(job_moves.generation_failed, row)
            case _ if classification.code == NOT_ASKED:
                await self._poll_again(
                    job, job_moves.later, classification.retry_after_s or 0.0, job.misses, asked=False
                )
            case _:
                await self._retry_later(job, classification, asked_at_ms)

    async def handle_unreadable(self, job: ClaimedJob, body: bytes, answer: Completion) -> None:
        """Keep a 200 that is no answer and ask again later; from some in a row on the run waits."""
        runtime = self._runtime
        segment = keep_answers.append_to_spool(runtime, job, body, runtime.now_ms(), is_answer=False)
        final = Classification(outcome=Outcome.LATER, code=answer.kind, message=answer.error or "")
        await self._count_unreadable(job, body, final, 200, unreadable.describe(body))
        if segment is not None:
            segment.acknowledge()

    async def _is_of_the_api(self, body: bytes) -> bool:
        """Return whether an error in unknown words is the API's: it has its form, at the API's path."""
        return error_body.has_api_form(body) and await account.answers(self._runtime.api)

    async def _foreign(
        self, job: ClaimedJob, classification: Classification, status: int | None, body: bytes
    ) -> None:
        """Ask again later, with a warning: another server replied, or the API in words that are not known."""
        runtime, run_id = self._runtime, job.lease.run_id
        what = f"replies that are not the API's (HTTP {status}; check XAI_BASE_URL)"
        if run_id not in self._warned:
            self._warned.add(run_id)
            await runtime.group_commit.execute(
                lambda connection, _: events.note_once(
                    connection, run_id, runtime.now_ms(), events.WARNING, classification.message
                )
            )
        await self._count_unreadable(job, body, classification, status, what)

    async def _count_unreadable(
        self, job: ClaimedJob, body: bytes, final: Classification, status: int | None, what: str
    ) -> None:
        """Count a reply that is no answer, and ask again later or hold the job at the end of its 24 hours."""
        runtime, lease, now_ms = self._runtime, job.lease, self._runtime.now_ms()
        self.outage.record_unreadable(lease, runtime.loop.time(), runtime.random.random())
        runtime.fetch_outage = self.outage.is_on
        age_s = runtime.clock.since_s(job.accepted_at_ms)
        expired = Classification(
            outcome=Outcome.LATER, code=UNREADABLE, message=f"it was {unreadable.describe(body)}"
        )
        row = UnreadableFetch(
            reply=UnreadableReply(
                job_id=lease.job_id, attempt=lease.attempt, received_at_ms=now_ms, body=body
            ),
            age_s=age_s,
            rng_unit=runtime.random.random(),
            misses=job.misses,
            given_up=self._given_up(job, Event.UNUSABLE, final, status),
            held=self._held(job, expired, status) if age_s > polling.EXPIRES_AFTER_S else None,
            is_foreign=final.outcome is Outcome.FOREIGN,
        )
        await runtime.group_commit.write(unreadable_replies.record, lease.job_id, row)
        runtime.submit_wakeup.set()  # it may be pending again, or have its end
        runtime.run_monitor.note_ended(lease.run_id)
        if self.outage.is_on:
            await self._wait_for_answers(what)

    async def answered(self, job: ClaimedJob) -> None:
        """The API handed out an answer."""
        self._runtime.breaker.record(job.lease, Endpoint.FETCH, bad=False)
        await self._api_replied(job.lease.run_id)

    async def _api_replied(self, run_id: int) -> None:
        """The API itself replied: end the wait of a run that only collects; for others their submits decide.

        After an outage of the fetches all runs go on. Unreadable replies that were no outage count as bad.
        """
        runtime = self._runtime
        self._failures.reset()
        await self._set_refused(run_id, is_refused=False)
        was_outage = self.outage.is_on
        for lease in self.outage.record_reply():
            runtime.breaker.record(lease, Endpoint.FETCH, bad=True)
        if was_outage:
            await self.end_outage()
        elif runtime.has_nothing_to_submit(run_id):
            await runtime.end_waiting(run_id)

    async def _set_refused(self, run_id: int, *, is_refused: bool) -> None:
        """Record whether the answers of a run cannot be fetched, where that has changed."""
        runtime = self._runtime
        known = any(a.run.id == run_id and a.counts.get(FETCH_REFUSED) for a in runtime.cached_active_runs)
        if is_refused == self._refused.get(run_id, known):
            return
        self._refused[run_id] = is_refused
        await runtime.group_commit.execute(
            lambda connection, deltas: counters.set_fetch_refused(
                connection, deltas, run_id, is_refused=is_refused
            )
        )

    async def end_outage(self) -> None:
        """End an outage, and the wait of all runs."""
        runtime = self._runtime
        self.outage.record_reply()
        runtime.fetch_outage = False
        for run_id in [active.run.id for active in await runtime.active_runs(fresh=True)]:
            await runtime.end_waiting(run_id)
        runtime.wake()

    async def _wait_for_answers(self, what: str) -> None:
        """Set all runs that have requests out to waiting; the next reply of the API itself ends that."""
        runtime = self._runtime
        for active in runtime.cached_active_runs:
            is_out = active.states[JobState.WAITING] + active.states[JobState.COLLECTING]
            if is_out:
                await self._set_refused(active.run.id, is_refused=True)
            if active.run.state is RunState.RUNNING and is_out:
                await runtime.set_waiting(active.run.id, f"fetches bring {what} instead of answers")

    async def _not_ready(self, job: ClaimedJob, age_s: float) -> None:
        runtime = self._runtime
        await self._api_replied(job.lease.run_id)
        if runtime.estimates.is_sampled(job.model, job.lease.job_id):
            keep_answers.observe_latency(runtime, job, age_s, ready=False)
        wait_s = polling.next_poll_s(
            age_s,
            runtime.random.random(),
            latency=runtime.estimates.latency(job.model),
            is_probe=runtime.is_probe(job.model, job.lease.job_id),
            charged=runtime.polls_charged(job.model),
        )
        await self._poll_again(job, job_moves.not_ready, wait_s, job.misses)

    async def _gone(
        self, job: ClaimedJob, classification: Classification, status: int | None, age_s: float
    ) -> None:
        """The API does not have the answer: expired, or lost when it says so twice."""
        await self._api_replied(job.lease.run_id)
        if age_s > polling.EXPIRES_AFTER_S:
            await self._hold_for_person(job, classification, status, code="expired")
        elif job.misses + 1 < NOT_FOUND_MAX and retry.is_retryable(classification.code):
            await self._poll_again(job, job_moves.later, NOT_FOUND_WAIT_S, job.misses + 1)
        else:
            if not job.is_interrupted:  # if a crash took it, that says nothing about the API
                self._runtime.breaker.record(job.lease, Endpoint.FETCH, bad=True)
            await self._move(job_moves.lost, self._given_up(job, Event.LOST, classification, status))

    async def _retry_later(self, job: ClaimedJob, classification: Classification, asked_at_ms: int) -> None:
        """Poll again after a backoff; after UNAVAILABLE_AFTER failures a run that only collects waits."""
        runtime = self._runtime
        wait_s = retry.backoff_s(min(job.polls, 6), runtime.random.random(), classification.retry_after_s)
        await self._poll_again(job, job_moves.later, max(wait_s, 0.2), job.misses)
        in_a_row = self._failures.record_failure(asked_at_ms, runtime.now_ms())
        if in_a_row >= UNAVAILABLE_AFTER and classification.code != "rate-limited":
            await self._set_refused(job.lease.run_id, is_refused=True)
        if (
            in_a_row >= UNAVAILABLE_AFTER
            and classification.code != "rate-limited"
            and runtime.has_nothing_to_submit(job.lease.run_id)
        ):
            await runtime.set_waiting(job.lease.run_id, classification.message)

    async def _hold_for_person(
        self, job: ClaimedJob, classification: Classification, status: int | None, *, code: str
    ) -> None:
        """Hold a job whose answer can no longer come; a person decides whether to pay again."""
        await self._move(job_moves.lost, self._held(job, replace(classification, code=code), status))

    async def _poll_again(
        self, job: ClaimedJob, move: job_moves.MoveFunction, wait_s: float, misses: int, *, asked: bool = True
    ) -> None:
        due_at_ms = self._runtime.now_ms() + int(wait_s * 1000)
        row = PollAgain(lease=job.lease, due_at_ms=due_at_ms, misses=misses, was_asked=asked)
        await self._runtime.group_commit.write(move, job.lease.job_id, row)
        self._runtime.wake_collector_at(due_at_ms)

    def _held(self, job: ClaimedJob, classification: Classification, status: int | None) -> Requeue:
        return replace(self._given_up(job, Event.LOST, classification, status), target=JobState.HELD)

    def _given_up(
        self, job: ClaimedJob, event: Event, classification: Classification, status: int | None
    ) -> Requeue:
        """Return the move of a job whose attempt ends without an answer."""
        runtime, now_ms = self._runtime, self._runtime.now_ms()
        policy = runtime.policy(job.lease.run_id)
        target = retry.next_state(
            event,
            attempts_spent=job.spent + 1,
            extras=job.extras,
            max_attempts=policy.max_attempts,
            on_ambiguous=policy.on_ambiguous,
            retry_helps=retry.is_retryable(classification.code),
        )
        return Requeue(
            lease=job.lease,
            target=target,
            due_at_ms=now_ms,
            at_ms=now_ms,
            cause=Cause(code=classification.code, message=classification.message, http_status=status),
            uncertain=cost_bounds.uncertain_cost(
                job.model, job.prompt_tokens, job.output_tokens_max, now_ms, policy.pricing
            ),
        )

    async def _move(self, move: job_moves.MoveFunction, row: Requeue) -> None:
        """End an attempt, then wake the part of the worker that goes on with its job."""
        runtime = self._runtime
        await runtime.group_commit.write(move, row.lease.job_id, row)
        if row.target is JobState.PENDING:
            runtime.submit_wakeup.set()
        else:
            runtime.run_monitor.note_ended(row.lease.run_id)
