"""The name of a run to be loaded, and what is refused so that one occasion is paid for once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.db.evaluation import nights
from runner.db.runs import occasions, runs
from runner.rules.errors import UsageError
from runner.rules.occasion import run_name
from runner.rules.shell_words import shell_word

if TYPE_CHECKING:
    from pathlib import Path

    from runner.db.runs.run_row import RunRow
    from runner.db.session import Database


def new_run_name(database: Database, stem: str, name: str | None, occasion: str | None, *, new: bool) -> str:
    """Return the name of a run to be loaded; `name` is the one that was given, `stem` else that of the file.

    Raises UsageError for a name that a run of another occasion has.
    """
    with database.read() as connection:
        if occasion is not None and new:
            return occasions.next_name(connection, stem, occasion)
        chosen = stem if occasion is None else run_name(stem, occasion)
        found = runs.find_by_name(connection, chosen) if name or occasion else None
    if found is not None and found.occasion != occasion:
        of = f", of the occasion {found.occasion}" if found.occasion else ", which has no occasion"
        raise UsageError(
            f'the name "{chosen}" belongs to run {found.id}{of}; nothing was done',
            where=(_run_line(found),),
            fix=f"choose another --name or --occasion; runner start {found.id} carries on that run",
        )
    return chosen


def refuse_name_of_night(database: Database, stem: str, occasion: str | None) -> None:
    """Raise UsageError where the run would have the name of a night's run, which could not load then."""
    name = stem if occasion is None else run_name(stem, occasion)
    with database.read() as connection:
        night = nights.find_by_run_name(connection, name)
    if night is not None:
        raise UsageError(
            f'the name "{name}" belongs to a night of the suite {night.suite}; nothing was done',
            where=(f"night {night.name}, which runner eval has begun",),
            fix=f"choose another --name or --occasion; runner status {shell_word(night.name)} shows it",
        )


def refuse_another_run(
    database: Database, source: Path, stem: str, name: str | None, occasion: str, sha256: str
) -> None:
    """Raise UsageError where the occasion has a run of this name or path, which is not the same run."""
    path = str(source.resolve())
    with database.read() as connection:
        named = occasions.find_newest(connection, occasion, stem=name) if name else None
        at_path = occasions.find_newest(connection, occasion, path=path)
    for found in (named, at_path):
        if found is None:
            continue
        if found.input_sha256 != sha256:
            raise _refusal(found, "other content")
        if found.stem == stem:
            raise _refusal(found, "other flags, such as --name or --model")


def _refusal(found: RunRow, difference: str) -> UsageError:
    finish = f"finish that run (runner start {found.id}) or end it (runner cancel {found.id})"
    keep = "repeat what it was loaded with to write its files" if found.is_over else finish
    return UsageError(
        f"{found.name}, run {found.id}, was loaded with {difference}; nothing was done",
        where=(_run_line(found),),
        fix=f"{keep}, or pay for a run of its own: with --new, or with another --occasion",
    )


def _run_line(found: RunRow) -> str:
    return f"run {found.id}: {found.input_path}, {found.total:,} jobs, {found.state}"
