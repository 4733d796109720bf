"""Which run wrote a file: every line's id begins with the run's mark, so a file tells by its first bytes.

That holds however a writing ended and wherever the state folder is: no list of files is kept anywhere.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

import orjson

from runner.rules.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from runner.db.runs import RunRow
    from runner.output.files import Paths

_MARK_LENGTH: Final = 12
_SUMMARY_BYTES_MAX: Final = 4 * 1024 * 1024


def mark_of(run: RunRow) -> str:
    """Give the mark of a run: the same wherever its row is, another for every repetition or fresh folder."""
    born = f"{run.identity}:{run.repetition}:{run.created_at_ms}"
    return hashlib.sha256(born.encode()).hexdigest()[:_MARK_LENGTH]


def line_start(mark: str) -> bytes:
    """Give the bytes that every line of a run's results and errors begins with."""
    return b'{"id":"' + mark.encode() + b"-"


def claim(targets: Paths, mark: str, *, force: bool = False) -> None:
    """Raise UsageError where a file stands that this run did not write, unless `force`.

    An empty file is free to take.
    """
    foreign = [target for target in targets if not force and not _is_free(target, mark, targets)]
    if foreign:
        there = "files" if len(foreign) > 1 else "a file"
        raise UsageError(
            f"{targets.results.name} would replace {there} that this run did not write",
            where=tuple(f"{target} ({_whose(targets)})" for target in foreign),
            fix="name another output with -o, or replace what is there with --force",
        )


def files_written(targets: Paths, mark: str) -> Mapping[str, Any]:
    """Give the `files` part of the summary on disk, or nothing where there is none of this run."""
    files = _summary(targets.summary).get("files")
    return files if isinstance(files, dict) and files.get("mark") == mark else {}


def _is_free(target: Path, mark: str, targets: Paths) -> bool:
    try:
        if target.stat().st_size == 0:
            return True
        if target == targets.summary:
            return bool(files_written(targets, mark))
        with target.open("rb") as file:
            start = line_start(mark)
            return file.read(len(start)) == start
    except FileNotFoundError:
        return True
    except OSError:
        return False


def _whose(targets: Paths) -> str:
    summary = _summary(targets.summary)
    run, name = summary.get("run"), summary.get("name")
    return f"of run {run}, {name}" if isinstance(run, int) and isinstance(name, str) else "of unknown origin"


def _summary(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            told = orjson.loads(file.read(_SUMMARY_BYTES_MAX))
    except (OSError, orjson.JSONDecodeError):
        return {}
    return told if isinstance(told, dict) else {}
