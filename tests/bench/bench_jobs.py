"""Job files for benchmarks: lines in batch form, with bodies of 600 bytes or another size."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

BODY_BYTES: Final = 600
_WORDS: Final = "the bridge was closed in March and the ferry took over for cyclists and walkers; "


def write(path: Path, count: int, *, body_bytes: int = BODY_BYTES) -> Path:
    """Write a job file with `count` lines, unless it exists; return its path."""
    if path.exists():
        return path
    part = path.with_suffix(".part")
    with part.open("w", encoding="utf-8") as file:
        for number in range(count):
            body = _body(number, "")
            body = _body(number, (_WORDS * (body_bytes // len(_WORDS) + 1))[: body_bytes - len(body)])
            head = f'"custom_id": "job-{number:08}", "method": "POST", "url": "/v1/chat/completions"'
            file.write(f'{{{head}, "body": {body}}}\n')
    return part.replace(path)


def _body(number: int, words: str) -> str:
    """Return a request body."""
    message = {"role": "user", "content": f"Is this good news? Number {number:08}: {words}"}
    return json.dumps({"model": "grok-4.3", "max_completion_tokens": 200, "messages": [message]})
