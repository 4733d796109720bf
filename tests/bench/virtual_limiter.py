"""The real limiter in virtual time: its Lua runs in a private Valkey and gets the time as an argument.

The clients are the limiter's own classes, driven as the submit loop drives them. The API is simulated with
strict sliding windows, behind a network that has a delay in both directions and now and then a long one.
"""

from __future__ import annotations

import asyncio
import json
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from virtual_server import SECOND_S, WINDOW_S, Case, StrictServer

from runner.engine.process.sliced_loop import IDLE_S
from runner.engine.sending.submit import SLOT_WAIT_S_MIN
from runner.engine.sending.turns import Turns
from runner.limiter.estimates import TokenRatio
from runner.limiter.limiter import Limiter, RateLimits, RunLimits, Slot
from runner.limiter.store import (
    NamedTeamLimits,
    Store,
    connect,
    restore_call,
    round_trip_keys,
    script,
    state_and_log,
)
from runner.rules.sending.submit_plan import CHUNK_FIRST, next_chunk
from runner.rules.sending.team_limits import VersionedLimits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis import Redis

    from runner.limiter.slots import Grant
    from runner.limiter.store import Entries

BUCKET: Final = "team:model"
NOTHING_SET: Final = NamedTeamLimits(team="team", found=VersionedLimits())
REAL_CLOCK: Final = "redis.call('TIME')"  # seconds and microseconds
VIRTUAL_CLOCK: Final = "{0, ARGV[#ARGV]}"

REDIS_S: Final = 0.0003  # to Valkey and back
COMMIT_S: Final = 0.005  # a group commit with leases or attempts
WAKE_S: Final = 0.001  # mean delay of a timer
SPIKES: Final = 0.005
SPIKE_S: Final = (0.1, 0.4)
PAUSE_S: Final = 1.0
ANSWER_S: Final = 3.0  # median time until a job's used tokens are known


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
        sent = [(round(age_s * 1e6), 0) for age_s in ages_s]
        keys, arguments = restore_call({BUCKET: sent}, NOTHING_SET, round(WINDOW_S * 1e6))
        self._restore_at(keys, [*arguments, round(now * 1e6)])

    async def round_trip(self, bucket: str, message: dict[str, Any], runs: Sequence[int]) -> list[Any] | None:
        """Do one round trip, as the real store does."""
        await asyncio.sleep(REDIS_S / 2)
        windows = {"window_us": WINDOW_S * 1e6, "second_us": SECOND_S * 1e6}
        now_us = round(asyncio.get_running_loop().time() * 1e6)
        reply: Any = self._run(round_trip_keys(bucket, runs), [json.dumps(windows | message), now_us])
        self._talks.count += 1
        await asyncio.sleep(REDIS_S / 2)
        return list(reply[1:])


@dataclass(slots=True)
class SharedState:
    """State that all clients share. `left`: jobs of each run that no client has."""

    case: Case
    server: StrictServer
    chance: random.Random
    left: list[int]
    tokens: list[TokenRatio]


@dataclass(slots=True)
class Queue:
    """What a client has of one run: jobs that wait for slots."""

    chunk: int = CHUNK_FIRST
    leased: int = 0
    own_limit_until: float = 0.0


class Client:
    """One worker process: leases, reserves slots, records and sends, as the submit loop does."""

    def __init__(self, shared: SharedState, store: Store, seed: int) -> None:
        self._shared = shared
        self._limiter = Limiter(
            connect("redis://nowhere"),
            rebuild=_no_history,
            team_limits=_nothing_set,
            clock=asyncio.get_running_loop().time,
        )
        self._limiter._store = store
        self._turns = Turns(random.Random(seed))
        self._queues = [Queue() for _ in shared.case.runs]
        self._wait_s = IDLE_S
        self._unreplied = 0
        self._replied = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def work(self, until: float) -> None:
        """Send until the time is up or all jobs are sent."""
        loop = asyncio.get_running_loop()
        while loop.time() < until and self._has_work():
            if not await self._round():
                await asyncio.sleep(self._wait_s)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._limiter.close()

    def _has_work(self) -> bool:
        return bool(any(self._shared.left) or any(one.leased for one in self._queues) or self._tasks)

    async def _round(self) -> bool:
        """Send one batch of each run; return whether any was sent."""
        self._wait_s, sent = IDLE_S, False
        sending = [run for run, queue in enumerate(self._queues) if queue.leased or self._shared.left[run]]
        for run in self._turns.begin_round(sending):
            sent |= await self._submit_batch(run)
        return sent

    async def _submit_batch(self, run: int) -> bool:
        """Send what the limits allow to one run; return whether anything was sent."""
        shared, case, queue = self._shared, self._shared.case, self._queues[run]
        now = asyncio.get_running_loop().time
        while self._unreplied > case.unreplied_max // 2:
            self._replied.clear()
            await self._replied.wait()
        if queue.own_limit_until > now():
            self._wait_at_most(queue.own_limit_until - now())
            self._turns.leave_out(run)
            return False
        if not queue.leased:
            await asyncio.sleep(COMMIT_S)
            queue.leased = min(queue.chunk, shared.left[run])
            shared.left[run] -= queue.leased
        if not queue.leased:
            self._turns.leave_out(run)
            return False
        grant = await self._reserve(run, queue)
        if grant is None or not grant.slots:
            return False
        queue.leased -= len(grant.slots)
        await asyncio.sleep(COMMIT_S)
        self._unreplied += len(grant.slots)
        for slot in grant.slots:
            task = asyncio.create_task(self._post(slot, run))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return True

    async def _reserve(self, run: int, queue: Queue) -> Grant | None:
        shared, case = self._shared, self._shared.case
        if not self._turns.may_request(run, BUCKET):
            return None
        its = case.runs[run]
        tokens = max(1, round(its.estimate * shared.tokens[run].ratio)) if case.tpm or its.tpm else 1
        grant = await self._limiter.reserve(
            BUCKET,
            [tokens] * min(queue.leased, case.unreplied_max - self._unreplied),
            RateLimits(rpm=case.rpm, tpm=case.tpm),
            run_limits=RunLimits(run=run, rpm=its.rpm, tpm=its.tpm),
        )
        self._turns.record(run, BUCKET, grant)
        queue.chunk = next_chunk(queue.chunk, len(grant.slots), is_all=grant.retry_after_s is None)
        if grant.retry_after_s is not None:
            wait_s = max(grant.retry_after_s, SLOT_WAIT_S_MIN)
            self._wait_at_most(wait_s)
            queue.own_limit_until = asyncio.get_running_loop().time() + wait_s if grant.is_own_limit else 0.0
        return grant

    def _wait_at_most(self, seconds: float) -> None:
        self._wait_s = min(self._wait_s, seconds)

    async def _post(self, slot: Slot, run: int) -> None:
        shared, loop = self._shared, asyncio.get_running_loop()
        its = shared.case.runs[run]
        await self._limiter.wait_for(slot)
        await asyncio.sleep(shared.chance.expovariate(1 / WAKE_S))
        if not self._limiter.usable(slot):
            self._limiter.release(slot)
            self._record_reply(run, again=True)
            return
        used = round(its.estimate * shared.case.uses * shared.chance.uniform(0.5, 1.5))
        await asyncio.sleep(self._one_way_s())
        taken = shared.server.arrive(loop.time(), used, run)
        await asyncio.sleep(self._one_way_s())
        self._limiter.confirm(slot)
        if not taken:
            self._limiter.pause(BUCKET, PAUSE_S, rate_limited=True)
        self._record_reply(run, again=not taken)
        if taken and (shared.case.tpm or its.tpm):
            await asyncio.sleep(ANSWER_S * shared.chance.lognormvariate(0, 0.8))
            self._limiter.settle(BUCKET, slot.id, used)
            shared.tokens[run] = shared.tokens[run].update(its.estimate, used)

    def _record_reply(self, run: int, *, again: bool) -> None:
        self._shared.left[run] += again
        self._unreplied -= 1
        self._replied.set()

    def _one_way_s(self) -> float:
        chance = self._shared.chance
        spike_s = chance.uniform(*SPIKE_S) if chance.random() < SPIKES else 0.0
        return self._shared.case.round_trip_s / 2 * chance.lognormvariate(0, 0.25) + spike_s


@dataclass(frozen=True, slots=True)
class Played:
    """Result of a case: arrivals (seconds from its start, tokens, run), number of 429s, round trips."""

    taken: Sequence[tuple[float, int, int]]
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
        left=[case.jobs if case.jobs is not None else 10**9] * len(case.runs),
        tokens=[TokenRatio()] * len(case.runs),
    )
    stores = [VirtualStore(valkey, talks) for _ in range(case.processes)]
    ages_s = [WINDOW_S * (1 - nth / case.rpm) for nth in range(1, case.rpm)] if case.is_warm else []
    stores[0].begin(ages_s, began)
    shared.server.add_earlier(ages_s, began)
    valkey.config_resetstat()
    clients = [Client(shared, store, seed) for seed, store in enumerate(stores)]
    await asyncio.gather(*(client.work(began + case.run_s) for client in clients))
    size: Any = valkey.zcard(state_and_log(BUCKET)[1])
    stats: Any = valkey.info("commandstats")
    talks.entries, talks.cpu_us = int(size), float(stats["cmdstat_evalsha"]["usec_per_call"])
    taken = [(at - began, tokens, run) for at, tokens, run in shared.server.taken]
    return Played(taken, shared.server.refused, talks)


async def _nothing_set() -> NamedTeamLimits:
    return NOTHING_SET


async def _no_history() -> Entries:
    return {}
