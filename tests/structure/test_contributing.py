"""Files, make targets, log events and rooms that the pages for contributors name do exist."""

from __future__ import annotations

import ast
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


def test_the_table_of_log_events_is_complete() -> None:
    """Each event, the first word of a log call somewhere in runner/, is in the table, and no other."""
    table = CONTRIBUTING.partition("| log event |")[2].partition("\n\n")[0]
    named = set(
        re.findall(r"`([a-z_]+\.[a-z_]+)`", "".join(row.split("|")[1] for row in table.splitlines()[2:]))
    )

    assert named
    assert named == {event for path in (ROOT / "runner").rglob("*.py") for event in logged(path)}


def logged(path: Path) -> set[str]:
    """Return the events that a module logs: `log.warning("lease.expired …")` and the like."""
    calls = [node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call)]
    texts = [
        call.args[0].value
        for call in calls
        if isinstance(call.func, ast.Attribute)
        and isinstance(call.func.value, ast.Name)
        and call.func.value.id == "log"
        and call.args
        and isinstance(call.args[0], ast.Constant)
    ]
    found = (re.match(r"[a-z_]+\.[a-z_]+", str(text)) for text in texts)
    return {match[0] for match in found if match}


def test_the_table_of_rooms_is_complete() -> None:
    """Each folder of runner/ is in the table of CONTRIBUTING.md and on the map of architecture.md."""
    folders = {path.name for path in (ROOT / "runner").iterdir() if (path / "__init__.py").exists()}
    table = CONTRIBUTING.partition("## The rooms")[2].partition("\n## ")[0]
    rooms = PAGES[2].read_text("utf-8").partition("## Rooms and arrows")[2].partition("\n## ")[0]

    assert folders <= set(MAY_IMPORT)
    assert folders <= set(re.findall(r"`(\w+)/`", table))
    assert folders <= set(re.findall(r"\w+", rooms))
