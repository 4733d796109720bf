"""Which run a command that loads a file means: by its flags, and by what `--occasion` says."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from runner.cli.printing import print_note
from runner.cli.render.runs.load_notes import carried_on_line
from runner.db.runs import occasions
from runner.rules.occasion import (
    CARRY_ON_MS,
    day_word,
    days_beside,
    is_today,
    run_name,
    stem_of_run,
)

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection

    from runner.db.runs.run_row import RunRow
    from runner.db.session import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class RunChoice:
    """The run that a command means. `name` and `new` are the flags.

    `occasion`: with `today` replaced by a date. `run_name`: the name of the run of this occasion, which it
    may not have yet; None without an occasion.
    """

    name: str | None
    new: bool
    occasion: str | None = None
    run_name: str | None = None


def choose_run(
    database: Database,
    source: Path,
    word: str | None,
    *,
    now_ms: int,
    name: str | None,
    new: bool,
    quiet: bool,
) -> RunChoice:
    """Return the run that a command means by `--occasion WORD`; print where another day is carried on.

    `today` is the date at `now_ms` (the database's clock) in this machine's time zone. Where that day has no
    run yet, an unfinished one of the day before or after is meant that was loaded less than 20 hours ago.
    """
    if word is None:
        return RunChoice(name=name, new=new)
    stem, path = name or stem_of_run(source.name), None if name else str(source.resolve())
    occasion = _occasion(word, now_ms)
    with database.read() as connection:
        if new:
            fresh = occasions.next_name(connection, stem, occasion)
            return RunChoice(name=name, new=True, occasion=occasion, run_name=fresh)
        found = occasions.find_newest(connection, occasion, stem=stem, path=path)
        if found is None and is_today(word):
            found = _find_beside(connection, occasion, now_ms, stem, path)
    if found is None:
        return RunChoice(name=name, new=False, occasion=occasion, run_name=run_name(stem, occasion))
    if found.occasion != occasion and not quiet:
        print_note(carried_on_line(found.name))
    return RunChoice(name=name, new=False, occasion=found.occasion, run_name=found.name)


def _find_beside(connection: Connection, day: str, now_ms: int, stem: str, path: str | None) -> RunRow | None:
    """Return the unfinished run of the day before or after that was loaded within 20 hours, or None."""
    since_ms = now_ms - CARRY_ON_MS
    return occasions.find_unfinished(connection, days_beside(day), since_ms, stem=stem, path=path)


def _occasion(word: str, now_ms: int) -> str:
    """Return an occasion as written; `today` becomes the local date of this machine."""
    if not is_today(word):
        return word
    return day_word(datetime.fromtimestamp(now_ms / 1000, tz=UTC).astimezone())
