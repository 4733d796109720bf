"""API clients of a test, and how a request of theirs failed."""

from __future__ import annotations

from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from runner import settings
from runner.api.client import RequestFailed, XAIClient

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine
    from contextlib import AbstractAsyncContextManager

KEY = "xai-abcdefghijklmnop"
TIMEOUT_S = 50.0  # of requests that do not time out, on a busy machine


@asynccontextmanager
async def open_client(
    base_url: str,
    *,
    body_bytes_max: int = 1 << 20,
    connect_timeout_s: float = TIMEOUT_S,
    read_timeout_s: float = TIMEOUT_S,
) -> AsyncIterator[XAIClient]:
    env = {
        "HOME": "/nowhere",
        "XAI_API_KEY": KEY,
        "XAI_BASE_URL": base_url,
        "RUNNER_CONNECT_TIMEOUT_S": str(connect_timeout_s),
        "RUNNER_READ_TIMEOUT_S": str(read_timeout_s),
    }
    api = XAIClient(settings.load(env, Path("/nowhere")), connections=4, body_bytes_max=body_bytes_max)
    try:
        yield api
    finally:
        await api.close()


def open_impatient(base_url: str) -> AbstractAsyncContextManager[XAIClient]:
    """Return a client whose requests time out after ten seconds, in a story that is played."""
    return open_client(base_url, connect_timeout_s=5, read_timeout_s=5)


async def failure(exchange: Coroutine[Any, Any, Any]) -> RequestFailed:
    with pytest.raises(RequestFailed) as caught:
        await exchange
    return caught.value
