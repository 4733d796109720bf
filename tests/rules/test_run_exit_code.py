"""A run's end as an exit code: one meaning each."""

from __future__ import annotations

import errno

import pytest

from runner.rules.exit_codes import ExitCode, printed_exit_code, run_exit_code
from runner.rules.states import PauseReason, RunState


@pytest.mark.parametrize(
    ("state", "paused_by", "failed", "held", "code"),
    [
        (RunState.FINISHED, None, 0, 0, ExitCode.OK),
        (RunState.FINISHED, None, 1, 0, ExitCode.SOME_FAILED),
        (RunState.FINISHED, None, 0, 1, ExitCode.SOME_FAILED),
        (RunState.CANCELLED, None, 0, 0, ExitCode.CANCELLED),
        (RunState.CANCELLED, None, 1, 1, ExitCode.CANCELLED),
        (RunState.PAUSED, None, 0, 0, ExitCode.PAUSED),
        (RunState.PAUSED, PauseReason.BUDGET, 1, 0, ExitCode.BUDGET),
        (RunState.PAUSED, PauseReason.KEY, 1, 0, ExitCode.KEY_REFUSED),
        *(
            (RunState.PAUSED, reason, 0, 0, ExitCode.PAUSED)
            for reason in PauseReason
            if reason not in (PauseReason.BUDGET, PauseReason.KEY)
        ),
    ],
)
def test_the_end_of_a_run_has_one_code(
    state: RunState, paused_by: str | None, failed: int, held: int, code: ExitCode
) -> None:
    """A pause and a cancellation go before failed jobs; budget and key have codes of their own."""
    assert run_exit_code(state, paused_by, failed=failed, held=held) is code


@pytest.mark.parametrize(
    ("state", "code"),
    [
        (RunState.FINISHED, ExitCode.SOME_FAILED),
        (RunState.CANCELLED, ExitCode.CANCELLED),
        (RunState.PAUSED, ExitCode.PAUSED),
    ],
)
def test_a_row_that_was_left_out_is_not_a_success(state: RunState, code: ExitCode) -> None:
    """A table is labeled when each of its rows is ok or excluded."""
    assert run_exit_code(state, None, failed=0, held=0, left_out=1) is code


def test_the_codes_never_change() -> None:
    """Scripts read them."""
    assert {code.name: code.value for code in ExitCode} == {
        "OK": 0,
        "SOME_FAILED": 1,
        "USAGE": 2,
        "BAD_JOB_FILE": 3,
        "KEY_REFUSED": 4,
        "UNREACHABLE": 5,
        "BUDGET": 6,
        "TIMEOUT": 7,
        "PAUSED": 8,
        "CANCELLED": 9,
        "REGRESSED": 10,
        "NO_VERDICT": 11,
        "BUG": 70,
        "INTERRUPTED": 130,
        "BROKEN_PIPE": 141,
        "TERMINATED": 143,
    }


BROKEN, FULL = OSError(errno.EPIPE, "broken pipe"), OSError(errno.ENOSPC, "no space left on device")


@pytest.mark.parametrize(
    ("code", "error", "only_prints", "ended"),
    [
        (ExitCode.OK, None, True, ExitCode.OK),
        (ExitCode.OK, BROKEN, True, ExitCode.BROKEN_PIPE),
        (ExitCode.SOME_FAILED, BROKEN, False, ExitCode.BROKEN_PIPE),
        (ExitCode.INTERRUPTED, BROKEN, True, ExitCode.INTERRUPTED),
        (ExitCode.BUG, BROKEN, True, ExitCode.BUG),
        (ExitCode.OK, FULL, True, ExitCode.UNREACHABLE),
        (ExitCode.BROKEN_PIPE, FULL, True, ExitCode.UNREACHABLE),  # of `watch`, which found no reader
        (ExitCode.OK, FULL, False, ExitCode.OK),
        (ExitCode.BAD_JOB_FILE, FULL, True, ExitCode.BAD_JOB_FILE),
        (ExitCode.SOME_FAILED, FULL, False, ExitCode.SOME_FAILED),
        (ExitCode.SOME_FAILED, FULL, True, ExitCode.UNREACHABLE),
        (ExitCode.PAUSED, FULL, True, ExitCode.PAUSED),
    ],
)
def test_what_cannot_be_printed_has_a_code(
    code: int, error: OSError | None, only_prints: bool, ended: ExitCode
) -> None:
    """Never 1, which says that some jobs failed; a bug and a signal are told in any case."""
    assert printed_exit_code(code, error, only_prints=only_prints) == ended
