"""Who gives this command: made once a command, and handed to what it changes."""

from __future__ import annotations

import socket
import sys
from typing import TYPE_CHECKING

from runner.cli.render import text
from runner.db.events.trail import Actor
from runner.rules.command_line import recorded_command
from runner.rules.redact import redact
from runner.system_user import user_name

if TYPE_CHECKING:
    from runner.settings import Settings


def read_actor(settings: Settings, reason: str | None = None) -> Actor:
    """Return the user and the host of this process and its command line; `reason` is the text of --reason."""
    return Actor(
        user=user_name(),
        host=socket.gethostname(),
        command=recorded_command(sys.argv[1:], settings.secrets),
        reason=redact(reason, settings.secrets) if reason else None,
    )


def paused_by_text(actor: Actor, now_ms: int) -> str:
    """Return who pauses a run, when and why: `paused by ann@alpha at Tue 10:28: the demo runs until noon`."""
    why = f": {actor.reason}" if actor.reason else ""
    return f"paused by {actor.user}@{actor.host} at {text.moment(now_ms)}{why}"
