"""Convert a file of another batch service, for `convert`: the job lines are written whole or not at all."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from runner.cli.render.checks.conversion_report import Conversion
from runner.cli.session.checking.input_kind import refuse_table
from runner.cli.session.running.results_to_stdout import print_file
from runner.intake.foreign_file import ForeignFileReader
from runner.intake.input_file import STDIN, check_is_file
from runner.intake.job_file import DIAGNOSTICS_SHOWN
from runner.output.file_owner import refuse_other_content
from runner.output.files import STDOUT, paths, refuse_input
from runner.output.output_name import check_lines_name
from runner.rules.errors import UsageError
from runner.rules.occasion import stem_of_file
from runner.tables.draft_file import DraftFile, publish
from runner.tables.file_place import check_place

if TYPE_CHECKING:
    from collections.abc import Iterator


def default_target(file: Path) -> Path:
    """Return where the job lines of a file go: reviews.jobs.jsonl in the current folder; stdin to stdout."""
    return STDOUT if file == STDIN else Path(f"{stem_of_file(file.name).removesuffix('.json')}.jobs.jsonl")


def convert_file(file: Path, target: Path, model: str | None, *, skip_bad: bool, force: bool) -> Conversion:
    """Write the job lines of `file` to `target`, nothing if a line is refused and `skip_bad` is not set.

    Raises UserError where a file cannot be read or written, or would be replaced without `force`.
    """
    if file != STDIN:
        refuse_table(file)
        check_is_file(file)
    reader = ForeignFileReader(sys.stdin.buffer if file == STDIN else file, model)
    if target == STDOUT:
        is_written = _to_stdout(reader, file, skip_bad=skip_bad)
    else:
        is_written = _to_file(reader, file, target, skip_bad=skip_bad, force=force)
    return Conversion(
        file=str(file),
        output=("-" if target == STDOUT else str(target)) if is_written else None,
        in_document=reader.in_document,
        read=reader.read_total,
        written=reader.written_total if is_written else 0,
        forms=reader.forms,
        changes=[(change, count.lines, count.first) for change, count in reader.changes.items()],
        other_changes=reader.other_changes,
        warnings_total=reader.warnings_total,
        warnings=reader.warnings,
        warnings_shown=reader.warnings[:DIAGNOSTICS_SHOWN],
        refused_total=reader.refused_total,
        refused=reader.refusals,
        refused_shown=reader.refusals[:DIAGNOSTICS_SHOWN],
        can_skip_bad=reader.can_skip_bad,
    )


def _may_be_written(reader: ForeignFileReader, *, skip_bad: bool) -> bool:
    return not reader.refused_total or (skip_bad and reader.can_skip_bad)


def _to_file(reader: ForeignFileReader, file: Path, target: Path, *, skip_bad: bool, force: bool) -> bool:
    """Write the file; return whether it was."""
    check_lines_name(target, "job lines")
    check_place(target)
    if file != STDIN:
        refuse_input(paths(target), file, "the input")
    with DraftFile(target) as draft:
        for line in _job_lines(reader, file):
            draft.add(line + b"\n")
        if not _may_be_written(reader, skip_bad=skip_bad):
            return False
        refuse_other_content(target, draft.finish(), force=force)
        publish([draft])
    return True


def _to_stdout(reader: ForeignFileReader, file: Path, *, skip_bad: bool) -> bool:
    """Print the lines; return whether they were. They wait in a file first: a later one may be refused."""
    with tempfile.TemporaryFile() as held:
        for line in _job_lines(reader, file):
            held.write(line + b"\n")
        if not _may_be_written(reader, skip_bad=skip_bad):
            return False
        held.seek(0)
        print_file(held)
    return True


def _job_lines(reader: ForeignFileReader, file: Path) -> Iterator[bytes]:
    """Yield the job lines; raise an OSError of the reading as a UsageError."""
    try:
        yield from reader.job_lines()
    except OSError as error:
        what = f"the file cannot be read: {file}: {error.strerror}"
        raise UsageError(what, fix="check the path") from error
