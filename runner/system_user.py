"""The name of the user that a process belongs to."""

from __future__ import annotations

import os
import pwd


def user_name() -> str:
    """Return the name of the process's user, by the system: variables such as USER may say anything."""
    uid = os.getuid()
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:  # usual in containers
        return f"uid {uid}"
