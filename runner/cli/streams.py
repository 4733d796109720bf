"""The standard streams of a command: always open, able to print any text, and never in the way of the work.

A write that fails, to a pipe without a reader or to a full disk, ends no command: it is dropped, and so is
all that follows. The error of stdout is kept, for the exit code.
"""

from __future__ import annotations

import errno
import io
import os
import select
import sys
from typing import Any

_NO_READER = select.POLLERR | select.POLLHUP


class _Output(io.FileIO):
    """A file descriptor that keeps its first error and drops what is written afterwards."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, "wb", closefd=False)
        self.error: OSError | None = None
        self.is_closed_by_caller = False
        self.has_results = False

    def write(self, data: Any, /) -> int:
        """Write, and return how many bytes are dealt with. Wait where another process forbade blocking."""
        while self.error is None:
            try:
                written: int | None = super().write(data)
            except OSError as error:
                self.error = error
            else:
                if written is not None:
                    return written
                select.select((), (self,), ())
        return memoryview(data).nbytes


def open_streams() -> None:
    """Make the streams of `sys` safe to use.

    What the caller has closed (`>&-`) is opened on the null device. A character that the encoding of a stream
    lacks is printed as an escape, and read as `?`.
    """
    is_stdout_closed = sys.stdout is None
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            null = os.fdopen(os.open(os.devnull, os.O_RDWR), mode, encoding="utf-8")
            setattr(sys, name, null)
            setattr(sys, f"__{name}__", null)  # as Python does; it keeps the descriptor open
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="replace")
    sys.stdout, sys.stderr = safe_output(sys.stdout), safe_output(sys.stderr)
    if (output := _stdout()) is not None:
        output.is_closed_by_caller = is_stdout_closed


def safe_output(stream: io.TextIOWrapper | object) -> io.TextIOWrapper:
    """Return a stream to the same descriptor, with the same encoding, to which every write succeeds."""
    assert isinstance(stream, io.TextIOWrapper)  # noqa: S101 - Python makes no others
    return io.TextIOWrapper(
        io.BufferedWriter(_Output(stream.fileno())),
        encoding=stream.encoding,
        errors="backslashreplace",
        line_buffering=stream.line_buffering or stream.write_through,
    )


def stdout_error() -> OSError | None:
    """Flush stdout; return the first error of a write to it, else None."""
    sys.stdout.flush()
    return _error()


def expect_results() -> None:
    """Note that what is printed to stdout are the results of a run: it is an error that it was closed."""
    if (output := _stdout()) is not None:
        output.has_results = True
        if output.is_closed_by_caller:
            output.error = output.error or OSError(errno.EBADF, "it is closed")


def has_results() -> bool:
    """Return whether results were printed to stdout, all of them or what it took."""
    output = _stdout()
    return output is not None and output.has_results


def is_stdout_lost() -> bool:
    """Return whether a write to stdout has failed, so that nothing more is printed."""
    return _error() is not None


def has_reader() -> bool:
    """Return whether what is printed to stdout can still be read by anybody."""
    if stdout_error() is not None:
        return False
    poll = select.poll()
    poll.register(sys.stdout, 0)
    return not any(events & _NO_READER for _, events in poll.poll(0))


def _error() -> OSError | None:
    output = _stdout()
    return None if output is None else output.error


def _stdout() -> _Output | None:
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)  # Celery puts a stream of its own there
    return raw if isinstance(raw, _Output) else None
