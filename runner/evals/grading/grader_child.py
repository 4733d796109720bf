"""The child process of `grader_process`: makes one grader, and grades the answers that it is sent.

Requests come as JSON lines on standard input, the first is the spec of the grader; grades leave as JSON lines
on what was the standard output. What the code of the suite prints goes nowhere, and it reads an empty input.
It has the person's rights; the limits stop mistakes.
"""

from __future__ import annotations

import contextlib
import importlib
import operator
import os
import resource
import signal
import sys
import traceback
from typing import TYPE_CHECKING, Any, Final, NoReturn

import orjson

from runner.rules.evaluation.graders import make_grader
from runner.rules.evaluation.graders.code_grader import ITEM_FIELDS
from runner.rules.evaluation.graders.grade import Answer, Grade, unscored
from runner.rules.evaluation.graders.targets import printable
from runner.rules.evaluation.suite.item import Item
from runner.rules.evaluation.suite.suite import GraderSpec
from runner.rules.json_text.answer_json import read_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runner.rules.evaluation.graders.grade import Grader

ANSWER_FIELDS: Final = (
    *("text", "flaw", "finish_reason", "completion_tokens", "cost_ticks", "latency_ms", "epoch"),
)
_CHUNK: Final = 1 << 16


def main() -> None:
    """Answer requests until there are no more, and end, whatever threads the code has started."""
    lines = _lines(_own(0))
    replies = _own(1)
    request: Any = read_json(next(lines))
    _limit(request["memory_bytes"], request["file_bytes"])
    os.environ.pop("PYTHONHASHSEED", None)  # it has had its effect: sets have the same order each time
    sys.path[:] = request["path"]
    try:
        grader = make_grader(
            GraderSpec(name=request["name"], type=request["type"], options=request["options"]), _function
        )
    except BaseException as error:  # noqa: BLE001 - a module may raise whatever it likes, SystemExit too
        _reply(replies, {"fault": _described(error)})
        os._exit(0)
    _reply(replies, {"is_ready": True})
    _serve(lines, replies, grader, request["alarm_s"])


def _serve(lines: Iterator[bytes], replies: int, grader: Grader, alarm_s: float) -> NoReturn:
    """Grade each answer, its grade with the number of its request. A copy of this process sends none."""
    own = os.getpid()
    for number, line in enumerate(lines):
        signal.setitimer(signal.ITIMER_REAL, alarm_s)  # for where the parent is gone, and cannot end this
        grade = _grade(grader, line)
        signal.setitimer(signal.ITIMER_REAL, 0)
        if os.getpid() != own:
            break
        _reply(replies, [number, *grade])
    os._exit(0)


def _grade(grader: Grader, line: bytes) -> Grade:
    try:
        item, answer = read_request(line)
        return grader.grade(item, answer)
    except BaseException as error:  # noqa: BLE001 - no memory, or a signal that the code has asked for
        return unscored(f"the grader failed: {type(error).__name__}")


def read_request(line: bytes) -> tuple[Item, Answer]:
    """Return an item and an answer, without its body."""
    request: Any = read_json(line)
    fields = dict(zip(ITEM_FIELDS, request[0], strict=True))
    fields["choices"] = tuple(fields["choices"])
    return Item(**fields), Answer(**dict(zip(ANSWER_FIELDS, request[1], strict=True)))


def _own(descriptor: int) -> int:
    """Return a copy of a descriptor; in its place is what is empty, and takes everything."""
    kept = os.dup(descriptor)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, descriptor)
    os.close(nothing)
    return kept


def _lines(descriptor: int) -> Iterator[bytes]:
    """Yield the lines of a pipe, without their ends."""
    parts: list[bytes] = []
    while chunk := os.read(descriptor, _CHUNK):
        rest, *beginnings = chunk.split(b"\n")
        parts.append(rest)
        for beginning in beginnings:
            yield b"".join(parts)
            parts = [beginning]


def _reply(descriptor: int, value: Any) -> None:
    os.write(descriptor, orjson.dumps(value) + b"\n")


def _limit(memory_bytes: int, file_bytes: int) -> None:
    bounds = (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_FSIZE, file_bytes),
        (resource.RLIMIT_CORE, 0),
    )
    for kind, most in bounds:
        with contextlib.suppress(ValueError, OSError):  # a system without this limit, or with a lower one
            resource.setrlimit(kind, (most, most))


def _function(name: str) -> Callable[..., Any]:
    """Return the function `module:function`. Raises what importing the module raises."""
    module, _, function = name.partition(":")
    found = operator.attrgetter(function)(importlib.import_module(module))
    if not callable(found):
        raise TypeError(f"{name} is no function")
    return found  # type: ignore[no-any-return] # it is called with Any


def _described(error: BaseException) -> str:
    line, *_ = traceback.format_exception_only(error)[-1].splitlines()
    return printable(line)


if __name__ == "__main__":
    main()
