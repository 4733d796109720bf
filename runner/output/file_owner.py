"""Which run wrote a file: the id of every line begins with the run's tag, so its first bytes are enough.

That needs no list of written files, so it works after a write that was cut short, and from another state
folder. (In the summary's JSON the tag is called `mark`.) A table has no such lines: it is known by the
summary beside it, which has its digest, or by the metadata of Parquet. A process that died between putting
the table and the summary in place has left the summary as a draft.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
import orjson
from msgspec import UNSET

from runner.output.files import paths
from runner.rules.errors import UsageError
from runner.rules.other_files.binary_files import PARQUET
from runner.rules.summary_object import NO_FILES, SummaryFiles
from runner.tables.draft_file import drafts_of, is_same_file
from runner.tables.stored_file import GZIP_ERRORS, StoredFile

if TYPE_CHECKING:
    from runner.db.runs.run_row import RunRow
    from runner.output.files import Paths
    from runner.rules.summary_object import WrittenFile

_TAG_LENGTH: Final = 12
_SUMMARY_BYTES_MAX: Final = 4 * 1024 * 1024


def run_tag(run: RunRow) -> str:
    """Return the tag of a run, 12 hex digits: from its row only, and different for every repetition."""
    origin = f"{run.identity}:{run.repetition}:{run.created_at_ms}"
    return hashlib.sha256(origin.encode()).hexdigest()[:_TAG_LENGTH]


def line_start(tag: str) -> bytes:
    """Return the bytes that every line of a run's results and errors begins with."""
    return b'{"id":"' + tag.encode() + b"-"


def refuse_foreign_files(targets: Paths, tag: str, *, force: bool = False) -> None:
    """Raise UsageError where one of the files exists and this run did not write it, unless `force`.

    An empty file may be replaced, also one that is compressed.
    """
    foreign = [target for target in targets if not force and not _is_free(target, tag, targets)]
    if foreign:
        there = "files" if len(foreign) > 1 else "a file"
        raise UsageError(
            f"{targets.results.name} would replace {there} that this run did not write",
            where=tuple(f"{target} ({_whose(targets, tag)})" for target in foreign),
            fix="name another output with -o, or replace what is there with --force",
        )


def refuse_other_content(target: Path, written: WrittenFile, *, force: bool = False) -> None:
    """Raise UsageError where a file exists that differs from the one that would replace it, unless `force`.

    For files without a tag: the same command again may write the same bytes. An empty file may be replaced.
    """
    with suppress(FileNotFoundError):
        if force or not target.stat().st_size or is_same_file(target, written):
            return
        raise UsageError(
            f"{target} exists, and its content is another",
            fix="name another output with -o, or replace what is there with --force",
        )


def files_of_run(run: RunRow) -> SummaryFiles:
    """Return the part of a summary about the files: those on disk that this run wrote."""
    return files_written(paths(Path(run.output_path)), run_tag(run)) if run.output_path else NO_FILES


def files_written(targets: Paths, tag: str) -> SummaryFiles:
    """Return the `files` part of the summary on disk; empty where there is no summary of this run."""
    return _files_of(targets.summary, tag)


def _files_of(summary: Path, tag: str) -> SummaryFiles:
    files = _files(summary)
    try:
        return msgspec.convert(files, SummaryFiles) if files.get("mark") == tag else NO_FILES
    except msgspec.ValidationError:  # of a version that writes more
        return NO_FILES


def _files(summary: Path) -> dict[str, Any]:
    files = _summary(summary).get("files")
    return files if isinstance(files, dict) else {}


def _is_free(target: Path, tag: str, targets: Paths) -> bool:
    try:
        start = line_start(tag)
        with StoredFile(target) as file:
            beginning = file.read(len(start))
        if target == targets.summary:
            return not beginning or bool(_files(target).get("mark") == tag)
        return beginning in (b"", start) or (
            target == targets.results and _is_table_of(target, tag, targets, beginning)
        )
    except FileNotFoundError:
        return True
    except (OSError, *GZIP_ERRORS):
        return False


def _is_table_of(target: Path, tag: str, targets: Paths, beginning: bytes) -> bool:
    """Return whether a table is as the run wrote it: changed by others since, it is not replaced."""
    if beginning.startswith(PARQUET):
        from runner.tables.parquet_writer import mark_of

        return mark_of(target) == tag
    summaries = (targets.summary, *drafts_of(targets.summary))
    written = [_files_of(summary, tag).results for summary in summaries]
    size = target.stat().st_size
    known = {
        file.sha256
        for file in written
        if file is not UNSET and file.name == target.name and file.bytes == size
    }
    if not known:
        return False
    with target.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() in known


def _whose(targets: Paths, tag: str) -> str:
    if _files(targets.summary).get("mark") == tag:
        return "changed since this run wrote it"
    summary = _summary(targets.summary)
    run, name = summary.get("run"), summary.get("name")
    return f"of run {run}, {name}" if isinstance(run, int) and isinstance(name, str) else "of unknown origin"


def _summary(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            summary = orjson.loads(file.read(_SUMMARY_BYTES_MAX))
    except (OSError, orjson.JSONDecodeError):
        return {}
    return summary if isinstance(summary, dict) else {}
