"""One process's view of a bucket (a team and a model).

Collects slot requests and pending updates, and sends them to Redis in one round trip at a time.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from runner.limiter.limits import RateLimits, lowest
from runner.limiter.pending_updates import PendingUpdates
from runner.limiter.run_places import NO_RUN, RunPlaces
from runner.limiter.slots import Grant, Slot, slot_id, tokens_of
from runner.limiter.store import LimiterUnavailable
from runner.limiter.wait_queue import fair_order, polls_at_end

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from runner.limiter.limits import RunLimits
    from runner.limiter.store import Store

FLUSH_S: Final = 0.05  # delay of updates that are not urgent, so that more share a round trip
RETRY_S: Final = 1.0  # after a failed round trip
REFRESH_S: Final = 1.0  # shortest time between two refreshes that no slot request caused
RETRY_AFTER_S_MAX: Final = 1.0  # limits may rise and slots may be released before the time Redis named


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SlotRequests:
    """A waiting call of `Bucket.request_slots`: one slot for each number of tokens."""

    tokens: Sequence[int]
    fallback_limits: RateLimits
    horizon_s: float
    granted: asyncio.Future[Grant]
    run_limits: RunLimits | None = None
    is_poll: bool = False

    @property
    def own_run(self) -> int | None:
        """Return the run whose own bucket the slots are reserved in as well; None if there is none."""
        its = self.run_limits
        return None if its is None or its.is_unlimited else its.run


class Bucket:
    """Merges concurrent requests and updates into one round trip.

    `new_call_id` returns an id that no other call has. `restore` is awaited when Redis was found empty.
    Times are those of `clock`. As of `refreshed_at`: `polls_charged`, whether polls need slots, and
    `in_force`, the limits of all requests.
    """

    def __init__(
        self,
        name: str,
        store: Store,
        new_call_id: Callable[[], str],
        restore: Callable[[], Awaitable[None]],
        clock: Callable[[], float],
    ) -> None:
        self.name = name
        self._clock = clock
        self.paused_until = 0.0
        self.polls_charged = False
        self.in_force = RateLimits()
        self.refreshed_at = -1e9
        self._refresh_started_at = -1e9
        self._polls_in_a_row = 0
        self._polls_unreported = 0
        self._fallback_limits: RateLimits | None = None  # of the last requests
        self._store = store
        self._new_call_id = new_call_id
        self._restore = restore
        self._requests: list[SlotRequests] = []
        self._pending = PendingUpdates()
        self._announced: tuple[int | None, int | None] | None = None
        self._flushing: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def request_slots(
        self,
        tokens: Sequence[int],
        fallback_limits: RateLimits,
        horizon_s: float,
        *,
        run_limits: RunLimits | None = None,
        is_poll: bool = False,
    ) -> Grant:
        """Request slots once. Raises LimiterUnavailable, and what `restore` raises."""
        granted: asyncio.Future[Grant] = asyncio.get_running_loop().create_future()
        self._requests.append(
            SlotRequests(
                tokens=tokens,
                fallback_limits=fallback_limits,
                horizon_s=horizon_s,
                granted=granted,
                run_limits=run_limits,
                is_poll=is_poll,
            )
        )
        self._flush_now()
        try:
            return await granted
        except asyncio.CancelledError:
            if granted.done() and not granted.cancelled() and granted.exception() is None:
                self._release(granted.result().slots)
            raise

    def record(self, updates: PendingUpdates) -> None:
        """Queue updates: urgent ones are sent now, others within FLUSH_S or with the next request."""
        self.paused_until = max(self.paused_until, updates.pause_until)
        self._pending = self._pending.merged_before(updates)
        if updates.urgent:
            self._flush_now()
        else:
            self._flush_in(FLUSH_S)

    def announce(self, rpm: int | None, tpm: int | None) -> None:
        """Queue the limits that the API announced, if they differ from the last ones. None: not announced."""
        known = self._announced or (None, None)
        latest = (rpm or known[0], tpm or known[1])
        if latest != known:
            self._announced = latest
            self.record(PendingUpdates(announced=latest))

    def refresh_soon(self) -> None:
        """Start a round trip in the background when the last one is more than REFRESH_S ago."""
        now = self._clock()
        if now - max(self.refreshed_at, self._refresh_started_at) > REFRESH_S:
            self._refresh_started_at = now
            self._flush_now()

    def record_poll(self, *, refused: bool) -> None:
        """Count a poll. Only a refusal is sent, with the number of polls since the last one."""
        self._polls_unreported += 1
        if refused:
            self.record(PendingUpdates(polls=self._polls_unreported, polls_refused=1))
            self._polls_unreported = 0

    def reset_announced(self) -> None:
        """Send the next announced limits even if unchanged: Redis has lost them."""
        self._announced = None

    async def flush(self) -> None:
        """Send all pending updates and wait for the round trip under way."""
        if self._pending:
            self._flush_now()
        if self._flushing is not None:
            await asyncio.wait([self._flushing])

    def stop(self) -> None:
        """Cancel the timer and the round trip under way."""
        if self._timer is not None:
            self._timer.cancel()
        if self._flushing is not None:
            self._flushing.cancel()

    def _flush_in(self, delay_s: float) -> None:
        if self._flushing is None and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(delay_s, self._flush_now)

    def _flush_now(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._flushing is None:
            self._flushing = asyncio.get_running_loop().create_task(
                self._flush(), name=f"limiter {self.name}"
            )

    async def _flush(self) -> None:
        """Do round trips until no request waits and no update is urgent."""
        delay_s = FLUSH_S
        while True:
            requests, self._requests = [one for one in self._requests if not one.granted.done()], []
            updates, self._pending = self._pending, PendingUpdates()
            try:
                await self._round_trip(requests, updates)
            except Exception as error:  # noqa: BLE001 - the callers who wait for slots get it
                self._pending = updates.merged_before(self._pending)
                _fail(requests, error)
                delay_s = RETRY_S
                if not self._requests:
                    break
            if not self._requests and not self._pending.urgent:
                break
        self._flushing = None
        if self._pending:
            self._flush_in(delay_s)

    async def _round_trip(self, requests: list[SlotRequests], updates: PendingUpdates) -> None:
        call_id = self._new_call_id()
        queue = fair_order(requests, self._polls_in_a_row)
        if requests:
            self._fallback_limits = lowest(request.fallback_limits for request in requests)
        places = RunPlaces()
        pause_us, retry_after_us, granted, charged, in_force, run_waits_us = await self._send(
            call_id, requests, queue, updates, places
        )
        self.polls_charged = bool(charged)
        if self._fallback_limits is not None:
            self.in_force = RateLimits(rpm=in_force[0], tpm=in_force[1], rps=in_force[2])
        self.refreshed_at = now = self._clock()
        if pause_us:
            self.paused_until = max(self.paused_until, now + pause_us / 1e6)
        parts: defaultdict[SlotRequests, list[Slot]] = defaultdict(list)
        served = []
        for nth, delay_us, tokens in zip(granted[::3], granted[1::3], granted[2::3], strict=True):
            request = queue[nth - 1][0]
            name = slot_id(call_id, nth, tokens, request.own_run)
            parts[request].append(Slot(id=name, bucket=self.name, fire_at=now + delay_us / 1e6))
            served.append(request)
        self._polls_in_a_row = polls_at_end(served, self._polls_in_a_row)
        self._distribute(requests, parts, [retry_after_us, *run_waits_us], places)

    async def _send(
        self,
        call_id: str,
        requests: list[SlotRequests],
        queue: list[tuple[SlotRequests, int]],
        updates: PendingUpdates,
        places: RunPlaces,
    ) -> list[Any]:
        """Return the script's reply. An emptied Redis is restored first, but only if slots are requested."""
        while True:
            message = updates.message(self._clock(), places)
            message |= {
                "call_id": call_id,
                "wanted": [_wanted(tokens, places.of_request(one.run_limits)) for one, tokens in queue],
                "horizon_us": round(min((one.horizon_s for one in requests), default=0.0) * 1e6),
                "fallback_limits": _as_message(self._fallback_limits or RateLimits()),
                "runs": places.message(),
            }
            reply = await self._store.round_trip(self.name, message, places.runs)
            if reply is not None:
                return reply
            if not requests:
                raise LimiterUnavailable("it was emptied")
            await self._restore()

    def _distribute(
        self,
        requests: list[SlotRequests],
        parts: Mapping[SlotRequests, list[Slot]],
        waits_us: Sequence[int],
        places: RunPlaces,
    ) -> None:
        """Give each request its slots. A caller that got too few retries with half of its horizon left.

        One that got none at its run's own limit retries when that allows the next one.
        `waits_us`: when to request more from the model's bucket, then from that of each run; -1: all granted.
        """
        for request in requests:
            part = parts.get(request, [])
            if request.granted.done():  # cancelled during the round trip
                self._release(part)
                continue
            place = places.of_request(request.run_limits)
            is_own_limit = place != NO_RUN and waits_us[place] >= 0
            wait_s = None
            if len(part) < len(request.tokens):
                least_s = request.horizon_s / 2 if part or not is_own_limit else 0.0
                retry_after_s = waits_us[place if is_own_limit else NO_RUN] / 1e6
                wait_s = min(max(retry_after_s, least_s), RETRY_AFTER_S_MAX)
            cost = self.in_force.minutes_of(tokens_of(slot.id) for slot in part)
            request.granted.set_result(
                Grant(slots=part, retry_after_s=wait_s, is_own_limit=is_own_limit, cost=cost)
            )

    def _release(self, slots: list[Slot]) -> None:
        if slots:
            self.record(PendingUpdates(released=[slot.id for slot in slots]))


def _wanted(tokens: int, place: int) -> int | tuple[int, int]:
    """Return a wanted slot as the script takes it: its tokens, and the place of its run if that has one."""
    return max(0, tokens) if place == NO_RUN else (max(0, tokens), place)


def _as_message(limits: RateLimits) -> dict[str, int]:
    return {name: -1 if value is None else value for name, value in asdict(limits).items()}


def _fail(requests: list[SlotRequests], error: Exception) -> None:
    for request in requests:
        if not request.granted.done():
            request.granted.set_exception(error)
