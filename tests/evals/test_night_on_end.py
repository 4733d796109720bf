"""`--on-end` of a night: the command gets the verdict and the report; its failure is a sentence."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from night_reports import REPORTS, hostile, regressed

from runner.embedded import user_command
from runner.evals.night import night_on_end
from runner.rules.json_object import encoded

if TYPE_CHECKING:
    from pathlib import Path

    from runner.rules.evaluation.report.night_report import NightReport


def call(
    command: str, night: NightReport, folder: Path, output: Path | None = None
) -> tuple[str | None, str]:
    """Call a command for a night in a shell; return what went wrong, and what it printed."""
    with (folder / "printed.txt").open("w+b") as to:
        problem = night_on_end.call(f"cd {folder}; {command}", night, output=output, to=to)
        to.seek(0)
        return problem, to.read().decode()


@pytest.mark.parametrize("night", REPORTS.values(), ids=list(REPORTS))
def test_the_command_gets_the_verdict_and_the_report(night: NightReport, tmp_path: Path) -> None:
    """The exit code in its environment is that of the JSON on stdin."""
    if night is REPORTS["hostile"]:
        night = hostile("$(touch owned) `touch owned`; touch owned\x00'")
    problem, printed = call(
        "cat > in.json; env | grep ^RUN_ | sort", night, tmp_path, tmp_path / "x.eval.json"
    )
    assert problem is None
    assert (tmp_path / "in.json").read_bytes() == encoded(night)
    assert printed.splitlines() == [
        f"RUN_EXIT_CODE={json.loads((tmp_path / 'in.json').read_bytes())['exit_code']}",
        f"RUN_ID={' '.join(map(str, night.runs))}",
        f"RUN_NAME={night.night}".replace("\x00", "\ufffd"),
        f"RUN_OUTPUT={tmp_path / 'x.eval.json'}",
        f"RUN_VERDICT={night.verdict}",
    ]
    assert not (tmp_path / "owned").exists()


def test_without_files_there_is_no_output(tmp_path: Path) -> None:
    """RUN_OUTPUT is empty, and a command that reads nothing is no error."""
    problem, printed = call('echo "[$RUN_OUTPUT]"', regressed(), tmp_path)
    assert (problem, printed) == (None, "[]\n")


def test_a_command_that_fails_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its exit code, or that it was ended; the processes that it started end with it."""
    assert call("exit 3", regressed(), tmp_path)[0] == "--on-end ended with exit code 3"
    monkeypatch.setattr(user_command, "TIMEOUT_S", 0.3)
    problem, _ = call("sleep 60 & wait", regressed(), tmp_path)
    assert problem == "--on-end was ended after 0.3 s"
