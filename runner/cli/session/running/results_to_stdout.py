"""`-o -`: the results of a run go to stdout, whole or not at all; everything else goes to stderr."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from shutil import copyfileobj
from typing import TYPE_CHECKING, BinaryIO, Final

from msgspec.structs import replace

from runner.cli import streams
from runner.cli.printing import print_escaped, print_note
from runner.cli.render.runs.summary_table import recoded_note
from runner.output.write import temporary_results
from runner.rules.errors import UsageError
from runner.rules.summary_object import NO_FILES
from runner.tables.table import Format

if TYPE_CHECKING:
    from runner.db.session import Database
    from runner.output.contents import TableOptions
    from runner.rules.summary_object import RunSummary

_CHUNK_BYTES: Final = 1 << 20


def print_results(database: Database, run_id: int, table: TableOptions | None, *, quiet: bool) -> RunSummary:
    """Print the results of a run to stdout; return its summary, which names no file.

    With `quiet` the notes are left out, and where stdout did not take the results. Raises what `write_run`
    does.
    """
    with ExitStack() as stack:
        with temporary_results(database, run_id, table) as written:
            file = stack.enter_context(written.paths.results.open("rb"))
        # the folder is gone before the reader of stdout sets the pace: it could not outlive a kill -9
        print_file(file)
        shows_notes = not quiet and not streams.is_stdout_lost()
        if shows_notes and (note := recoded_note(replace(written.results, name="stdout"))):
            print_note(note)
    if shows_notes:
        print_note(
            f"only the results were written; runner write {run_id} writes them, the errors and the summary"
        )
    return replace(written.summary, files=NO_FILES)


def refuse_bytes_on_terminal(format: Format | None) -> None:  # noqa: A002 - the word for it
    """Raise UsageError where the format of the results is no text and stdout is a terminal."""
    if format is Format.PARQUET and sys.stdout.isatty():
        raise UsageError(
            "a terminal cannot show Parquet", fix="name a file with -o, or pipe stdout to a program"
        )


def print_file(file: BinaryIO) -> None:
    """Print a file to stdout as it is; on a terminal with control characters escaped."""
    streams.expect_results()
    if sys.stdout.isatty():
        for line in file:
            print_escaped(line.decode("utf-8", "replace").removesuffix("\n").removesuffix("\r"))
        return
    copyfileobj(file, sys.stdout.buffer, _CHUNK_BYTES)
    sys.stdout.buffer.flush()
