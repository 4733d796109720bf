"""Faults for chaos rounds: each begins, lasts some seconds, and ends; then everything is as before."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import psycopg
from redis.exceptions import RedisError

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from chaos_setups import EmbeddedSetup
    from live_runner import Role
    from proxy import ProxyMode

API_FAULTS: Final = (
    *({"429": 0.5}, {"503": 0.5}, {"500": 0.3}, {"500_after": 0.2}, {"hang": 0.2}, {"cut": 0.2}),
    *({"reset_before": 0.3}, {"reset_after": 0.2}, {"garbage": 0.2}, {"failed": 0.2}, {"lost": 0.2}),
)
MODES: Final[Sequence[ProxyMode]] = ("refuse", "reset", "silent", "slow")
BALLAST_BYTES: Final = 4 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One kind of fault."""

    name: str
    # Starts the fault and returns the function that ends it, None when there is nothing to end.
    begin: Callable[[EmbeddedSetup, random.Random], Callable[[], None] | None]
    # Least and greatest duration.
    duration_s: tuple[float, float] = (0.0, 0.0)


def _kill(
    *roles: Role, number: signal.Signals = signal.SIGKILL
) -> Callable[[EmbeddedSetup, random.Random], None]:
    def begin(setup: EmbeddedSetup, chance: random.Random) -> None:
        found = [pid for home in setup.homes for pid in home.pids(*roles)]
        if found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(chance.choice(found), number)

    return begin


def _freeze(*roles: Role) -> Callable[[EmbeddedSetup, random.Random], Callable[[], None] | None]:
    def begin(setup: EmbeddedSetup, chance: random.Random) -> Callable[[], None] | None:
        found = [pid for home in setup.homes for pid in home.pids(*roles)]
        return _stop(chance.choice(found)) if found else None

    return begin


def _stop(pid: int) -> Callable[[], None]:
    def go_on() -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)

    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGSTOP)
    return go_on


def _kill_all(setup: EmbeddedSetup, chance: random.Random) -> None:
    chance.choice(setup.homes).kill()


def _api_is_odd(setup: EmbeddedSetup, chance: random.Random) -> Callable[[], None]:
    setup.simulator.switch(faults=chance.choice(API_FAULTS))
    return lambda: setup.simulator.switch(faults=setup.faults)


def _api_is_frozen(setup: EmbeddedSetup, _: random.Random) -> Callable[[], None]:
    return _stop(setup.simulator.pid)


def _proxied(name: str) -> Callable[[EmbeddedSetup, random.Random], Callable[[], None]]:
    def begin(setup: EmbeddedSetup, chance: random.Random) -> Callable[[], None]:
        setup.proxies[name].set_mode(chance.choice(MODES))
        return lambda: setup.proxies[name].set_mode("pass")

    return begin


def _redis_emptied(setup: EmbeddedSetup, _: random.Random) -> None:
    with contextlib.suppress(RedisError), setup.redis_client() as client:
        client.flushall()


def _redis_full(setup: EmbeddedSetup, _: random.Random) -> Callable[[], None]:
    def over() -> None:
        with contextlib.suppress(RedisError), setup.redis_client() as client:
            client.config_set("maxmemory", "0")
            client.delete("ballast")

    with contextlib.suppress(RedisError), setup.redis_client() as client:
        client.set("ballast", b"x" * BALLAST_BYTES)
        client.config_set("maxmemory", "1mb")
    return over


def _redis_restarted(setup: EmbeddedSetup, _: random.Random) -> Callable[[], None]:
    assert setup.redis is not None
    setup.redis.kill()
    return setup.redis.start


def _postgres_restarted(setup: EmbeddedSetup, chance: random.Random) -> Callable[[], None]:
    assert setup.postgres is not None
    setup.postgres.stop(chance.choice(["fast", "immediate"]))
    return setup.postgres.start


def _backends_killed(setup: EmbeddedSetup, _: random.Random) -> None:
    assert setup.postgres is not None
    with contextlib.suppress(psycopg.Error):
        setup.postgres.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = 'fleet' AND pid <> pg_backend_pid()"
        )


def _table_locked(setup: EmbeddedSetup, _: random.Random) -> Callable[[], None] | None:
    assert setup.postgres is not None
    try:
        connection = setup.postgres.connect()
        connection.autocommit = False
        connection.execute("SET lock_timeout = '2s'")
        connection.execute("LOCK TABLE jobs IN ACCESS EXCLUSIVE MODE")
    except psycopg.Error:
        return None
    return connection.close


def _disk_full(setup: EmbeddedSetup, chance: random.Random) -> Callable[[], None] | None:
    disks = setup.disks
    return _fill(chance.choice(disks)) if disks else None


def _fill(disk: Path) -> Callable[[], None]:
    ballast = disk / "ballast"
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        while file.write(bytes(BALLAST_BYTES)) == BALLAST_BYTES:
            pass
    return lambda: ballast.unlink(missing_ok=True)


ANYWHERE: Final = (
    Fault(name="worker killed", begin=_kill("worker")),
    Fault(name="worker killed", begin=_kill("worker")),
    Fault(name="worker ended", begin=_kill("worker", number=signal.SIGTERM)),
    Fault(name="worker frozen", begin=_freeze("worker"), duration_s=(0.5, 9)),
    Fault(name="everything killed", begin=_kill_all),
    Fault(name="API odd", begin=_api_is_odd, duration_s=(0.5, 3)),
    Fault(name="API frozen", begin=_api_is_frozen, duration_s=(0.5, 4)),
    Fault(name="way to the API broken", begin=_proxied("api"), duration_s=(0.3, 3)),
    Fault(name="Redis emptied", begin=_redis_emptied),
    Fault(name="Redis out of memory", begin=_redis_full, duration_s=(0.5, 2)),
    Fault(name="disk full", begin=_disk_full, duration_s=(0.5, 3)),
)
EMBEDDED: Final = (
    *ANYWHERE,
    Fault(name="engine killed", begin=_kill("engine")),
    Fault(name="command killed", begin=_kill("command")),
    Fault(name="Valkey killed", begin=_kill("valkey")),
    Fault(name="Valkey frozen", begin=_freeze("valkey"), duration_s=(0.5, 6)),
)
SHARED: Final = (
    *ANYWHERE,
    Fault(name="Redis restarted", begin=_redis_restarted, duration_s=(0.0, 3)),
    Fault(name="way to Redis broken", begin=_proxied("redis"), duration_s=(0.3, 4)),
    Fault(name="PostgreSQL restarted", begin=_postgres_restarted, duration_s=(0.0, 3)),
    Fault(name="backends killed", begin=_backends_killed),
    Fault(name="way to PostgreSQL broken", begin=_proxied("postgres"), duration_s=(0.3, 4)),
    Fault(name="jobs locked", begin=_table_locked, duration_s=(0.5, 4)),
)


def inject(setup: EmbeddedSetup, fault: Fault, chance: random.Random) -> None:
    """Start a fault, wait for its duration, and end it."""
    end = fault.begin(setup, chance)
    time.sleep(chance.uniform(*fault.duration_s))
    if end is not None:
        end()
