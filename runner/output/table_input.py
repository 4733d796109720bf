"""The table that a run labeled, opened again; another content is refused in a sentence."""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from typing import TYPE_CHECKING

from runner.rules.errors import Bug, UsageError
from runner.rules.os_text import reason_of
from runner.tables.table import TableError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from runner.db.runs.run_row import RunRow
    from runner.tables.table import ReadOptions, Table


class TableNotAtHand(UsageError):  # noqa: N818 - named as users read it
    """The table of a run is missing or has another content; the cure names the command that takes a copy."""


@contextmanager
def opened_input(run: RunRow, path: Path, options: ReadOptions) -> Iterator[Table]:
    """Open a run's table; at the end of the block all of it has been read, and must be the same as loaded.

    Raises TableNotAtHand where the file is missing or has another content, also in place of a TableError or
    Bug of the block, which then has that cause.
    """
    _check_readable(run, path)
    from runner.tables.open_table import open_table  # with it the readers of all formats

    try:
        table = open_table(path, options)
        yield table
    except (TableError, Bug) as error:
        if _sha256(path) != run.input_sha256:
            raise _changed(run, path) from error
        raise
    if table.sha256 != run.input_sha256:
        raise _changed(run, path)


def _check_readable(run: RunRow, path: Path) -> None:
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        raise TableNotAtHand(f"the table {path} cannot be read: {reason_of(error)}", fix=_fix(run)) from error


def _changed(run: RunRow, path: Path) -> TableNotAtHand:
    return TableNotAtHand(
        f"{path} is not the table that run {run.id} labeled: its content has changed since",
        where=(f"sha256 of that table: {run.input_sha256}",),
        fix=_fix(run),
    )


def _fix(run: RunRow) -> str:
    return f"name the table as it was when it was loaded: runner write {run.id} --input PATH"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
