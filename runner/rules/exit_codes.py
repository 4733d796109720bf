"""The exit codes: frozen, and documented in the README."""

from __future__ import annotations

import errno
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from runner.rules.states import PauseReason, RunState

if TYPE_CHECKING:
    from collections.abc import Mapping


class ExitCode(IntEnum):
    """Exit code of a command."""

    OK = 0
    SOME_FAILED = 1
    USAGE = 2
    BAD_JOB_FILE = 3
    KEY_REFUSED = 4
    UNREACHABLE = 5
    BUDGET = 6
    TIMEOUT = 7
    PAUSED = 8
    CANCELLED = 9
    REGRESSED = 10
    NO_VERDICT = 11
    BUG = 70
    INTERRUPTED = 130
    BROKEN_PIPE = 141
    TERMINATED = 143


_NEVER_HIDDEN: Final = frozenset({ExitCode.BUG, ExitCode.INTERRUPTED, ExitCode.TERMINATED})
_LESS_THAN_UNPRINTED: Final = frozenset({ExitCode.OK, ExitCode.SOME_FAILED, ExitCode.BROKEN_PIPE})
_BY_REASON: Final[Mapping[str, ExitCode]] = {
    PauseReason.BUDGET: ExitCode.BUDGET,
    PauseReason.KEY: ExitCode.KEY_REFUSED,
}


def run_exit_code(
    state: RunState, paused_by: str | None, *, failed: int, held: int, left_out: int = 0
) -> ExitCode:
    """Return the exit code for a run that is finished, cancelled or paused (`paused_by`: its reason).

    `left_out`: rows of a labeled table that were skipped or cancelled; 0 for a job file.
    """
    if state is RunState.CANCELLED:
        return ExitCode.CANCELLED
    if state is RunState.PAUSED:
        return _BY_REASON.get(paused_by or "", ExitCode.PAUSED)
    return ExitCode.SOME_FAILED if failed or held or left_out else ExitCode.OK


def printed_exit_code(code: int, error: OSError | None, *, only_prints: bool) -> int:
    """Return the exit code of a command that ended with `code`, given the first error of its stdout.

    A pipe that lost its reader has a code of its own. What else fails is the failure of a command that only
    prints, and worse than some failed jobs; other work keeps its code.
    """
    if error is None or code in _NEVER_HIDDEN:
        return code
    if error.errno == errno.EPIPE:
        return ExitCode.BROKEN_PIPE
    return ExitCode.UNREACHABLE if only_prints and code in _LESS_THAN_UNPRINTED else code
