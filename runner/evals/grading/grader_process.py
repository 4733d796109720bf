"""A grader in a process of its own: code of the suite, and patterns, which may hang, crash or use all memory.

Only the answer at which the process hangs or ends is left without a score; the process is started again for
the others. It is given up where it cannot be started, or ends too often.
"""

from __future__ import annotations

import json
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, cast

import orjson

from runner.code_process import end_code, module_path, start_code
from runner.evals.grading.grader_child import ANSWER_FIELDS
from runner.evals.grading.line_channel import ChannelClosed, LineChannel, NoReply
from runner.rules.evaluation.graders.code_grader import ITEM_FIELDS
from runner.rules.evaluation.graders.grade import Grade, unscored

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.rules.evaluation.graders.grade import Answer
    from runner.rules.evaluation.suite.item import Item
    from runner.rules.evaluation.suite.suite import GraderSpec

_PROGRAM: Final = ("-m", "runner.evals.grading.grader_child")


@dataclass(frozen=True, slots=True, kw_only=True)
class GraderLimits:
    """What the process may use: seconds for an answer and for its start, bytes of memory and of a file.

    It is given up after so many `starts` that fail one after the other, and so many `ends` in all.
    """

    item_s: float = 5
    start_s: float = 10
    memory_bytes: int = 512 << 20
    file_bytes: int = 4 << 20
    starts: int = 3
    ends: int = 50


class GraderProcess:
    """Grades answers in a process, which is started when it is needed."""

    def __init__(self, spec: GraderSpec, folder: Path, limits: GraderLimits = GraderLimits()) -> None:
        """`folder` is where the suite is, and where its modules are looked for first."""
        self._spec = spec
        self._folder = folder.resolve()
        self._limits = limits
        self._home = tempfile.TemporaryDirectory(prefix="runner-code-")
        self._child: subprocess.Popen[bytes] | None = None
        self._channel: LineChannel | None = None
        self._number = 0  # of the next request since the process was started
        self._failed_starts = 0
        self._ends = 0
        self._given_up: str | None = None

    def grade(self, answers: Sequence[tuple[Item, Answer]]) -> list[Grade]:
        """Return the grades of answers, in their order. Never raises for what the process does."""
        grades: list[Grade] = []
        while len(grades) < len(answers):
            if self._given_up is not None:
                return grades + [unscored(self._given_up)] * (len(answers) - len(grades))
            if self._channel is None:
                self._start()
            else:
                self._exchange(self._channel, answers, grades)
        return grades

    def close(self) -> None:
        """End the process."""
        self._end()
        self._home.cleanup()

    def _start(self) -> None:
        """Start the process, or count a failed start."""
        self._number = 0
        try:
            fault = self._fault_at_start()
        except OSError as error:
            fault = error.strerror or str(error)
        except (ChannelClosed, NoReply, ValueError) as error:
            fault = self._why_ended(error, f"it takes more than {self._limits.start_s:g} s")
        if not fault:
            self._failed_starts = 0
            return
        self._end()
        self._failed_starts += 1
        if self._failed_starts >= self._limits.starts:
            self._given_up = f"the grader cannot be started: {fault}"

    def _fault_at_start(self) -> str:
        """Start it; return what is wrong with the grader, or "". Raises OSError, and as `exchange`."""
        self._child = start_code(
            _PROGRAM,
            folder=self._folder if self._folder.is_dir() else Path(self._home.name),
            home=self._home.name,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        pipes = cast("tuple[IO[bytes], IO[bytes]]", (self._child.stdin, self._child.stdout))
        self._channel = LineChannel(*pipes)
        setup = iter([_encoded(self._setup())])
        (reply,) = self._channel.exchange(setup, replies=1, reply_s=self._limits.start_s)
        read = orjson.loads(reply)
        if not isinstance(read, dict):
            raise ValueError("it is no reply to the setup")  # noqa: TRY004 - as of one that is no JSON
        return str(read.get("fault", ""))

    def _setup(self) -> dict[str, Any]:
        return {
            "name": self._spec.name,
            "type": self._spec.type,
            "options": self._spec.options,
            "path": module_path(self._folder),
            "memory_bytes": self._limits.memory_bytes,
            "file_bytes": self._limits.file_bytes,
            "alarm_s": self._limits.item_s + 1,
        }

    def _exchange(
        self, channel: LineChannel, answers: Sequence[tuple[Item, Answer]], grades: list[Grade]
    ) -> None:
        """Add grades until all are there, or the process ends; the answer at which it does is unscored."""
        left = answers[len(grades) :]
        requests = (_encoded(_request(item, answer)) for item, answer in left)
        try:
            for reply in channel.exchange(requests, replies=len(left), reply_s=self._limits.item_s):
                grades.append(_grade_of(reply, self._number))
                self._number += 1
        except (ChannelClosed, NoReply, ValueError) as error:
            grades.append(unscored(self._why_ended(error, f"it takes more than {self._limits.item_s:g} s")))
            self._ends += 1
            if self._ends >= self._limits.ends:
                self._given_up = f"the grader was given up: its process ended {self._ends} times"

    def _why_ended(self, error: Exception, too_long: str) -> str:
        """End the process; return why it did not answer."""
        try:
            if isinstance(error, ChannelClosed) and self._child is not None:
                return _status(self._child)
            return too_long if isinstance(error, NoReply) else "it wrote where only grades are written"
        finally:
            self._end()

    def _end(self) -> None:
        child, self._child, self._channel = self._child, None, None
        if child is not None:
            end_code(child)
            for pipe in (child.stdin, child.stdout):
                if pipe is not None:
                    pipe.close()


def _status(child: subprocess.Popen[bytes]) -> str:
    """Return how a process ended that has closed its pipe."""
    try:
        status = child.wait(1)
    except subprocess.TimeoutExpired:
        return "its process closed its output"
    if status >= 0:
        return f"its process ended with the exit status {status}"
    return f"its process was ended by signal {-status} ({signal.strsignal(-status)})"


def _request(item: Item, answer: Answer) -> list[list[Any]]:
    return [
        [getattr(item, name) for name in ITEM_FIELDS],
        [getattr(answer, name) for name in ANSWER_FIELDS],
    ]


def _encoded(value: Any) -> bytes:
    try:
        return orjson.dumps(value, default=str) + b"\n"
    except TypeError:  # half a character, or an integer beyond 64 bits
        return json.dumps(value, default=str).encode() + b"\n"


def _grade_of(reply: bytes, number: int) -> Grade:
    """Return the grade of a reply. Raises ValueError where it is not the one to this request."""
    match orjson.loads(reply):
        case [int(of_number), int() | float() as value, str(label), None] if 0 <= value <= 1:
            grade = Grade(value, label)
        case [int(of_number), None, str(label), str(reason)]:
            grade = Grade(None, label, reason)
        case _:
            raise ValueError("it is no reply")
    if of_number != number:
        raise ValueError("it is not the reply to this request")
    return grade
