"""The exceptions of this program, as one tree.

    RunnerError
    ├── UserError            the user can fix it: what, where, fix, exit code
    │   ├── UsageError       2  a flag, a setting or a name is wrong
    │   ├── JobFileError     3  the job file has bad lines; nothing was loaded
    │   ├── Unreachable      5  a service cannot be reached
    │   └── EngineBug        70 the background process hit a bug
    └── Bug                  70 the program's own fault

The command line renders them; nothing below it prints.
"""

from __future__ import annotations


class RunnerError(Exception):
    """Any error this program raises on purpose."""


class UserError(RunnerError):
    """An error the user can fix.

    `what` is one sentence on what happened; `where`, lines that name file, line and column;
    `fix` is one sentence on what to do.
    """

    exit_code = 2

    def __init__(self, what: str, *, where: tuple[str, ...] = (), fix: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.fix = fix


class UsageError(UserError):
    """A flag, a setting or a name is wrong (exit 2)."""


class JobFileError(UserError):
    """The job file has bad lines; nothing was loaded (exit 3)."""

    exit_code = 3


class Unreachable(UserError):  # noqa: N818 - named as users read it
    """A service cannot be reached (exit 5)."""

    exit_code = 5


class EngineBug(UserError):  # noqa: N818 - named as users read it
    """The engine hit a bug; the message names its report (exit 70)."""

    exit_code = 70


class Bug(RunnerError):  # noqa: N818 - named as users read it
    """An invariant of the program is broken (exit 70)."""
