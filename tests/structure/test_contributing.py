"""Files, make targets, log events and rooms that the pages for contributors name do exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from test_imports import MAY_IMPORT

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", ROOT / "docs" / "architecture.md"]
CONTRIBUTING = PAGES[0].read_text("utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_path_exists(page: Path) -> None:
    """Paths of the repository, in backticks or in a command."""
    named = re.findall(r"(?<![\w/])((?:runner|tests|tools|docs)/[\w/.-]*\w/?)", page.read_text("utf-8"))

    assert [
        path for path in named if not (ROOT / path).exists() and not path.startswith("runner/runner.db")
    ] == []


def test_each_make_target_exists() -> None:
    """`make NAME`, with or without variables."""
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    named = set(re.findall(r"\bmake (?:[A-Z]+=\S+ )?([a-z]+)", CONTRIBUTING))

    assert named
    assert named <= targets


def test_each_log_event_is_logged() -> None:
    """The table of log events: each is the first word of a log call somewhere in runner/."""
    table = CONTRIBUTING.partition("| log event |")[2].partition("\n\n")[0]
    named = set(re.findall(r"`([a-z]+\.[a-z_]+)`", table))
    source = "\n".join(path.read_text("utf-8") for path in (ROOT / "runner").rglob("*.py"))

    assert named
    assert {event for event in named if not re.search(rf"['\"]{re.escape(event)}", source)} == set()


def test_the_table_of_rooms_is_complete() -> None:
    """Each folder of runner/ is in the table of CONTRIBUTING.md and on the map of architecture.md."""
    folders = {path.name for path in (ROOT / "runner").iterdir() if (path / "__init__.py").exists()}
    table = CONTRIBUTING.partition("## The rooms")[2].partition("\n## ")[0]
    rooms = PAGES[2].read_text("utf-8").partition("## Rooms and arrows")[2].partition("\n## ")[0]

    assert folders <= set(MAY_IMPORT)
    assert folders <= set(re.findall(r"`(\w+)/`", table))
    assert folders <= set(re.findall(r"\w+", rooms))
