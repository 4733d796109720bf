"""What all workers learn of a model together: how long answers take, what they cost, and how good token
estimates are.

Only a help: without Redis, each process goes on with what it knows.
"""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections import deque
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Final, TypeAlias

from redis.exceptions import RedisError

from runner.limiter.store import connect, script
from runner.rules.budget import Costs
from runner.rules.polling import Latency

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

KEY: Final = "{runner}:learned"
REFRESH_S: Final = 1.0
LESSON_WEIGHT: Final = 0.99  # of the older sums, with each new answer: about 100 answers count
FIRST_RATIO: Final = (
    2.0  # until answers teach better: deferred ones come late, and a 429 costs more than room
)
FIRST_ANSWERS: Final = 10  # so many it counts for ...
CAUTION_WEIGHT: Final = 0.96  # ... and of that, what each answer leaves: after 50, hardly anything
TRIES: Final = 5
NEW_MAX: Final = 1000  # lessons kept while Redis is away
ENOUGH: Final = 200  # lessons in a refresh: where there are more, every other job teaches for all


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """Sums over the answers of late. The ratio of sums, since the mean of ratios is biased.

    `caution` counts as so many estimated tokens that used FIRST_RATIO times as many: the first answers to
    come in are the short ones, and are not to be believed too soon.
    """

    estimated: float = 0.0
    actual: float = 0.0
    caution: float = 0.0

    @property
    def ratio(self) -> float:
        """By how much estimates are to be multiplied."""
        if self.estimated <= 0 or self.actual <= 0:
            return FIRST_RATIO
        return (self.actual + self.caution * FIRST_RATIO) / (self.estimated + self.caution)

    def update(self, estimated: int, actual: int) -> Tokens:
        """Learn from one answer."""
        caution = self.caution if self.estimated > 0 else float(estimated * FIRST_ANSWERS)
        return Tokens(
            estimated=self.estimated * LESSON_WEIGHT + estimated,
            actual=self.actual * LESSON_WEIGHT + actual,
            caution=caution * CAUTION_WEIGHT,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Lessons:
    """All that is known of a model."""

    latency: Latency = field(default_factory=Latency)
    tokens: Tokens = field(default_factory=Tokens)
    costs: Costs = field(default_factory=Costs)


_NOTHING: Final = Lessons()
Lesson: TypeAlias = "Callable[[Lessons], Lessons]"


class Learned:
    """Reads give what is known here and now; what is new goes to Redis, and comes from there, once a second.

    Belongs to one event loop.
    """

    def __init__(self, redis_url: str) -> None:
        self._redis = connect(redis_url)
        self._swap = self._redis.register_script(script("swap"))
        self._stands: dict[str, bytes] = {}  # in Redis, as last seen
        self._known: dict[str, Lessons] = {}  # the same, and what was learnt here since
        self._new: dict[str, deque[Lesson]] = {}
        self._sharing: asyncio.Task[None] | None = None
        self._shared_at: dict[str, float] = {}
        self._every: dict[str, int] = {}

    async def close(self) -> None:
        """Share what is left and close the connection."""
        if self._sharing is not None:
            await asyncio.wait([self._sharing])
        await self._share(list(self._new))
        await self._redis.aclose()

    def latency(self, model: str) -> Latency:
        """What is known of a model's latency."""
        return self._of(model).latency

    def known_latency(self, model: str) -> Latency:
        """The same without asking Redis for news: for any thread."""
        return self._known.get(model, _NOTHING).latency

    def token_ratio(self, model: str) -> float:
        """By how much a model's token estimates are to be multiplied."""
        return self._of(model).tokens.ratio

    def teaches(self, model: str, job_id: int) -> bool:
        """Say whether a job is one to learn from: all are, until there are hundreds a second.

        A job teaches by all of its polls or by none, so that those chosen stand for the others.
        """
        return job_id % self._every.get(model, 1) == 0

    def observe_latency(self, model: str, after_s: float, by_s: float, *, ready: bool = True) -> None:
        """Learn from a poll at age `by_s` of a job that was not ready at `after_s` (0: not asked before)."""
        self._learn(
            model, lambda known: replace(known, latency=known.latency.update(after_s, by_s, ready=ready))
        )

    def observe_tokens(self, model: str, estimated: int, actual: int) -> None:
        """Learn from an answer what an estimate was worth."""
        self._learn(model, lambda known: replace(known, tokens=known.tokens.update(estimated, actual)))

    def costs(self, model: str) -> Costs:
        """What is known of the cost of a model's answers."""
        return self._of(model).costs

    def observe_cost(self, model: str, typical_ticks: int, actual_ticks: int) -> None:
        """Learn from an answer what it cost against what an ordinary one would."""
        self._learn(
            model, lambda known: replace(known, costs=known.costs.update(typical_ticks, actual_ticks))
        )

    def _of(self, model: str) -> Lessons:
        if time.monotonic() - self._shared_at.get(model, -math.inf) > REFRESH_S:
            self._share_soon(model)
        return self._known.get(model, _NOTHING)

    def _learn(self, model: str, lesson: Lesson) -> None:
        self._known[model] = lesson(self._known.get(model, _NOTHING))
        self._new.setdefault(model, deque(maxlen=NEW_MAX)).append(lesson)
        self._share_soon(model)

    def _share_soon(self, model: str) -> None:
        now_s = time.monotonic()
        if self._sharing is None and now_s - self._shared_at.get(model, -math.inf) > REFRESH_S:
            self._shared_at[model] = now_s
            self._sharing = asyncio.get_running_loop().create_task(self._share([model]), name="learned")
            self._sharing.add_done_callback(self._sharing_ended)

    def _sharing_ended(self, _task: asyncio.Task[None]) -> None:
        self._sharing = None

    async def _share(self, models: list[str]) -> None:
        for model in models:
            lessons = list(self._new.pop(model, ()))
            self._thin_out(model, len(lessons))
            try:
                told = await self._tell(model, lessons)
            except (RedisError, OSError):
                self._new[model] = deque([*lessons, *self._new.get(model, ())], maxlen=NEW_MAX)
                continue
            self._known[model] = _taught(told, self._new.get(model, ()))

    def _thin_out(self, model: str, lessons: int) -> None:
        every = self._every.get(model, 1)
        if lessons > ENOUGH:
            self._every[model] = every * 2
        elif lessons < ENOUGH // 4 and every > 1:
            self._every[model] = every // 2

    async def _tell(self, model: str, lessons: list[Lesson]) -> Lessons:
        """Read what stands; add the lessons and write it back if it still stands, else again with what does.

        After TRIES the lessons are dropped: others have just taught more than they would.
        """
        if not lessons:
            self._stands[model] = await self._get(model)
        for _ in range(TRIES if lessons else 0):
            before = self._stands.get(model, b"")
            after = _worded(_taught(_read(before), lessons))
            written, self._stands[model] = await self._swap([KEY], [model, before, after])
            if written:
                break
        return _read(self._stands[model])

    async def _get(self, model: str) -> bytes:
        stands = await self._redis.hget(KEY, model)
        return stands if isinstance(stands, bytes) else b""


def _taught(known: Lessons, lessons: Iterable[Lesson]) -> Lessons:
    for lesson in lessons:
        known = lesson(known)
    return known


def _worded(known: Lessons) -> bytes:
    return json.dumps(asdict(known)).encode()


def _read(text: bytes) -> Lessons:
    """Read a record; one that is none, or of another version, teaches nothing."""
    try:
        record = json.loads(text)
        return Lessons(
            latency=Latency(**record["latency"]),
            tokens=Tokens(**record["tokens"]),
            costs=Costs(**record["costs"]),
        )
    except (ValueError, TypeError, KeyError):
        return Lessons()
