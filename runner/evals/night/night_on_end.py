"""`--on-end CMD` of a night: the user's command gets the verdict, and the report as JSON on stdin."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any

from runner.embedded.user_command import call_on_end
from runner.rules.json_object import encoded

if TYPE_CHECKING:
    from pathlib import Path

    from runner.rules.evaluation.report.night_report import NightReport


def call(command: str, report: NightReport, *, output: Path | None, to: IO[Any] | int) -> str | None:
    """Call the command once; the caller has claimed that.

    It runs in the shell, with RUN_ID (the ids of the night's runs, with spaces between them), RUN_NAME (the
    night), RUN_VERDICT, RUN_EXIT_CODE and RUN_OUTPUT (`output`, the .eval.json, or nothing) in its
    environment. What it prints goes to `to`. Return what went wrong, else None.
    """
    variables = {
        "RUN_ID": " ".join(map(str, report.runs)),
        "RUN_NAME": report.night,
        "RUN_VERDICT": report.verdict,
        "RUN_EXIT_CODE": str(report.exit_code),
        "RUN_OUTPUT": "" if output is None else str(output),
    }
    return call_on_end(command, encoded(report), variables, to=to)
