"""Imports point one way: faces, then embedded, then stages (never each other), then doors, then rules."""

import ast
import importlib
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2] / "runner"

DOORS = {"db", "api", "limiter"}
STAGES = {"intake", "engine", "output"}
MAY_IMPORT: dict[str, set[str]] = {
    "rules": set(),
    "simulator": set(),
    "settings": {"rules", "home_folder", "settings_file", "settings_table"},
    "settings_table": {"rules"},
    "home_folder": {"rules"},
    "settings_file": {"rules"},
    "certificate_files": {"rules"},
    "celery_variables": set(),
    "system_user": set(),
    "code_process": set(),
    "db": {"rules", "settings", "certificate_files"},
    "api": {"rules", "settings", "certificate_files"},
    "limiter": {"rules", "settings", "certificate_files"},
    "tables": {"rules"},
    "intake": {"rules", "settings", "tables", "code_process", *DOORS},
    "engine": {"rules", "settings", "system_user", *DOORS},
    "output": {"rules", "settings", "tables", *DOORS},
    "evals": {"rules", "settings", "code_process", "tables", "intake", "output", "embedded", *DOORS},
    "embedded": {"rules", "settings", "home_folder", "celery_variables", "tables", *DOORS, *STAGES},
    "notify": {"rules", "settings", "celery_variables", "db"},
    "worker": {"rules", "settings", "notify", "embedded", "evals", "tables", *DOORS, *STAGES},
    "cli": {
        "rules",
        "settings",
        "home_folder",
        "certificate_files",
        "celery_variables",
        "system_user",
        "notify",
        "embedded",
        "evals",
        "simulator",
        "tables",
        *DOORS,
        *STAGES,
    },
    "__main__": {"cli"},
    "__init__": set(),
}
TOP = {"flags", "flag_values", "value_types", "path_types", "printing", "snapshot"}
CLI_MAY_IMPORT: dict[str, set[str]] = {  # rooms and top files of runner/cli; each may also import its own
    "snapshot": set(),
    "printing": set(),
    "render": {"snapshot"},
    "session": {"render", *TOP},
    "flags": {"session"},
    "doctor": {"render", "session", *TOP},
    "commands": {"render", "session", "doctor", *TOP},
    "crash": {"printing"},
    "main": {"commands", "crash", "printing", "render"},
}
RENDER_MAY_RUN = {"runner.rules", "runner.cli.render", "runner.cli.snapshot", "rich", "orjson", "msgspec"}
RENDER_MAY_NAME = {"runner.db", "runner.limiter", "runner.intake"}  # their value types, for type hints only
STANDARD = {"__future__", "collections", "dataclasses", "datetime", "shlex", "re", "textwrap", "typing"}
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


@pytest.mark.parametrize("path", sorted((ROOT / "rules").rglob("*.py")), ids=lambda path: path.name)
def test_the_rules_reach_nothing_outside(path: Path) -> None:
    """No I/O, clock, chance or environment in rules/."""
    assert not {name.split(".")[0] for name in imported(path)} & set(PURE)


CLI = sorted((ROOT / "cli").rglob("*.py"))


def cli_room(path: Path) -> str:
    """Return the room of runner/cli that a file is in; for a file beside the rooms its name."""
    return path.relative_to(ROOT / "cli").parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", CLI, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_command_line_imports_one_way(path: Path) -> None:
    """Commands import session and doctor, these import render; TYPE_CHECKING imports count."""
    own = cli_room(path)
    if own not in CLI_MAY_IMPORT:
        return
    names = {name.split(".")[2] for name in imported(path) if name.startswith("runner.cli.")}

    assert names & set(CLI_MAY_IMPORT) <= {own, *CLI_MAY_IMPORT[own]}


def at_type_check(tree: ast.Module) -> set[ast.AST]:
    """Return the nodes that stand under `if TYPE_CHECKING:`."""
    blocks = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
    ]
    return {node for block in blocks for node in ast.walk(block)}


def is_within(name: str, modules: set[str]) -> bool:
    """Return whether a dotted name is one of the modules or in one."""
    return any(name == module or name.startswith(f"{module}.") for module in modules)


@pytest.mark.parametrize(
    "path", [p for p in CLI if cli_room(p) in {"render", "snapshot"}], ids=lambda p: p.name
)
def test_rendering_is_pure(path: Path) -> None:
    """Values in, lines out: no database, file, clock or network; of other rooms only types, as hints."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    hints = at_type_check(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            assert all(is_within(alias.name, STANDARD | RENDER_MAY_RUN) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            known = STANDARD | RENDER_MAY_RUN
            values = {name for name in names if node in hints and is_within(name, RENDER_MAY_NAME)}
            assert all(name.rpartition(".")[2][0].isupper() for name in values), "only classes"
            assert all(is_within(name, known) for name in names - values), names
    calls = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    assert not calls & {"open", "print", "datetime.now", "date.today"}


def test_no_file_imports_itself_by_way_of_others() -> None:
    """Raises CycleError with the files; TYPE_CHECKING imports count."""
    modules = {".".join(path.relative_to(ROOT.parent).with_suffix("").parts): path for path in FILES}
    graph = {module: imported(path) & set(modules) - {module} for module, path in modules.items()}

    assert len(list(TopologicalSorter(graph).static_order())) == len(modules)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_package_needs_no_tool_and_no_test(path: Path) -> None:
    """The wheel has neither."""
    beside = {"tools"} | {file.stem for file in (ROOT.parent / "tests").rglob("*.py")}

    assert not {name.split(".")[0] for name in imported(path)} & beside


AIOHTTP_DOCUMENTED = {"aiohttp", "aiohttp.web", "aiohttp.abc"}


def aiohttp_modules(path: Path) -> set[str]:
    """Return the modules of aiohttp that a file imports, or imports from."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
    return {name for name in names if is_within(name, {"aiohttp"})}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_only_documented_modules_of_aiohttp_are_used(path: Path) -> None:
    """And of those only names that they export; so a new release of aiohttp needs no new release of ours."""
    modules = aiohttp_modules(path)
    exported = {name for module in modules for name in importlib.import_module(module).__all__}
    tree = ast.parse(path.read_text(encoding="utf-8"))
    used = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module in modules
        for alias in node.names
    } | {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) in modules
    }

    assert modules <= AIOHTTP_DOCUMENTED
    submodules = {name.removeprefix("aiohttp.") for name in AIOHTTP_DOCUMENTED}
    assert used <= exported | submodules


def test_the_api_client_is_seen_to_use_aiohttp() -> None:
    """Else the test above would hold for want of a subject."""
    assert aiohttp_modules(ROOT / "api" / "transport.py") == {"aiohttp"}


def test_only_the_database_room_changes_a_jobs_state() -> None:
    """Nobody else writes SQL."""
    telling = [
        str(path.relative_to(ROOT))
        for path in FILES
        if room(path) not in {"db", "cli"} and "UPDATE jobs" in path.read_text(encoding="utf-8")
    ]

    assert telling == []
