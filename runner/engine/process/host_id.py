"""The id of this host. Processes that share a spool folder are one host, whatever the machine's name is."""

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


def host_id(settings: Settings) -> str:
    """Return the id of this host; on first use it is written to the file `host` in the spool folder.

    The host name would not do: a container gets a new one each time, and its spool is on the same volume.
    """
    return EMBEDDED if settings.embedded else _read_or_create(settings.spool_dir)


def _read_or_create(folder: Path) -> str:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / "host"
    if not path.exists():
        draft = folder / f".host-{secrets.token_hex(8)}"
        draft.write_text(f"{socket.gethostname()}-{secrets.token_hex(8)}\n", encoding="utf-8")
        with suppress(FileExistsError):  # another process was first, and its id holds
            os.link(draft, path)
        draft.unlink()
    return path.read_text(encoding="utf-8").strip()
