"""What may befall a world: each trouble begins, lasts a while, and is over; then all is as before."""

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

    from chaos_worlds import World
    from live import Role
    from proxy import Mood

API_FAULTS: Final = (
    *({"429": 0.5}, {"503": 0.5}, {"500": 0.3}, {"500_after": 0.2}, {"hang": 0.2}, {"cut": 0.2}),
    *({"reset_before": 0.3}, {"reset_after": 0.2}, {"garbage": 0.2}, {"failed": 0.2}, {"lost": 0.2}),
)
MOODS: Final[Sequence[Mood]] = ("refuse", "reset", "silent", "slow")
BALLAST_BYTES: Final = 4 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Returns what ends it; `s`: between how many seconds it lasts."""

    name: str
    begin: Callable[[World, random.Random], Callable[[], None] | None]
    s: tuple[float, float] = (0.0, 0.0)


def _kill(*roles: Role, number: signal.Signals = signal.SIGKILL) -> Callable[[World, random.Random], None]:
    def begin(world: World, chance: random.Random) -> None:
        found = [pid for home in world.homes for pid in home.pids(*roles)]
        if found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(chance.choice(found), number)

    return begin


def _freeze(*roles: Role) -> Callable[[World, random.Random], Callable[[], None] | None]:
    def begin(world: World, chance: random.Random) -> Callable[[], None] | None:
        found = [pid for home in world.homes for pid in home.pids(*roles)]
        return _stop(chance.choice(found)) if found else None

    return begin


def _stop(pid: int) -> Callable[[], None]:
    def go_on() -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)

    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGSTOP)
    return go_on


def _kill_all(world: World, chance: random.Random) -> None:
    chance.choice(world.homes).kill()


def _api_is_odd(world: World, chance: random.Random) -> Callable[[], None]:
    world.simulator.switch(faults=chance.choice(API_FAULTS))
    return lambda: world.simulator.switch(faults=world.faults)


def _api_is_frozen(world: World, _: random.Random) -> Callable[[], None]:
    return _stop(world.simulator.pid)


def _proxied(name: str) -> Callable[[World, random.Random], Callable[[], None]]:
    def begin(world: World, chance: random.Random) -> Callable[[], None]:
        world.proxies[name].be(chance.choice(MOODS))
        return lambda: world.proxies[name].be("pass")

    return begin


def _redis_emptied(world: World, _: random.Random) -> None:
    with contextlib.suppress(RedisError), world.redis_client() as client:
        client.flushall()


def _redis_full(world: World, _: random.Random) -> Callable[[], None]:
    def over() -> None:
        with contextlib.suppress(RedisError), world.redis_client() as client:
            client.config_set("maxmemory", "0")
            client.delete("ballast")

    with contextlib.suppress(RedisError), world.redis_client() as client:
        client.set("ballast", b"x" * BALLAST_BYTES)
        client.config_set("maxmemory", "1mb")
    return over


def _redis_restarted(world: World, _: random.Random) -> Callable[[], None]:
    assert world.redis is not None
    world.redis.kill()
    return world.redis.start


def _postgres_restarted(world: World, chance: random.Random) -> Callable[[], None]:
    assert world.postgres is not None
    world.postgres.stop(chance.choice(["fast", "immediate"]))
    return world.postgres.start


def _backends_killed(world: World, _: random.Random) -> None:
    assert world.postgres is not None
    with contextlib.suppress(psycopg.Error):
        world.postgres.say(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = 'fleet' AND pid <> pg_backend_pid()"
        )


def _table_locked(world: World, _: random.Random) -> Callable[[], None] | None:
    assert world.postgres is not None
    try:
        connection = world.postgres.connect()
        connection.autocommit = False
        connection.execute("SET lock_timeout = '2s'")
        connection.execute("LOCK TABLE jobs IN ACCESS EXCLUSIVE MODE")
    except psycopg.Error:
        return None
    return connection.close


def _disk_full(world: World, chance: random.Random) -> Callable[[], None] | None:
    disks = world.disks
    return _fill(chance.choice(disks)) if disks else None


def _fill(disk: Path) -> Callable[[], None]:
    ballast = disk / "ballast"
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        while file.write(bytes(BALLAST_BYTES)) == BALLAST_BYTES:
            pass
    return lambda: ballast.unlink(missing_ok=True)


ANYWHERE: Final = (
    Trouble(name="worker killed", begin=_kill("worker")),
    Trouble(name="worker killed", begin=_kill("worker")),
    Trouble(name="worker ended", begin=_kill("worker", number=signal.SIGTERM)),
    Trouble(name="worker frozen", begin=_freeze("worker"), s=(0.5, 9)),
    Trouble(name="everything killed", begin=_kill_all),
    Trouble(name="API odd", begin=_api_is_odd, s=(0.5, 3)),
    Trouble(name="API frozen", begin=_api_is_frozen, s=(0.5, 4)),
    Trouble(name="way to the API broken", begin=_proxied("api"), s=(0.3, 3)),
    Trouble(name="Redis emptied", begin=_redis_emptied),
    Trouble(name="Redis out of memory", begin=_redis_full, s=(0.5, 2)),
    Trouble(name="disk full", begin=_disk_full, s=(0.5, 3)),
)
EMBEDDED: Final = (
    *ANYWHERE,
    Trouble(name="engine killed", begin=_kill("engine")),
    Trouble(name="command killed", begin=_kill("command")),
    Trouble(name="Valkey killed", begin=_kill("valkey")),
    Trouble(name="Valkey frozen", begin=_freeze("valkey"), s=(0.5, 6)),
)
SHARED: Final = (
    *ANYWHERE,
    Trouble(name="Redis restarted", begin=_redis_restarted, s=(0.0, 3)),
    Trouble(name="way to Redis broken", begin=_proxied("redis"), s=(0.3, 4)),
    Trouble(name="PostgreSQL restarted", begin=_postgres_restarted, s=(0.0, 3)),
    Trouble(name="backends killed", begin=_backends_killed),
    Trouble(name="way to PostgreSQL broken", begin=_proxied("postgres"), s=(0.3, 4)),
    Trouble(name="jobs locked", begin=_table_locked, s=(0.5, 4)),
)


def befall(world: World, trouble: Trouble, chance: random.Random) -> None:
    """Let a trouble begin, last, and be over."""
    over = trouble.begin(world, chance)
    time.sleep(chance.uniform(*trouble.s))
    if over is not None:
        over()
