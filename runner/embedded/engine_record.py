"""engine.json: the record by which commands find a ready engine. Written by the engine alone."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineRecord:
    """One ready engine. The field names are the keys of engine.json."""

    pid: int
    # Unix time in seconds.
    started_at: float
    # Path of Valkey's unix socket.
    socket: str
    # Pids of the child processes.
    valkey: int
    workers: tuple[int, ...]
    key_fingerprint: str | None
    base_url: str
    # Random hex; every child process has it in its environment.
    token: str
    # Version of runner; "" of one that did not record it.
    version: str = ""


def write(path: Path, record: EngineRecord) -> None:
    """Replace the file atomically."""
    new_file = path.with_name(f".{path.name}.{os.getpid()}")
    new_file.write_text(json.dumps(asdict(record), indent=1) + "\n", encoding="utf-8")
    new_file.replace(path)


def read(path: Path) -> EngineRecord | None:
    """Return the engine's record; None when the file is missing or has another form.

    What a newer version records besides is left out.
    """
    try:
        fields = json.loads(path.read_bytes())
        known = {name: fields[name] for name in EngineRecord.__dataclass_fields__ if name in fields}
        return EngineRecord(**{**known, "workers": tuple(fields["workers"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def read_alive(path: Path) -> EngineRecord | None:
    """Return the record of an engine whose process is alive; else None: a killed one leaves its record."""
    engine = read(path)
    if engine is None:
        return None
    try:
        os.kill(engine.pid, 0)
    except OSError:
        return None
    return engine


def remove(path: Path, token: str) -> None:
    """Remove the record, unless another engine wrote it since the state folder was made again."""
    record = read(path)
    if record is None or record.token == token:
        path.unlink(missing_ok=True)


def remove_token(path: Path, token: str) -> None:
    """Remove the file of the engine's token, unless it holds that of another engine."""
    with suppress(OSError):
        if path.read_text(encoding="ascii") == token:
            path.unlink()
