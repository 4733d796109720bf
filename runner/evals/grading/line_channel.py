"""Lines to a process and back, through pipes, so that a process that stops reading or writing is noticed."""

from __future__ import annotations

import os
import select
import time
from typing import IO, TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHUNK: Final = 1 << 16
_AHEAD_BYTES: Final = 1 << 18  # encoded, but not yet sent
_LINE_BYTES_MAX: Final = 1 << 16  # of a reply
_POLL_MS: Final = 1000


class ChannelClosed(Exception):  # noqa: N818 - named as what has happened
    """The process has closed its end: it has ended, or is about to."""


class NoReply(Exception):  # noqa: N818 - named as what has happened
    """A reply did not come in time."""


class LineChannel:
    """Sends lines to a process, and gets one back for each, in their order."""

    def __init__(self, to_process: IO[bytes], from_process: IO[bytes]) -> None:
        self._output = to_process.fileno()
        self._input = from_process.fileno()
        os.set_blocking(self._output, False)
        self._replies: list[bytes] = []
        self._rest = b""
        self._is_read = True  # the process still takes lines

    def exchange(self, requests: Iterator[bytes], *, replies: int, reply_s: float) -> Iterator[bytes]:
        """Send the requests, each with its line end, and yield the replies without theirs.

        Raises ChannelClosed, NoReply where the next reply takes longer than `reply_s` seconds, ValueError
        where one is too long. What came before has been yielded then.
        """
        unsent = memoryview(b"")
        deadline = time.monotonic() + reply_s
        while replies:
            if self._is_read:
                unsent = _filled(unsent, requests)
            unsent = self._move(unsent, deadline)
            for line in self._whole_lines():
                deadline = time.monotonic() + reply_s
                replies -= 1
                yield line

    def _move(self, unsent: memoryview, deadline: float) -> memoryview:
        """Write and read what can be without waiting longer than the deadline; return what is unsent."""
        poll = select.poll()
        poll.register(self._input, select.POLLIN)
        if unsent:
            poll.register(self._output, select.POLLOUT)
        left_ms = (deadline - time.monotonic()) * 1000
        ready = dict(poll.poll(min(max(left_ms, 0), _POLL_MS)))
        if self._input in ready:
            self._read()
        elif left_ms <= 0:
            raise NoReply
        if self._output in ready:
            try:
                return unsent[os.write(self._output, unsent[:_CHUNK]) :]
            except BrokenPipeError:  # what it has replied before is still to be read
                self._is_read = False
                return memoryview(b"")
        return unsent

    def _read(self) -> None:
        if len(self._rest) > _LINE_BYTES_MAX:
            raise ValueError("a reply is too long")
        chunk = os.read(self._input, _CHUNK)
        if not chunk:
            raise ChannelClosed
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        self._replies += lines

    def _whole_lines(self) -> Iterator[bytes]:
        lines, self._replies = self._replies, []
        yield from lines


def _filled(unsent: memoryview, requests: Iterator[bytes]) -> memoryview:
    """Return what is unsent with further requests, up to a bound."""
    if len(unsent) > _CHUNK:
        return unsent
    parts, size = [bytes(unsent)], len(unsent)
    while size < _AHEAD_BYTES and (line := next(requests, None)) is not None:
        parts.append(line)
        size += len(line)
    return memoryview(b"".join(parts))
