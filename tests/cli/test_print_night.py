"""What is said of a night, on a terminal and in a job of GitHub Actions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from night_reports import items, report

from runner.cli.session.nights.print_night import print_night
from runner.rules.evaluation.report.night_report import ItemReport

if TYPE_CHECKING:
    import pytest

HOSTILE: Final = "::error file=a.py::x"


def test_the_name_of_an_item_is_no_command_of_a_workflow(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line of it begins with the name, which GitHub would read; elsewhere it is shown as it is."""
    worst = ItemReport(variant="", id=HOSTILE, answers=3, score=0, base_answers=42, base_score=42)
    night = report(items=items(worse=1, changes=[worst]))

    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    print_night(night, as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert not any(line.lstrip().startswith("::") for line in lines)
    assert any(": :error file=a.py::x: 0/3, was 42/42" in line for line in lines)

    monkeypatch.delenv("GITHUB_ACTIONS")
    print_night(night, as_json=False)
    assert f"{HOSTILE}: 0/3, was 42/42" in capsys.readouterr().out
