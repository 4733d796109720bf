"""Faster imports: pauses Python's garbage collector while many modules are imported."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def gc_paused() -> Iterator[None]:
    """Disable garbage collection in the block: `status` takes 30 % more CPU time without it.

    Imports create many objects and hardly any garbage. At the end all objects are frozen (`gc.freeze`), so
    that later collections skip them. The imports of `run` take 29 % more without it, those of a worker 25 %.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
