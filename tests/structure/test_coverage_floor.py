"""The floor under the coverage: what is short is named, and the parts that it names exist."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from tools.coverage_floor import FLOORS, Floor, Reached, main, reached_by_file, shortfalls, table

if TYPE_CHECKING:
    import pytest

ROOT = Path(__file__).parents[2]
ENGINE = Floor(folder="runner/engine/", percent=90.0, file_percent=85.0)
ALL = Floor(folder="runner/", percent=80.0)


def test_each_part_exists() -> None:
    """A folder that is renamed takes its floor along."""
    assert [floor.folder for floor in FLOORS if not (ROOT / floor.folder).is_dir()] == []


def test_what_is_short_is_named() -> None:
    """A file, then its folder; a folder without any file is short, too."""
    files = {
        "runner/engine/post.py": Reached(84, 100),
        "runner/engine/storing/spool.py": Reached(95, 100),
        "runner/cli/main.py": Reached(70, 100),
        "runner/__init__.py": Reached(),
    }
    assert list(shortfalls(files, (ENGINE, ALL))) == [
        "runner/engine/post.py: 84.0 % is covered, 85 % is the least of a file",
        "runner/engine/: 89.5 % is covered, 90 % is the least",
    ]
    assert list(shortfalls({"runner/cli/main.py": Reached(80, 100)}, (ENGINE, ALL))) == [
        "runner/engine/: no file of it was measured"
    ]
    assert table(files, (ENGINE, ALL)).splitlines() == [
        "part            covered  least  reached     least covered file",
        "runner/engine/  89.5 %   90 %   179 of 200  runner/engine/post.py 84.0 %",
        "runner/         83.0 %   80 %   249 of 300  runner/cli/main.py 70.0 %",
    ]


def test_statements_and_branches_are_counted_together(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As coverage does in its own reports; the exit code is 1 when something is short."""
    summary = {"covered_lines": 8, "num_statements": 10, "covered_branches": 1, "num_branches": 4}
    report = {"files": {"runner/engine/post.py": {"summary": summary}}}
    assert reached_by_file(report) == {"runner/engine/post.py": Reached(9, 14)}

    (tmp_path / "report.json").write_text(json.dumps(report))
    assert main(str(tmp_path / "report.json")) == 1
    assert "runner/engine/: 64.3 % is covered" in capsys.readouterr().out
