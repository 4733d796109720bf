"""One bucket (a team and a model) as a process sees it: who asks, what is to be told, one talk at a time."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from runner.limiter.limits import Caps, lowest
from runner.limiter.line import line_up, polls_at_end
from runner.limiter.news import News
from runner.limiter.slots import Grant, Slot
from runner.limiter.store import LimiterUnavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from runner.limiter.store import Store

FLUSH_S: Final = 0.05  # news that is not urgent waits so long for company
RETRY_S: Final = 1.0
LOOK_S: Final = 1.0
AGAIN_S_MAX: Final = 1.0  # limits may rise and slots come back meanwhile


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ask:
    """Somebody who wants slots."""

    tokens: Sequence[int]
    caps: Caps
    fallback: Caps
    horizon_s: float
    granted: asyncio.Future[Grant]
    is_poll: bool = False


class Bucket:
    """Merges what coincides into one talk. `restore` is called when Redis was found empty."""

    def __init__(
        self, name: str, store: Store, names: Callable[[], str], restore: Callable[[], Awaitable[None]]
    ) -> None:
        self.name = name
        self.paused_until = 0.0
        self.polls_charged = False
        self.heard_at = -1e9
        self._looked_at = -1e9
        self._polls_in_a_row = 0
        self._polls_untold = 0
        self._store = store
        self._names = names
        self._restore = restore
        self._asks: list[Ask] = []
        self._news = News()
        self._announced: tuple[int | None, int | None] | None = None
        self._talking: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def ask(
        self,
        tokens: Sequence[int],
        caps: Caps,
        fallback: Caps,
        horizon_s: float,
        *,
        is_poll: bool = False,
    ) -> Grant:
        """Ask once. Raises LimiterUnavailable, and whatever rebuilding an emptied log raised."""
        granted: asyncio.Future[Grant] = asyncio.get_running_loop().create_future()
        self._asks.append(
            Ask(
                tokens=tokens,
                caps=caps,
                fallback=fallback,
                horizon_s=horizon_s,
                granted=granted,
                is_poll=is_poll,
            )
        )
        self._talk_now()
        try:
            return await granted
        except asyncio.CancelledError:
            if granted.done() and not granted.cancelled() and granted.exception() is None:
                self._give_back(granted.result().slots)
            raise

    def tell(self, news: News) -> None:
        """Pass news on: urgent ones at once, others within FLUSH_S or with the next ask."""
        self.paused_until = max(self.paused_until, news.pause_until)
        self._news = self._news.before(news)
        if news.urgent:
            self._talk_now()
        else:
            self._talk_in(FLUSH_S)

    def announce(self, rpm: int | None, tpm: int | None) -> None:
        """Pass on what the API announced, if it is another than the last time."""
        known = self._announced or (None, None)
        latest = (rpm or known[0], tpm or known[1])
        if latest != known:
            self._announced = latest
            self.tell(News(announced=latest))

    def look(self) -> None:
        """Hear soon what others said, if that was long ago; nobody waits for it."""
        now = asyncio.get_running_loop().time()
        if now - max(self.heard_at, self._looked_at) > LOOK_S:
            self._looked_at = now
            self._talk_now()

    def polled(self, *, refused: bool) -> None:
        """Count a poll; only refusals are told, with the polls that came before them."""
        self._polls_untold += 1
        if refused:
            self.tell(News(polls=self._polls_untold, polls_refused=1))
            self._polls_untold = 0

    def forget_announced(self) -> None:
        """Announce again what the API says next: Redis has forgotten it."""
        self._announced = None

    async def finish(self) -> None:
        """Tell what is left."""
        if self._news:
            self._talk_now()
        if self._talking is not None:
            await asyncio.wait([self._talking])

    def stop(self) -> None:
        """Tell nothing any more."""
        if self._timer is not None:
            self._timer.cancel()
        if self._talking is not None:
            self._talking.cancel()

    def _talk_in(self, delay_s: float) -> None:
        if self._talking is None and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(delay_s, self._talk_now)

    def _talk_now(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._talking is None:
            self._talking = asyncio.get_running_loop().create_task(self._talk(), name=f"limiter {self.name}")

    async def _talk(self) -> None:
        """Talk until nobody asks and nothing urgent is left."""
        delay_s = FLUSH_S
        while True:
            asks, self._asks = [ask for ask in self._asks if not ask.granted.done()], []
            news, self._news = self._news, News()
            try:
                await self._talk_once(asks, news)
            except Exception as error:  # noqa: BLE001 - it belongs to those who ask
                self._news = news.before(self._news)
                _refuse(asks, error)
                delay_s = RETRY_S
                if not self._asks:
                    break
            if not self._asks and not self._news.urgent:
                break
        self._talking = None
        if self._news:
            self._talk_in(delay_s)

    async def _talk_once(self, asks: list[Ask], news: News) -> None:
        loop = asyncio.get_running_loop()
        call = self._names()
        line = line_up(asks, self._polls_in_a_row)
        wait_us, again_us, granted, charged = await self._hear(call, asks, line, news)
        self.polls_charged = bool(charged)
        self.heard_at = now = loop.time()
        if wait_us:
            self.paused_until = max(self.paused_until, now + wait_us / 1e6)
        slots = [
            Slot(id=f"{call}:{nth}:{tokens}", bucket=self.name, tokens=tokens, fire_at=now + delay_us / 1e6)
            for nth, (delay_us, tokens) in enumerate(zip(granted[::2], granted[1::2], strict=True), start=1)
        ]
        served = [ask for ask, _ in line[: len(slots)]]
        self._polls_in_a_row = polls_at_end(served, self._polls_in_a_row)
        self._hand_out(asks, served, slots, again_us / 1e6)

    async def _hear(self, call: str, asks: list[Ask], line: list[tuple[Ask, int]], news: News) -> list[Any]:
        """Talk to Redis; where it was emptied, restore it first, but only for somebody who asks."""
        while True:
            message = news.message(asyncio.get_running_loop().time()) | _question(call, asks, line)
            reply = await self._store.talk(self.name, message)
            if reply is not None:
                return reply
            if not asks:
                raise LimiterUnavailable("it was emptied")
            await self._restore()

    def _hand_out(self, asks: list[Ask], served: list[Ask], slots: list[Slot], again_s: float) -> None:
        """Give each its part. Half the horizon is left when they ask again."""
        parts: defaultdict[Ask, list[Slot]] = defaultdict(list)
        for ask, slot in zip(served, slots, strict=True):
            parts[ask].append(slot)
        for ask in asks:
            part = parts[ask]
            if ask.granted.done():  # gave up meanwhile
                self._give_back(part)
                continue
            got_all = len(part) == len(ask.tokens)
            wait_s = None if got_all else min(max(again_s, ask.horizon_s / 2), AGAIN_S_MAX)
            ask.granted.set_result(Grant(slots=part, again_s=wait_s))

    def _give_back(self, slots: list[Slot]) -> None:
        if slots:
            self.tell(News(released=[slot.id for slot in slots]))


def _question(call: str, asks: list[Ask], line: list[tuple[Ask, int]]) -> dict[str, Any]:
    return {
        "id": call,
        "want": [max(0, tokens) for _, tokens in line],
        "horizon_us": round(min((ask.horizon_s for ask in asks), default=0.0) * 1e6),
        "said": _worded(lowest(ask.caps for ask in asks)),
        "fallback": _worded(lowest(ask.fallback for ask in asks)),
    }


def _worded(caps: Caps) -> dict[str, int]:
    return {name: -1 if said is None else said for name, said in asdict(caps).items()}


def _refuse(asks: list[Ask], error: Exception) -> None:
    for ask in asks:
        if not ask.granted.done():
            ask.granted.set_exception(error)
