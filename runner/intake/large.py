"""Memory for lines with images: asked of the system for each, and given back at once."""

from __future__ import annotations

from functools import cache
from typing import Final

LARGE_BYTES: Final = 1 << 20
_M_MMAP_THRESHOLD: Final = -3


@cache
def give_back() -> None:
    """Have glibc return large blocks when they are freed: it learns to keep them, and then holds several."""
    import ctypes  # few job files need it

    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, LARGE_BYTES)
