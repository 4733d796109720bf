"""`runner prune`: remove old runs, and old files of the state folder."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import click

from runner.cli import flags, value_types
from runner.cli.printing import print_json, print_note
from runner.cli.render import text
from runner.cli.render.runs.removal_lines import (
    KeptRun,
    PlannedPruning,
    Pruning,
    file_line,
    kept_lines,
    old_run_lines,
    removed_object,
    removed_text,
    scores_stay_text,
)
from runner.cli.session.actor import read_actor
from runner.cli.session.confirm import confirm
from runner.cli.session.context import existing_database, read_settings
from runner.cli.session.remove_runs import RemovedByAnotherError, delete_files, find_old_data, remove_run
from runner.rules.json_object import SCHEMA

if TYPE_CHECKING:
    from runner.cli.render.runs.removal_lines import RemovedRun
    from runner.cli.session.remove_runs import OldData
    from runner.db.session import Database
    from runner.settings import Settings


_HELP: Final = """\
Remove runs that ended long ago, with their jobs and answers. It cannot be undone.

Also removes old bug reports, database copies and stored stdin inputs of the state folder; SQLite gives
the space back. Your job files and the files that were written stay. So do all scores of suites, and the
answers of nights that are open, pinned, or compared with the next night. The events keep which runs and
how many files it removed, and who did it.

\b
Example, once a month, keep the last seven runs of each nightly file:
  runner prune --older-than 30d --keep 7 --yes
"""


@click.command("prune", short_help="Remove old runs, and old files of the state folder.", help=_HELP)
@click.option(
    "--older-than",
    type=value_types.Duration(needs_unit=True),  # a number alone would be taken for days
    default="30d",
    show_default=True,
    help="Remove runs that ended, and files that were written, longer ago than this.",
)
@click.option(
    "--keep",
    type=value_types.Count(0),
    default=0,
    show_default=True,
    metavar="N",
    help="Keep the newest N runs of each stem, however old. Runs of one file with --occasion share a stem;"
    " another run's stem is its name.",
)
@flags.dry_run_flag
@flags.yes_flag
@flags.json_flag
@flags.quiet_flag
def command(*, older_than: float, keep: int, dry_run: bool, yes: bool, as_json: bool, quiet: bool) -> None:
    """Remove runs that ended long ago, with their jobs and answers. It cannot be undone."""
    settings = read_settings()
    with existing_database(settings) as database:
        old = find_old_data(database, settings, older_than, keep)
        _print_lines(old, as_json=as_json, quiet=quiet)
        if not old.runs and not old.files and not (dry_run and as_json):
            _report(old, 0, as_json=as_json, quiet=quiet)
            return
        planned = PlannedPruning(
            schema=SCHEMA,
            would=_question(old),
            runs=_removed(old),
            files=_paths(old),
            kept=_kept(old),
        )
        if not confirm(_question(old), yes=yes, dry_run=dry_run, as_json=as_json, planned=planned):
            return
        removed, freed_bytes = _remove(settings, database, old)
        _report(removed, freed_bytes, as_json=as_json, quiet=quiet)


def _remove(settings: Settings, database: Database, old: OldData) -> tuple[OldData, int]:
    """Remove runs and files; return what this command removed, and the bytes that this freed.

    A run that another command removes at the same time is left to it.
    """
    actor, removed = read_actor(settings), []
    for run, holds in old.runs:
        with suppress(RemovedByAnotherError):
            remove_run(settings, database, run, actor)
            removed.append((run, holds))
    freed_bytes = database.compact() if removed else 0
    return replace(old, runs=removed), freed_bytes + delete_files(database, old.files, actor)


def _question(old: OldData) -> str:
    parts = [
        *([f"remove {text.count(len(old.runs), 'run')}"] if old.runs else []),
        *([f"delete {text.count(len(old.files), 'file')} of the state folder"] if old.files else []),
    ]
    return " and ".join(parts) or "remove nothing"


def _removed(old: OldData) -> list[RemovedRun]:
    return [removed_object(run, holds, old.nights.get(run.id)) for run, holds in old.runs]


def _kept(old: OldData) -> list[KeptRun]:
    return [KeptRun(run=run.id, name=run.name, night=night, why=why) for run, night, why in old.kept]


def _paths(old: OldData) -> list[str]:
    return [str(file.path) for file in old.files]


def _print_lines(old: OldData, *, as_json: bool, quiet: bool) -> None:
    if not as_json and not quiet:
        for line in _lines(old):
            print_note(line)


def _lines(old: OldData) -> list[str]:
    of_nights = sum(run.id in old.nights for run, _ in old.runs)
    return [
        *old_run_lines(old.runs, old.known),
        *(file_line(str(file.path), file.size_bytes) for file in old.files),
        *([scores_stay_text(of_nights)] if of_nights else []),
        *kept_lines([one.why for one in old.kept]),
    ]


def _report(old: OldData, freed_bytes: int, *, as_json: bool, quiet: bool) -> None:
    if as_json:
        print_json(
            Pruning(
                schema=SCHEMA,
                removed=_removed(old),
                files=_paths(old),
                freed_bytes=freed_bytes,
                kept=_kept(old),
            )
        )
    elif not quiet:
        print_note(removed_text(len(old.runs), len(old.files), freed_bytes))
