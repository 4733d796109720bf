"""`runner prune`: remove what is old: ended runs, and files of the state folder that nobody needs."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import click

from runner.cli import flags, json, text
from runner.cli.confirm import confirm
from runner.cli.opening import existing_database, read_settings
from runner.cli.rm import as_object, described, remove
from runner.db import removal, runs
from runner.rules.redact import plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from runner.db.removal import Holds
    from runner.db.runs import RunRow
    from runner.db.session import Database
    from runner.settings import Settings

_REPORTS: Final = "bug-*.txt"
_COPIES: Final = "runner.db.*"  # made before an upgrade
_IN_USE: Final = ("-wal", "-shm")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Old:
    """What would go."""

    runs: Sequence[tuple[RunRow, Holds]]
    files: Sequence[Path]

    @property
    def file_bytes(self) -> int:
        return sum(path.stat().st_size for path in self.files)


@click.command("prune", short_help="Remove old runs, and old files of the state folder.")
@click.option(
    "--older-than",
    type=flags.Duration(),
    default="30d",
    show_default=True,
    help="Runs that ended so long ago, and files as old.",
)
@click.option(
    "--keep",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    metavar="N",
    help="Of each name keep the newest N runs.",
)
@flags.dry_run_flag
@flags.yes_flag
@flags.json_flag
@flags.quiet_flag
def command(*, older_than: float, keep: int, dry_run: bool, yes: bool, as_json: bool, quiet: bool) -> None:
    """Remove runs that ended long ago, with their jobs and answers. It cannot be undone.

    The state folder's old bug reports, copies of the database and inputs kept of stdin go, too, and SQLite
    gives the space back. Your job files and the files that were written stay.

    \b
    Example, once a month, with last week's nightly runs to look back at:
      runner prune --older-than 30d --keep 7 --yes
    """
    settings = read_settings()
    with existing_database(settings) as database:
        old = _old(database, settings, older_than, keep)
        if not old.runs and not old.files:
            _tell(old, 0, as_json=as_json, quiet=quiet)
            return
        if not as_json and not quiet:
            for line in _lines(old):
                text.note(line)
        if not confirm(_what(old), yes=yes, dry_run=dry_run, as_json=as_json):
            return
        for run, _ in old.runs:
            remove(settings, database, run)
        freed = old.file_bytes + (database.compact() if old.runs else 0)
        for path in old.files:
            path.unlink(missing_ok=True)
        _tell(old, freed, as_json=as_json, quiet=quiet)


def _old(database: Database, settings: Settings, older_than_s: float, keep: int) -> _Old:
    before_ms = database.now_ms() - int(older_than_s * 1000)
    with database.read() as connection:
        known = runs.all_runs(connection)
        chosen = [
            run for run in _beyond(known, keep) if run.is_over and (run.finished_at_ms or 0) < before_ms
        ]
        held = [(run, removal.holds(connection, run.id)) for run in chosen]
    needed = {run.input_path for run in known if run not in chosen}
    files = _files(settings.home, needed, older_than_s) if settings.embedded else ()
    return _Old(runs=held, files=sorted(files))


def _beyond(newest_first: Sequence[RunRow], keep: int) -> Iterator[RunRow]:
    """Leave out the newest few of each name."""
    seen: dict[str, int] = {}
    for run in newest_first:
        seen[run.name] = seen.get(run.name, 0) + 1
        if seen[run.name] > keep:
            yield run


def _files(home: Path, needed: set[str], older_than_s: float) -> Iterator[Path]:
    candidates = [*(home / "logs").glob(_REPORTS), *home.glob(_COPIES)]
    candidates += [path for path in (home / "stdin").glob("*") if str(path.resolve()) not in needed]
    before_s = time.time() - older_than_s
    for path in candidates:
        if path.is_file() and not path.name.endswith(_IN_USE) and path.stat().st_mtime < before_s:
            yield path


def _what(old: _Old) -> str:
    parts = [
        *([f"remove {text.of(len(old.runs), 'run')}"] if old.runs else []),
        *([f"delete {text.of(len(old.files), 'file')} of the state folder"] if old.files else []),
    ]
    return " and ".join(parts)


def _lines(old: _Old) -> list[str]:
    return [
        *(f"  {described(run, held)}, ended {text.timestamp(run.finished_at_ms)}" for run, held in old.runs),
        *(f"  {plain(str(path))}, {text.size(path.stat().st_size)}" for path in old.files),
    ]


def _tell(old: _Old, freed_bytes: int, *, as_json: bool, quiet: bool) -> None:
    if as_json:
        json.emit(_object(old, freed_bytes))
    elif not quiet:
        gone = f"removed {text.of(len(old.runs), 'run')} and {text.of(len(old.files), 'file')}"
        text.note(f"{gone}; {text.size(freed_bytes)} given back" if freed_bytes else gone)


def _object(old: _Old, freed_bytes: int) -> dict[str, Any]:
    return {
        "schema": 1,
        "removed": [as_object(run, held) for run, held in old.runs],
        "files": [str(path) for path in old.files],
        "freed_bytes": freed_bytes,
    }
