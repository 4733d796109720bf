"""Replies that take time: a continuation runs at once or after a delay, and may return another delay."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from runner.simulator.replies import Reply

HELD_STEP_S = 0.02
# A function, not a coroutine: one that is never awaited must not warn.
DelayedReply = Callable[[], Coroutine[Any, Any, Reply]]
Continuation = Callable[[], Reply | DelayedReply]


def run_after(delay_s: float, continuation: Continuation) -> Reply | DelayedReply:
    """Return the continuation's result if `delay_s` is not above 0, else a function to call and await."""
    return partial(_wait, delay_s, continuation) if delay_s > 0 else continuation()


def run_unless(is_held: Callable[[], bool], continuation: Continuation) -> Reply | DelayedReply:
    """Return the continuation's result; while `is_held`, a function to call and await until it is not."""
    return partial(_hold, is_held, continuation) if is_held() else continuation()


async def _hold(is_held: Callable[[], bool], continuation: Continuation) -> Reply:
    while is_held():  # noqa: ASYNC110 - a switch of the simulator changes it
        await asyncio.sleep(HELD_STEP_S)
    return await _finish(continuation)


async def _wait(delay_s: float, continuation: Continuation) -> Reply:
    await asyncio.sleep(delay_s)
    return await _finish(continuation)


async def _finish(continuation: Continuation) -> Reply:
    result = continuation()
    return result if isinstance(result, Reply) else await result()
