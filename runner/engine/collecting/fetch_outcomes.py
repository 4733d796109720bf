"""What became of a fetch: an answer, an unreadable reply, or none (`fetch_failures`).

Its bytes are read and freed of secrets, then in the spool before anything else is waited for: as an answer,
or as what is none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.engine.collecting.keep_answers import spool_record
from runner.rules.replies import kept_bytes
from runner.rules.replies.chat_completion import read_completion
from runner.rules.replies.reply import Outcome

if TYPE_CHECKING:
    from runner.db.workers.leases import ClaimedJob
    from runner.engine.collecting.fetch import Fetched
    from runner.engine.collecting.fetch_failures import FetchFailures
    from runner.engine.collecting.fetch_health import FetchHealth
    from runner.engine.collecting.keep_answers import AnswerKeeper
    from runner.engine.process.shared_clock import SharedClock


class FetchOutcomes:
    """Keeps what a fetch brought, and moves its job."""

    def __init__(
        self,
        *,
        keeper: AnswerKeeper,
        failures: FetchFailures,
        health: FetchHealth,
        clock: SharedClock,
        secrets: tuple[str, ...],
    ) -> None:
        self._keeper, self._failures, self._health = keeper, failures, health
        self._clock, self._secrets = clock, secrets

    async def conclude(self, job: ClaimedJob, fetched: Fetched) -> None:
        """Move the job by what came back."""
        found, answer = fetched.classification, fetched.reply
        if answer is not None and found.outcome is Outcome.READY:
            await self._received(job, answer.body)
            return
        status, body = (None, b"") if answer is None else (answer.status, answer.body)
        body = kept_bytes.without_secrets(body, self._secrets) if body else body
        await self._failures.handle(job, found, status, fetched.asked_at_ms, body)

    async def _received(self, job: ClaimedJob, body: bytes) -> None:
        """Keep the body of a 200: as an answer, or as an unreadable reply."""
        body, answer = kept_bytes.to_keep(body, read_completion(body), self._secrets)
        if not answer.is_final:
            await self._failures.handle_unreadable(job, body, answer)
            return
        record = spool_record(job, body, self._clock.now_ms(), is_answer=True)
        segment = self._keeper.write_to_spool(record)
        try:
            await self._health.answered(job.lease)
        finally:
            await self._keeper.keep(job, record, answer)
            if segment is not None:
                segment.acknowledge()
