"""Memory of each process while lines with large images are checked, loaded and sent."""

from __future__ import annotations

import base64
import json
import os
from typing import TYPE_CHECKING, Final

from commands import Memory, rest, timed
from figures import Figure
from live_runner import RUN, LiveRunner

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from live_runner import Simulator

COUNT: Final = 12
IMAGE_BYTES: Final = 15_000_000  # 20 MB in base64
MEMORY_BYTES: Final = 150e6


def measure(folder: Path, simulator: Simulator) -> Iterator[Figure]:
    """Check, load and run such a file; yield the memory of each."""
    (folder / "images").mkdir()
    with LiveRunner(folder / "images", simulator) as home:
        _write(home.folder / "jobs.jsonl")
        with Memory(home) as checking:
            timed(home, "check", "jobs.jsonl", "--json")
        yield _figure("check", checking)
        with Memory(home) as loading:
            timed(home, "load", "jobs.jsonl", "-q")
        yield _figure("load", loading)
        with Memory(home) as running:
            took_s = timed(home, *RUN)
            rest(home)
        yield _figure(f"run ({COUNT} in {took_s:.1f} s)", running)


def _figure(what: str, memory: Memory) -> Figure:
    return Figure(
        what=f"lines of 20 MB: memory, {what}",
        found=f"{memory.highest_bytes / 1e6:.0f} MB",
        beside=memory.told(),
        asked=f"< {MEMORY_BYTES / 1e6:.0f} MB each",
        met=memory.highest_bytes < MEMORY_BYTES,
    )


def _write(path: Path) -> None:
    with path.open("w", encoding="ascii") as file:
        for number in range(COUNT):
            image = base64.b64encode(os.urandom(IMAGE_BYTES)).decode()
            parts = [
                {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{image}"}},
                {"type": "text", "text": "What is on it?"},
            ]
            messages = [{"role": "user", "content": parts}]
            file.write(json.dumps({"id": f"i-{number}", "model": "grok-4.3", "messages": messages}) + "\n")
