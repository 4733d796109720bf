"""Errors of files, the machine and the database that nothing else caught: they are errors for the user."""

from __future__ import annotations

import errno
import os
import sys
from typing import Final

from runner import home_folder
from runner import settings as settings_of
from runner.rules.errors import UserError
from runner.rules.redact import one_line

_PATH_LENGTH: Final = 200
_NO_THREAD: Final = "can't start new thread"  # Python's words, at the limit of processes
_OF_A_PATH: Final = frozenset(
    (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTDIR, errno.EISDIR)
)
_OF_THE_MACHINE: Final = {
    errno.ENOSPC: "make room on the disk",
    errno.EDQUOT: "make room within your quota",
    errno.EFBIG: "raise the limit of the size of files (ulimit -f)",
    errno.EIO: "see whether the disk is well (dmesg)",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
    errno.ENFILE: "end other programs, or raise the system's limit of open files",
    errno.ENOMEM: "end other programs, or raise the limit of memory (ulimit -v)",
    errno.EAGAIN: "end other programs, or raise the limit of processes (ulimit -u)",
}


def known(error: Exception) -> UserError | None:
    """Return the error as a UserError if files, the machine or the database failed; None for a bug."""
    if isinstance(error, MemoryError):
        return _of_the_system(OSError(errno.ENOMEM, ""))
    if isinstance(error, RuntimeError) and str(error) == _NO_THREAD:
        return _of_the_system(OSError(errno.EAGAIN, ""))
    if isinstance(error, OSError):
        return _of_the_system(error)
    if isinstance(error, UnicodeEncodeError) and sys.getfilesystemencoding() != "utf-8":
        what = f"a name of a file has characters that this locale lacks ({sys.getfilesystemencoding()})"
        return UserError(f"{what}: {one_line(error.object, _PATH_LENGTH)}", fix="export LC_ALL=C.UTF-8")
    return _of_the_database(error) if "sqlalchemy" in sys.modules else None


def _of_the_system(error: OSError) -> UserError | None:
    number = error.errno or 0
    if number == errno.ENOENT and error.filename is None and home_folder.current_folder() is None:
        return UserError("the current folder was removed", fix="go to a folder that exists: cd")
    if number not in _OF_A_PATH and number not in _OF_THE_MACHINE:
        return None
    fix, why = _OF_THE_MACHINE.get(number, "check the path, and the disk it is on"), os.strerror(number)
    if error.filename is None:
        return UserError(f"the system refused: {why.lower()}", fix=fix) if number in _OF_THE_MACHINE else None
    path = one_line(os.fsdecode(error.filename), _PATH_LENGTH)
    return UserError(f"{path} cannot be used: {why.lower()}", fix=fix)


def _of_the_database(error: Exception) -> UserError | None:
    from runner.db.connection import driver_errors
    from runner.db.session import parse_url

    if not isinstance(error, driver_errors.DRIVER_ERRORS):
        return None
    try:
        url = parse_url(settings_of.load_here().effective_database_url)
    except (UserError, OSError):
        return None
    return driver_errors.as_user_error(error, url)
