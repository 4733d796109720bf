"""Estimates for each model that all workers share: latency, cost, and how good token estimates are.

Optional: without Redis each process uses its own observations.
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

from runner.limiter.store import script
from runner.rules.costs.budget import Costs
from runner.rules.sending.polling import Latency

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from redis.asyncio import Redis

KEY: Final = "{runner}:learned"
REFRESH_S: Final = 1.0
OBSERVATION_WEIGHT: Final = 0.99  # of the older sums at each new answer: about 100 answers count
# Until there are observations. High, since the first answers arrive late and a 429 costs more than unused
# capacity.
FIRST_RATIO: Final = 2.0
FIRST_ANSWERS: Final = 10  # the weight of FIRST_RATIO at the start, in answers ...
CAUTION_WEIGHT: Final = 0.96  # ... of which each answer leaves this share: hardly any after 50
SWAP_TRIES: Final = 5  # of one write, when other processes write at the same time
PENDING_MAX: Final = 1000  # observations of a model kept while Redis is unavailable
SAMPLES_PER_REFRESH: Final = 200  # observations in a refresh; above it, the share of sampled jobs is halved


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRatio:
    """Ratio of used to estimated tokens, by decaying sums over recent answers.

    A ratio of sums, since the mean of ratios is biased. `caution`: a number of estimated tokens that count as
    if they had used FIRST_RATIO times as many, since the first answers to arrive are the short ones.
    """

    estimated: float = 0.0
    actual: float = 0.0
    caution: float = 0.0

    @property
    def ratio(self) -> float:
        """Return the factor for token estimates."""
        if self.estimated <= 0:
            return FIRST_RATIO
        return (self.actual + self.caution * FIRST_RATIO) / (self.estimated + self.caution)

    def update(self, estimated: int, actual: int) -> TokenRatio:
        """Return the sums with one more answer."""
        caution = self.caution if self.estimated > 0 else float(estimated * FIRST_ANSWERS)
        return TokenRatio(
            estimated=self.estimated * OBSERVATION_WEIGHT + estimated,
            actual=self.actual * OBSERVATION_WEIGHT + actual,
            caution=caution * CAUTION_WEIGHT,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelStatistics:
    """All estimates for one model."""

    latency: Latency = field(default_factory=Latency)
    tokens: TokenRatio = field(default_factory=TokenRatio)
    costs: Costs = field(default_factory=Costs)


_DEFAULTS: Final = ModelStatistics()
Observation: TypeAlias = "Callable[[ModelStatistics], ModelStatistics]"  # adds one observation


class SharedEstimates:
    """Reads use the local copy; at most once a second it is merged with Redis, in the background.

    Belongs to one event loop.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._swap = self._redis.register_script(script("compare_and_set"))
        self._stored: dict[str, bytes] = {}  # the record in Redis, as last read
        self._estimates: dict[str, ModelStatistics] = {}  # the same, with the local observations since
        self._unshared: dict[str, deque[Observation]] = {}
        self._sharing: asyncio.Task[None] | None = None
        self._shared_at: dict[str, float] = {}
        self._sample_every: dict[str, int] = {}

    async def close(self) -> None:
        """Share the last observations."""
        if self._sharing is not None:
            await asyncio.wait([self._sharing])
        await self._share(list(self._unshared))

    def latency(self, model: str) -> Latency:
        """Return a model's latency estimate; refreshes it from Redis in the background."""
        return self._refreshed(model).latency

    def cached_latency(self, model: str) -> Latency:
        """Return a model's latency estimate without a refresh. Safe in any thread."""
        return self._estimates.get(model, _DEFAULTS).latency

    def token_ratio(self, model: str) -> float:
        """Return the factor for a model's token estimates."""
        return self._refreshed(model).tokens.ratio

    def is_sampled(self, model: str, job_id: int) -> bool:
        """Return whether a job is sampled: 1 in N of its model; N doubles above SAMPLES_PER_REFRESH.

        All polls of a job are observed or none, so that the sample is not biased.
        """
        return job_id % self._sample_every.get(model, 1) == 0

    def observe_latency(self, model: str, after_s: float, by_s: float, *, ready: bool = True) -> None:
        """Record a poll at age `by_s` of a job that was not ready at age `after_s` (0: first poll)."""
        self._observe(model, lambda old: replace(old, latency=old.latency.update(after_s, by_s, ready=ready)))

    def observe_tokens(self, model: str, estimated: int, actual: int) -> None:
        """Record the estimated and the used tokens of an answer."""
        self._observe(model, lambda old: replace(old, tokens=old.tokens.update(estimated, actual)))

    def costs(self, model: str) -> Costs:
        """Return the cost estimate of a model's answers."""
        return self._refreshed(model).costs

    def observe_cost(self, model: str, typical_ticks: int, actual_ticks: int) -> None:
        """Record the cost of an answer, and that of a typical answer to the same request."""
        self._observe(model, lambda old: replace(old, costs=old.costs.update(typical_ticks, actual_ticks)))

    def _refreshed(self, model: str) -> ModelStatistics:
        if time.monotonic() - self._shared_at.get(model, -math.inf) > REFRESH_S:
            self._share_soon(model)
        return self._estimates.get(model, _DEFAULTS)

    def _observe(self, model: str, observation: Observation) -> None:
        self._estimates[model] = observation(self._estimates.get(model, _DEFAULTS))
        self._unshared.setdefault(model, deque(maxlen=PENDING_MAX)).append(observation)
        self._share_soon(model)

    def _share_soon(self, model: str) -> None:
        now_s = time.monotonic()
        if self._sharing is None and now_s - self._shared_at.get(model, -math.inf) > REFRESH_S:
            self._shared_at[model] = now_s
            self._sharing = asyncio.get_running_loop().create_task(self._share([model]), name="estimates")
            self._sharing.add_done_callback(self._sharing_ended)

    def _sharing_ended(self, _task: asyncio.Task[None]) -> None:
        self._sharing = None

    async def _share(self, models: list[str]) -> None:
        """Merge local observations into Redis; they are kept for later while it is unavailable."""
        for model in models:
            observations = list(self._unshared.pop(model, ()))
            self._adjust_sampling(model, len(observations))
            try:
                shared = await self._merge(model, observations)
            except (RedisError, OSError):
                self._unshared[model] = deque(
                    [*observations, *self._unshared.get(model, ())], maxlen=PENDING_MAX
                )
                continue
            self._estimates[model] = _apply(shared, self._unshared.get(model, ()))

    def _adjust_sampling(self, model: str, observed: int) -> None:
        every = self._sample_every.get(model, 1)
        if observed > SAMPLES_PER_REFRESH:
            self._sample_every[model] = every * 2
        elif observed < SAMPLES_PER_REFRESH // 4 and every > 1:
            self._sample_every[model] = every // 2

    async def _merge(self, model: str, observations: list[Observation]) -> ModelStatistics:
        """Add observations to the record in Redis by compare-and-set; return the record then stored.

        After SWAP_TRIES they are dropped: other processes have just added more than they would.
        """
        if not observations:
            self._stored[model] = await self._get(model)
        for _ in range(SWAP_TRIES if observations else 0):
            before = self._stored.get(model, b"")
            after = _dump(_apply(_parse(before), observations))
            written, self._stored[model] = await self._swap([KEY], [model, before, after])
            if written:
                break
        return _parse(self._stored[model])

    async def _get(self, model: str) -> bytes:
        record = await self._redis.hget(KEY, model)
        return record if isinstance(record, bytes) else b""


def _apply(estimates: ModelStatistics, observations: Iterable[Observation]) -> ModelStatistics:
    for observation in observations:
        estimates = observation(estimates)
    return estimates


def _dump(estimates: ModelStatistics) -> bytes:
    return json.dumps(asdict(estimates)).encode()


def _parse(text: bytes) -> ModelStatistics:
    """Parse a record; return the defaults when it is invalid or of another version."""
    try:
        record = json.loads(text)
        return ModelStatistics(
            latency=Latency(**record["latency"]),
            tokens=TokenRatio(**record["tokens"]),
            costs=Costs(**record["costs"]),
        )
    except (ValueError, TypeError, KeyError):
        return ModelStatistics()
