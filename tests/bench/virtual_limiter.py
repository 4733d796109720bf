"""The real limiter in virtual time: its Lua runs in a private Valkey and gets the time as an argument.

The clients are the limiter's own classes, driven as the submit loop drives them. The API is simulated with
strict sliding windows, behind a network that has a delay in both directions and now and then a long one.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from runner.engine.dispatch import UNREPLIED_PER_CONNECTION
from runner.limiter.estimates import TokenRatio
from runner.limiter.limiter import Limiter, RateLimits, Slot
from runner.limiter.store import EPOCH_KEY, Store, connect, script, state_and_log
from runner.rules.submit_plan import CHUNK_FIRST, CHUNK_MAX

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from redis import Redis

WINDOW_S, SECOND_S = 60.0, 1.0
BUCKET: Final = "team:model"
REAL_CLOCK: Final = """local function clock()
  local time = redis.call('TIME')
  return time[1] * 1000000 + time[2]
end"""
VIRTUAL_CLOCK: Final = """local function clock()
  return tonumber(ARGV[#ARGV])
end"""

REDIS_S: Final = 0.0003  # to Valkey and back
COMMIT_S: Final = 0.005  # a group commit with leases or attempts
WAKE_S: Final = 0.001  # mean delay of a timer
SPIKES: Final = 0.005
SPIKE_S: Final = (0.1, 0.4)
CONNECTIONS_MIN: Final = 8  # of a process; more where limit and round trip need them
PAUSE_S: Final = 1.0
ANSWER_S: Final = 3.0  # median time until a job's used tokens are known
RPM_PER_RPS, RPS_MIN = 48, 2  # the API's own rule


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """`rpm` and `tpm` as the server enforces them, 0 for none. `uses`: used tokens per estimated token.

    `jobs` None: more than can be sent. `is_warm`: start with a full window, evenly used.
    """

    rpm: int = 0
    tpm: int = 0
    processes: int
    round_trip_s: float
    run_s: float
    uses: float = 1.0
    jobs: int | None = None
    estimate: int = 1_000
    is_warm: bool = False
    seed: int = 1

    @property
    def unreplied_max(self) -> int:
        """The most unreplied jobs of a process."""
        at_once = self.rpm / 60 * self.round_trip_s / self.processes
        return UNREPLIED_PER_CONNECTION * max(CONNECTIONS_MIN, round(2 * at_once))

    @property
    def rps(self) -> int:
        """The limit of requests in a second, 0 for none."""
        return max(RPS_MIN, self.rpm // RPM_PER_RPS) if self.rpm else 0


class StrictServer:
    """A strict server: enforces every window of a minute and of a second, by time of arrival."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self._log: deque[tuple[float, int]] = deque()
        self._sum = 0
        self.taken: list[tuple[float, int]] = []
        self.refused = 0

    def add_earlier(self, ages_s: Sequence[float], now: float) -> None:
        """Add requests from before the start of the case."""
        self._log.extend((now - age_s, 0) for age_s in ages_s)

    def arrive(self, now: float, tokens: int) -> bool:
        """Accept or refuse a request; return whether it was accepted."""
        case, log = self._case, self._log
        while log and log[0][0] <= now - WINDOW_S:
            self._sum -= log.popleft()[1]
        is_full = (
            (case.rpm and len(log) >= case.rpm)
            or (case.tpm and self._sum + tokens > case.tpm)
            or (case.rps and len(log) >= case.rps and log[-case.rps][0] > now - SECOND_S)
        )
        if is_full:
            self.refused += 1
            return False
        log.append((now, tokens))
        self._sum += tokens
        self.taken.append((now, tokens))
        return True


@dataclass(slots=True)
class Talks:
    """Number of round trips, the script's real CPU time of each, and the entries of its log at the end."""

    count: int = 0
    cpu_us: float = 0.0
    entries: int = 0


class VirtualStore(Store):
    """A limiter store with real round trips that passes the virtual time to the script."""

    def __init__(self, valkey: Redis, talks: Talks) -> None:
        super().__init__(connect("redis://nowhere"), window_s=WINDOW_S, second_s=SECOND_S)
        text = script("round_trip")
        assert REAL_CLOCK in text
        self._run = valkey.register_script(text.replace(REAL_CLOCK, VIRTUAL_CLOCK))
        self._restore_at = valkey.register_script(script("restore").replace(REAL_CLOCK, VIRTUAL_CLOCK))
        self._talks = talks

    def begin(self, ages_s: Sequence[float], now: float) -> None:
        """Start with a log of requests of these ages."""
        entries = json.dumps([(round(age_s * 1e6), 0) for age_s in ages_s])
        window_us, now_us = round(WINDOW_S * 1e6), round(now * 1e6)
        self._restore_at([EPOCH_KEY, *state_and_log(BUCKET)], ["before", window_us, entries, now_us])

    async def round_trip(self, bucket: str, message: dict[str, Any]) -> list[Any] | None:
        """Do one round trip, as the real store does."""
        await asyncio.sleep(REDIS_S / 2)
        windows = {"window_us": WINDOW_S * 1e6, "second_us": SECOND_S * 1e6}
        now_us = round(asyncio.get_running_loop().time() * 1e6)
        reply: Any = self._run([EPOCH_KEY, *state_and_log(bucket)], [json.dumps(windows | message), now_us])
        self._talks.count += 1
        await asyncio.sleep(REDIS_S / 2)
        return list(reply[1:])


@dataclass(slots=True)
class SharedState:
    """State that all clients share."""

    case: Case
    server: StrictServer
    chance: random.Random
    left: int
    tokens: TokenRatio = field(default_factory=TokenRatio)


class Client:
    """One worker process: leases, reserves slots, records and sends, as the submit loop does."""

    def __init__(self, shared: SharedState, store: Store) -> None:
        self._shared = shared
        self._limiter = Limiter(connect("redis://nowhere"), rebuild=_no_history)
        self._limiter._store = store
        self._chunk = CHUNK_FIRST
        self._leased = 0  # jobs that wait for slots
        self._unreplied = 0
        self._replied = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def work(self, until: float) -> None:
        """Send until the time is up or all jobs are sent."""
        loop = asyncio.get_running_loop()
        while loop.time() < until and (self._shared.left or self._leased or self._tasks):
            retry_s = await self._submit_batch()
            if retry_s is not None:
                await asyncio.sleep(retry_s)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._limiter.close()

    async def _submit_batch(self) -> float | None:
        """Send what the limits allow; return the seconds to wait, None when something was sent."""
        shared, case = self._shared, self._shared.case
        while self._unreplied > case.unreplied_max // 2:
            self._replied.clear()
            await self._replied.wait()
        if not self._leased:
            await asyncio.sleep(COMMIT_S)
            self._leased = min(self._chunk, shared.left)
            shared.left -= self._leased
            if not self._leased:
                return 0.1
        wanted = max(1, round(case.estimate * shared.tokens.ratio)) if case.tpm else 1
        capacity = min(self._leased, case.unreplied_max - self._unreplied)
        grant = await self._limiter.reserve(
            BUCKET,
            [wanted] * capacity,
            RateLimits(rpm=case.rpm, tpm=case.tpm),
            RateLimits(rpm=120, tpm=200_000),
        )
        if grant.retry_after_s is None:
            self._chunk = min(CHUNK_MAX, self._chunk * 2)
        else:
            self._chunk = max(4, min(self._chunk, 4 * len(grant.slots)))
        if not grant.slots:
            return max(grant.retry_after_s or 0.0, 0.005)
        self._leased -= len(grant.slots)
        await asyncio.sleep(COMMIT_S)
        self._unreplied += len(grant.slots)
        for slot in grant.slots:
            task = asyncio.create_task(self._post(slot))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return None

    async def _post(self, slot: Slot) -> None:
        shared, loop = self._shared, asyncio.get_running_loop()
        await asyncio.sleep(slot.fire_at - loop.time() + shared.chance.expovariate(1 / WAKE_S))
        if not self._limiter.usable(slot):
            self._limiter.release(slot)
            self._record_reply(again=True)
            return
        used = round(shared.case.estimate * shared.case.uses * shared.chance.uniform(0.5, 1.5))
        await asyncio.sleep(self._one_way_s())
        taken = shared.server.arrive(loop.time(), used)
        await asyncio.sleep(self._one_way_s())
        self._limiter.confirm(slot)
        if not taken:
            self._limiter.pause(BUCKET, PAUSE_S, rate_limited=True)
        self._record_reply(again=not taken)
        if taken and shared.case.tpm:
            await asyncio.sleep(ANSWER_S * shared.chance.lognormvariate(0, 0.8))
            self._limiter.settle(BUCKET, slot.id, used)
            shared.tokens = shared.tokens.update(shared.case.estimate, used)

    def _record_reply(self, *, again: bool) -> None:
        self._shared.left += again
        self._unreplied -= 1
        self._replied.set()

    def _one_way_s(self) -> float:
        chance = self._shared.chance
        spike_s = chance.uniform(*SPIKE_S) if chance.random() < SPIKES else 0.0
        return self._shared.case.round_trip_s / 2 * chance.lognormvariate(0, 0.25) + spike_s


@dataclass(frozen=True, slots=True)
class Played:
    """Result of a case: times of arrival in seconds from its start, number of 429s, round trips."""

    taken: Sequence[tuple[float, int]]
    refused: int
    talks: Talks


async def play_case(valkey: Redis, case: Case) -> Played:
    """Run a case from an empty or a full window; return its result."""
    valkey.flushall()
    loop, talks = asyncio.get_running_loop(), Talks()
    began = loop.time()
    shared = SharedState(
        case=case,
        server=StrictServer(case),
        chance=random.Random(case.seed),
        left=case.jobs if case.jobs is not None else 10**9,
    )
    stores = [VirtualStore(valkey, talks) for _ in range(case.processes)]
    ages_s = [WINDOW_S * (1 - nth / case.rpm) for nth in range(1, case.rpm)] if case.is_warm else []
    stores[0].begin(ages_s, began)
    shared.server.add_earlier(ages_s, began)
    valkey.config_resetstat()
    clients = [Client(shared, store) for store in stores]
    await asyncio.gather(*(client.work(began + case.run_s) for client in clients))
    size: Any = valkey.zcard(state_and_log(BUCKET)[1])
    stats: Any = valkey.info("commandstats")
    talks.entries, talks.cpu_us = int(size), float(stats["cmdstat_evalsha"]["usec_per_call"])
    return Played([(at - began, tokens) for at, tokens in shared.server.taken], shared.server.refused, talks)


async def _no_history() -> Mapping[str, Sequence[tuple[int, int]]]:
    return {}
