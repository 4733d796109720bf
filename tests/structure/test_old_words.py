"""Old words stay out of names, file names, log events and first lines of docstrings (docs/glossary.md)."""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).parents[2]
FOLDERS: Final = ("runner", "tools", "migrations")

# The old word, and the word that took its place. `_` joins words of a name; in docstrings it is a space.
OLD_WORDS: Final = {
    "allowance": "reservation",
    "anew": "again",
    "attachment": "engine lease",
    "bell": "wake-up",
    "bite": "submit batch",
    "came_late": "late result",
    "covered": "reserved floor",
    "crew": "fleet, child processes",
    "desk": "server state",
    "door": "client, endpoint",
    "doorbell": "per-worker queue",
    "doubt": "unknown outcome, cost bound",
    "doubtful": "unknown outcome",
    "feed": "leased queue",
    "finding": "diagnostic",
    "findings": "diagnostics",
    "gate": "rate limiter",
    "gauge": "limit usage",
    "hear": "receive",
    "heard": "received",
    "hint": "notification",
    "hints": "notifications",
    "judge": "classify",
    "judged": "classified",
    "judgement": "classification",
    "last_words": "ending text",
    "leftover": "orphaned job",
    "leftovers": "orphaned jobs",
    "lend": "time slice",
    "lesson": "observation",
    "lessons": "observations",
    "line_up": "fair order",
    "lint": "validate",
    "moods": "sentiment",
    "news": "pending updates",
    "nobody": "no process, no one",
    "not_yet": "poll again",
    "offers": "suggestions",
    "oversight": "run monitor",
    "pump": "worker loop",
    "pumps": "worker loops",
    "remark": "diagnostic",
    "remarks": "diagnostics",
    "ring": "notify",
    "rings": "notifies",
    "room": "capacity",
    "scout": "probe",
    "scouts": "probes",
    "sent_lately": "recent sends",
    "serious": "should probe",
    "sign_of_life": "heartbeat",
    "signs_of_life": "heartbeats",
    "silence": "stall detection",
    "so_long": "until, for that time",
    "somebody": "a process, a person",
    "stands_still": "has stopped",
    "station": "runtime",
    "stillborn": "stale",
    "streak": "consecutive failures",
    "take_back": "reclaim",
    "talk": "round trip",
    "taught": "observed",
    "teach": "observe",
    "teaches": "is sampled",
    "tell": "record, report",
    "telling": "reporting",
    "tells": "reports",
    "told": "recorded, reported",
    "trouble": "error, problem",
    "troubles": "errors",
    "turned_away": "submit failure",
    "untold": "not reported",
    "verdict": "classification",
    "vital": "liveness probe",
    "whoever": "the process that",
    "wire": "transport",
}
# Names that others fixed: columns of the database, and what libraries call their parameters.
ALLOWED_NAMES: Final[frozenset[str]] = frozenset({"NO_VERDICT"})
# A gate and its verdict are the field's words for an evaluation.
_EVALUATIONS: Final = re.compile(
    r"runner/(evals/|rules/evaluation/|db/evaluation/|db/tables\."
    r"|cli/commands/(eval|regrade|history|baseline|compare)\.|cli/render/nights/"
    r"|cli/session/nights/compare_scores\.)"
)
_EVALUATION_WORDS: Final = frozenset({"gate", "verdict"})
_OLD: Final = re.compile(rf"(?<![a-z])({'|'.join(OLD_WORDS)})(?![a-z])")
_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_LOG_METHODS: Final = ("debug", "info", "warning", "error", "exception", "critical")


def old_words(text: str) -> list[str]:
    """Return the old words in a name or a sentence."""
    joined = re.sub(r"[\s_.-]+", "_", _CAMEL.sub("_", text)).lower()
    return _OLD.findall(joined)


def sources() -> list[Path]:
    """Return the Python and Lua files that the rule holds for."""
    return [
        path
        for folder in FOLDERS
        for end in ("py", "lua")
        for path in sorted((ROOT / folder).rglob(f"*.{end}"))
    ]


def names_in(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield the line and name of every definition, parameter and assigned name."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield node.lineno, node.name
            case ast.arg():
                yield node.lineno, node.arg
            case ast.Name(ctx=ast.Store()):
                yield node.lineno, node.id
            case ast.Attribute(ctx=ast.Store()):
                yield node.lineno, node.attr
            case ast.alias(asname=str(name)):
                yield node.lineno, name


def docstrings_in(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield the line and the first line of every docstring."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text:
                yield getattr(node, "lineno", 1), text.splitlines()[0]


def events_in(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield the line and the event of every log call: the first word of its text."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id="log"), attr=method), args=[ast.Constant(str(text)), *_]
            ):
                if method in _LOG_METHODS:
                    yield node.lineno, text.split(" ")[0]


def lua_names_in(text: str) -> Iterator[tuple[int, str]]:
    """Yield the line and name of every local, function and field of a Lua script."""
    for number, line in enumerate(text.splitlines(), start=1):
        code = line.partition("--")[0]
        yield from ((number, name) for name in re.findall(r"[A-Za-z_]\w+", re.sub(r"'[^']*'", "", code)))


def faults_in(path: Path) -> Iterator[str]:
    """Yield what is wrong in one file."""
    where = path.relative_to(ROOT)
    text = path.read_text(encoding="utf-8")
    found = [(1, "file name", path.stem)]
    if path.suffix == ".lua":
        found += [(line, "name", name) for line, name in lua_names_in(text)]
    else:
        tree = ast.parse(text)
        found += [(line, "name", name) for line, name in names_in(tree) if name not in ALLOWED_NAMES]
        found += [(line, "docstring", first) for line, first in docstrings_in(tree)]
        found += [(line, "log event", event) for line, event in events_in(tree)]
    for line, kind, words in found:
        for old in old_words(words):
            if old in _EVALUATION_WORDS and _EVALUATIONS.match(where.as_posix()):
                continue
            yield f"{where}:{line}: {kind} {words!r} holds {old!r}: say {OLD_WORDS[old]!r}"


def test_old_words_stay_out() -> None:
    """Each finding names the file, the line, the old word and the new one."""
    faults = [fault for path in sources() for fault in faults_in(path)]
    assert not faults, "\n".join(faults)


def test_the_list_is_long_enough() -> None:
    """At least forty old words are held."""
    assert len(OLD_WORDS) >= 40


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("tell_again", ["tell"]),
        ("TurnedAway", ["turned_away"]),
        ("Say so long to it", ["so_long"]),
        ("sign_of_life", ["sign_of_life"]),
        ("storytelling", []),
        ("Bellman", []),
        ("hint.lost", ["hint"]),
    ],
)
def test_old_words_are_found_whole(text: str, found: list[str]) -> None:
    """Words count as whole words, in snake_case, CamelCase and sentences."""
    assert old_words(text) == found


def test_no_two_classes_and_no_two_files_share_a_name() -> None:
    """Outside the simulator, which stands alone; a command's file is named as the command."""
    classes: Counter[str] = Counter()
    files: Counter[str] = Counter()
    for path in (ROOT / "runner").rglob("*.py"):
        if "simulator" in path.parts or path.name == "__init__.py":
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        classes.update(node.name for node in tree.body if isinstance(node, ast.ClassDef))
        if path.parent.name != "commands":
            files[path.name] += 1

    assert {name for counts in (classes, files) for name, count in counts.items() if count > 1} == set()
