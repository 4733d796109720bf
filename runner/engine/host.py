"""Which host this is: whoever shares a spool folder is one host, whatever the machine is called today."""

from __future__ import annotations

import os
import secrets
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

    from runner.settings import Settings

EMBEDDED: Final = "embedded"


def host_of(settings: Settings) -> str:
    """Name the host, making its mark in the spool folder the first time.

    A container gets another host name each time it is made, and finds its spool on the same volume.
    """
    return EMBEDDED if settings.embedded else _mark(settings.spool_dir)


def _mark(folder: Path) -> str:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / "host"
    if not path.exists():
        draft = folder / f".host-{secrets.token_hex(8)}"
        draft.write_text(f"{socket.gethostname()}-{secrets.token_hex(8)}\n", encoding="utf-8")
        with suppress(FileExistsError):  # another process was first, and its mark holds
            os.link(draft, path)
        draft.unlink()
    return path.read_text(encoding="utf-8").strip()
