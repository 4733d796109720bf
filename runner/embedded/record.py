"""engine.json: what a ready engine says of itself to the commands."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineRecord:
    """A ready engine: its processes, its socket, and whose key it uses where."""

    pid: int
    started_at: float
    socket: str
    valkey: int
    workers: tuple[int, ...]
    key_fingerprint: str | None
    base_url: str
    token: str


def write(path: Path, record: EngineRecord) -> None:
    """Replace the file, whole or not at all."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.write_text(json.dumps(asdict(record), indent=1) + "\n", encoding="utf-8")
    fresh.replace(path)


def read(path: Path) -> EngineRecord | None:
    """Return what the engine says; None when there is nothing, or nothing of this form."""
    try:
        said = json.loads(path.read_bytes())
        return EngineRecord(**{**said, "workers": tuple(said["workers"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None
