"""Imports point one way: faces, then embedded, then stages (never each other), then doors, then rules."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2] / "runner"

DOORS = {"db", "api", "limiter"}
STAGES = {"intake", "engine", "output"}
MAY_IMPORT: dict[str, set[str]] = {
    "rules": set(),
    "simulator": set(),
    "settings": {"rules"},
    "db": {"rules", "settings"},
    "api": {"rules", "settings"},
    "limiter": {"rules", "settings"},
    "intake": {"rules", "settings", *DOORS},
    "engine": {"rules", "settings", *DOORS},
    "output": {"rules", "settings", *DOORS},
    "embedded": {"rules", "settings", *DOORS, *STAGES},
    "hints": {"rules", "settings", "db"},
    "worker": {"rules", "settings", "hints", "embedded", *DOORS, *STAGES},
    "cli": {"rules", "settings", "hints", "embedded", "simulator", *DOORS, *STAGES},
    "__main__": {"cli"},
    "__init__": set(),
}
PURE = ("os", "time", "random", "socket", "sqlalchemy", "redis", "aiohttp", "celery", "click", "asyncio")


def imported(path: Path) -> set[str]:
    """Return the modules that a file imports, dotted."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def room(path: Path) -> str:
    """Return which room a file of the package is in."""
    place = path.relative_to(ROOT)
    return place.parts[0].removesuffix(".py")


FILES = sorted(ROOT.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_imports_only_rooms_below_its_own(path: Path) -> None:
    """The arrows of the design; a new room must be put on the map here."""
    own = room(path)
    rooms = {name.split(".")[1] for name in imported(path) if name.startswith("runner.")} - {own}

    assert rooms & set(MAY_IMPORT) <= MAY_IMPORT[own]


@pytest.mark.parametrize("path", sorted((ROOT / "rules").glob("*.py")), ids=lambda path: path.name)
def test_the_rules_reach_nothing_outside(path: Path) -> None:
    """No I/O, clock, chance or environment in rules/."""
    assert not {name.split(".")[0] for name in imported(path)} & set(PURE)


def test_only_the_database_room_changes_a_jobs_state() -> None:
    """Nobody else writes SQL."""
    telling = [
        str(path.relative_to(ROOT))
        for path in FILES
        if room(path) not in {"db", "cli"} and "UPDATE jobs" in path.read_text(encoding="utf-8")
    ]

    assert telling == []


def test_files_stay_small() -> None:
    """A file that needs more lines has more than one idea."""
    long = {str(p.relative_to(ROOT)): n for p in FILES if (n := len(p.read_text().splitlines())) > 420}

    assert long == {}
