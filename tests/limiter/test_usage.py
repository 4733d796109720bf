"""What status screens read of the limiter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest
from redis import Redis
from valkey_server import ValkeyServer, valkey_server

from runner.limiter.store import EPOCH_KEY, LimiterUnavailable, state_and_log
from runner.limiter.usage import UsageReader

if TYPE_CHECKING:
    from collections.abc import Iterator

BUCKET: Final = "team:grok-4.3"


@pytest.fixture
def valkey() -> Iterator[ValkeyServer]:
    with valkey_server() as running:
        yield running


def test_buckets_are_read_while_the_logs_are_complete(valkey: ValkeyServer) -> None:
    """After Redis was emptied a log has only what came since: nothing is told until it is rebuilt."""
    state, log = state_and_log(BUCKET)
    reader = UsageReader(valkey.patient_url, None)
    with Redis.from_url(valkey.url) as client:
        now_s, now_us = client.time()
        client.zadd(log, {"a:1:50": now_s * 1_000_000 + now_us})
        client.hset(state, mapping={"force_rpm": 60, "sum": 50})
        assert reader.read() == []

        client.set(EPOCH_KEY, 1)
        (found,) = reader.read()
    assert (found.model, found.view.requests, found.view.tokens) == ("grok-4.3", 1, 50)
    reader.close()


def test_without_redis_it_says_so(valkey: ValkeyServer) -> None:
    """The status goes on without these lines."""
    reader = UsageReader(valkey.patient_url, "a fingerprint")
    valkey.stop()
    with pytest.raises(LimiterUnavailable):
        reader.read()
    reader.close()
