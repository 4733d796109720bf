"""A way to import much at once in less time: without the garbage collector looking on."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def uncollected() -> Iterator[None]:
    """Import in the block; an eighth faster, since modules are made of many objects and none is garbage.

    Nor do later collections look at what is there at its end.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
