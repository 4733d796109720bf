"""Folders of the process and its user: the current one, and where the state folder is by default."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from runner.rules.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping


def current_folder() -> Path | None:
    """Return the current folder; None where it was removed."""
    try:
        return Path.cwd()
    except FileNotFoundError:
        return None


def default_home(env: Mapping[str, str]) -> Path:
    """Return the state folder of a user who names none. Raises UsageError where it has no home to lie in."""
    state = Path(env.get("XDG_STATE_HOME", ""))
    if state.is_absolute():  # a relative one is ignored, by the XDG base directory specification
        return state / "runner"
    home = Path(env.get("HOME", ""))
    if not home.is_absolute():
        home = _home_of_user()
    return home / ".local" / "state" / "runner"


def _home_of_user() -> Path:
    import pwd

    with suppress(KeyError):
        home = Path(pwd.getpwuid(os.getuid()).pw_dir)
        if home.is_absolute():
            return home
    what = f"there is no state folder: HOME is no absolute path, and user {os.getuid()} has no home folder"
    raise UsageError(what, fix="set RUNNER_HOME to the folder that is to be it")
