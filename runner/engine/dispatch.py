"""Starts the POSTs of recorded attempts, and knows how many have no reply yet."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from runner.rules.sending import submit_plan
from runner.rules.sending.submit_plan import SendState

if TYPE_CHECKING:
    from runner.engine.process.in_flight import InFlight
    from runner.engine.sending.sender import Exchange, NotSent, ReadyAttempt, Sender
    from runner.engine.sending.submit_outcomes import SubmitOutcomes

UNREPLIED_PER_CONNECTION: Final = 64


class Dispatcher:
    """One task for each attempt: it sends, then concludes."""

    def __init__(
        self, in_flight: InFlight, sender: Sender, outcomes: SubmitOutcomes, connections: int
    ) -> None:
        self._in_flight, self._sender, self._outcomes = in_flight, sender, outcomes
        self._unreplied_max = UNREPLIED_PER_CONNECTION * connections
        self._unreplied = 0  # recorded attempts without a reply
        self._held_bytes = 0  # bodies, until their attempts are concluded
        self._is_exclusive = False  # the one recorded attempt is an exclusive retry
        self._replied = asyncio.Event()

    def start(self, attempt: ReadyAttempt) -> None:
        """Start to send an attempt, at the time of its slot."""
        self._unreplied += 1
        self._held_bytes += attempt.job.body_bytes
        self._is_exclusive |= submit_plan.is_last_try(attempt.job)
        self._in_flight.start("post", attempt.job.lease.job_id, self._send(attempt))

    async def wait_for_replies(self) -> None:
        """Wait until at most half of the allowed attempts have no reply."""
        while self._unreplied > self._unreplied_max // 2:
            self._replied.clear()
            await self._replied.wait()

    def state(self, *, should_probe: bool) -> SendState:
        """Return what is out now."""
        return SendState(
            unreplied=self._unreplied,
            held_bytes=self._held_bytes,
            unreplied_max=self._unreplied_max,
            is_exclusive=self._is_exclusive,
            should_probe=should_probe,
        )

    async def _send(self, attempt: ReadyAttempt) -> None:
        try:
            exchange = await self._until_replied(attempt)
            await self._outcomes.conclude(attempt, exchange)
        finally:
            self._held_bytes -= attempt.job.body_bytes

    async def _until_replied(self, attempt: ReadyAttempt) -> Exchange | NotSent:
        try:
            return await self._sender.send(attempt)
        finally:
            self._unreplied -= 1
            self._is_exclusive = self._is_exclusive and self._unreplied > 0
            self._replied.set()
