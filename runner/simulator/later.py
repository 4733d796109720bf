"""Replies that take their time: a step is done at once or after a while, and may ask for another step."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from runner.simulator.replies import Reply

Later = Callable[[], Coroutine[Any, Any, Reply]]  # not the coroutine itself: nobody may come to await it
Step = Callable[[], Reply | Later]


def after(delay_s: float, step: Step) -> Reply | Later:
    """What the step says if there is nothing to wait for, else what to call and await for it."""
    return partial(_wait, delay_s, step) if delay_s > 0 else step()


async def _wait(delay_s: float, step: Step) -> Reply:
    await asyncio.sleep(delay_s)
    found = step()
    return found if isinstance(found, Reply) else await found()
