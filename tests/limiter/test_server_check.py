"""What a Redis server and its user must be able to do, found out without doing it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from servers import RedisServer

from runner.limiter import server_check
from runner.limiter.store import LimiterUnavailable
from runner.rules.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

ENOUGH = "~* +@all -@admin -@dangerous +info"
TOO_LITTLE = {
    "~* +@all -evalsha": "it refuses evalsha",
    "~* +@all -@scripting": "it refuses script, evalsha",
    "~other* +@all": "it refuses evalsha, exists, get, set and ",
    "~* +@all -info": "it refuses info",
    "~* +@read": "it refuses multi",
}


@pytest.fixture(scope="module")
def redis_server() -> Iterator[RedisServer]:
    """Yield one server for all tests of this module."""
    with RedisServer() as running:
        yield running


def as_user(server: RedisServer, rules: str) -> str:
    """Return the URL of a user with these rights."""
    with server.client() as client:
        client.acl_setuser("lim", enabled=True, reset=True, passwords=["+word"])
        client.execute_command("ACL", "SETUSER", "lim", *rules.split())
    return server.url.replace("redis://", "redis://lim:word@")


@pytest.mark.parametrize("rules", TOO_LITTLE)
def test_missing_rights_are_named(redis_server: RedisServer, rules: str) -> None:
    """With the command that gives them, which is enough."""
    url = as_user(redis_server, rules)

    with pytest.raises(LimiterUnavailable) as raised:
        server_check.inspect(url)

    assert raised.value.what.startswith("Redis does not give its user the rights that are needed: ")
    assert TOO_LITTLE[rules] in raised.value.what
    assert raised.value.fix == f"in redis-cli: ACL SETUSER lim {ENOUGH}"


def test_the_cure_is_enough_and_nothing_is_changed(redis_server: RedisServer) -> None:
    """No channels are needed, and the check leaves no key."""
    server_check.inspect(as_user(redis_server, ENOUGH))

    with redis_server.client() as client:
        assert client.keys("*") == []


@pytest.mark.parametrize("read_only", ["yes", "no"])
def test_a_replica_takes_no_writes(redis_server: RedisServer, read_only: str) -> None:
    """It is a failure, not a warning: no run works with it. One that takes them loses them again."""
    with redis_server.client() as client:
        client.config_set("replica-read-only", read_only)
        client.replicaof("127.0.0.1", "1")
        try:
            with pytest.raises(LimiterUnavailable, match="Redis is a replica"):
                server_check.inspect(redis_server.url)
        finally:
            client.replicaof("NO", "ONE")
            client.config_set("replica-read-only", "yes")


def test_a_full_server_takes_no_writes(redis_server: RedisServer) -> None:
    """Whoever asks learns it before a worker ends of it."""
    with redis_server.client() as client:
        client.config_set("maxmemory", "1")
        try:
            with pytest.raises(LimiterUnavailable, match="Redis is full") as raised:
                server_check.inspect(redis_server.url)
        finally:
            client.config_set("maxmemory", "0")
    assert raised.value.fix == "raise its maxmemory"


def test_a_command_that_was_renamed() -> None:
    """No right brings it back, so the cure is another one."""
    with (
        RedisServer("--rename-command", "EVALSHA", "other") as renamed,
        pytest.raises(
            LimiterUnavailable, match="lacks a command that is needed: it refuses evalsha"
        ) as raised,
    ):
        server_check.inspect(renamed.url)
    assert raised.value.fix.startswith("take its rename-command out of the configuration")


def test_a_cluster_is_refused() -> None:
    """Also one of a single server: its keys lie in several slots."""
    with (
        RedisServer("--cluster-enabled", "yes") as cluster,
        pytest.raises(UsageError, match="Redis is a cluster"),
    ):
        server_check.inspect(cluster.url)
