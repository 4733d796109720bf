"""Print what is said of a night. In a job of GitHub Actions no line of it becomes a command there."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from runner.cli.printing import print_escaped, print_json
from runner.cli.render.nights.night_lines import night_lines
from runner.evals.github import is_github_actions
from runner.rules.evaluation.forms.workflow_commands import inert_line

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runner.rules.evaluation.report.night_report import NightReport


def print_night(report: NightReport, *, as_json: bool) -> None:
    """Print the report of a night, as JSON or as its screen."""
    if as_json:
        print_json(report)
    else:
        print_lines(night_lines(report))


def print_lines(lines: Iterable[str]) -> None:
    """Print lines that may begin with the name of an item: it may be `::error::…`."""
    is_workflow = is_github_actions(os.environ)
    for line in lines:
        print_escaped(inert_line(line) if is_workflow else line)
