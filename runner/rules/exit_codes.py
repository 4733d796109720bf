"""The exit codes: frozen, and documented in the README."""

from __future__ import annotations

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
    BUG = 70
    INTERRUPTED = 130
    TERMINATED = 143


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
