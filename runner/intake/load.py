"""Loads a job file as a run: once, and all of its lines or none."""

from __future__ import annotations

import gc
import hashlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from runner.db import new_jobs, removal, runs
from runner.db.new_jobs import NewJob
from runner.intake.job_file import (
    DIAGNOSTICS_SHOWN,
    JobFileReader,
    LoadFlags,
    as_sentence,
    bad_line_sentences,
)
from runner.intake.new_run import new_run_name, refuse_another_run
from runner.intake.other_content import other_content
from runner.rules import models
from runner.rules.counted import count
from runner.rules.errors import JobFileError, UsageError
from runner.rules.estimate import Tally
from runner.rules.identity import identity
from runner.rules.occasion import stem_of_file
from runner.rules.prices import day_of
from runner.rules.states import RunState
from runner.tables.lines import Line, LineReader

if TYPE_CHECKING:
    from runner.db.runs import RunOptions, RunRow
    from runner.db.session import Database
    from runner.rules.diagnostics import Diagnostic
    from runner.rules.request import Request

ROWS_PER_COMMIT = 5_000
BYTES_PER_COMMIT = 16 << 20
_SWITCH_S = 0.0005  # the thread switch interval: at 5 ms the writing thread waits that long, twice a chunk

Progress = Callable[[int, int], None]  # lines read so far, bytes read so far


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadResult:
    """The outcome of a load. `is_new` is False where the run existed already.

    `total` is the number of jobs, `bad_total` that of skipped lines. `input_path` is where the run was loaded
    from. `same_content_run` is an earlier run of the same content with other flags. `warnings` are the first
    ones of `warnings_total`. `other_model_total`: lines that name another model than --model.
    """

    run_id: int
    name: str
    total: int
    is_new: bool
    input_path: str
    same_content_run: RunRow | None = None
    warnings: list[Diagnostic] = field(default_factory=list)
    warnings_total: int = 0
    bad_total: int = 0
    other_model_total: int = 0


def save_stdin(stream: BinaryIO, folder: Path) -> Path:
    """Save stdin in a file of `folder` named by its sha256, so that it can be read twice; return the path."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, name = tempfile.mkstemp(dir=folder, suffix=".part")
    digest = hashlib.sha256()
    try:
        with os.fdopen(handle, "wb") as file:
            while chunk := stream.read(1 << 20):
                digest.update(chunk)
                file.write(chunk)
        saved = folder / f"{digest.hexdigest()}.jsonl"
        Path(name).replace(saved)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return saved


def load(
    database: Database,
    source: Path,
    *,
    name: str | None,
    new: bool,
    flags: LoadFlags,
    options: RunOptions,
    occasion: str | None = None,
    lock: Callable[[str], AbstractContextManager[object]] = lambda _: nullcontext(),
    progress: Progress = lambda _lines, _bytes: None,
    tally: Tally | None = None,
) -> LoadResult:
    """Load a file as a run, unless it is loaded already; return which run that is.

    `occasion` is part of the identity; the caller holds a lock of stem and occasion. `lock` returns the
    state folder's lock of a name. `progress` is called with (lines, bytes) read so far,
    after each chunk. `tally` adds up the requests for an estimate. Raises JobFileError with the bad lines
    (nothing is loaded), UsageError where a run of this name or path has other content.
    """
    sha256, size_bytes = _digest(source)
    same = _identity(database, sha256, flags, name, occasion)
    for partial in _partly_loaded(database, source, name, same):
        with lock(partial), new_jobs.shared_lock(database, partial):  # waits for a loader that is still alive
            _find_complete(database, partial)
    with lock(same), new_jobs.shared_lock(database, same):
        found = _find_complete(database, same)
        if found is not None and not new:
            return _loaded_before(found)
        if not new:
            _refuse_conflict(database, source, name, occasion, sha256)
        run_name = new_run_name(database, name or _stem(source), name, occasion, new=new)
        with database.read() as connection:
            twin = None if new or name or occasion else runs.find_by_sha256(connection, sha256)
        with database.write() as connection:
            run_id = runs.begin(
                connection,
                identity=same,
                name=run_name,
                input_path=str(source.resolve()),
                input_sha256=sha256,
                options=options,
                now_ms=database.now_ms(),
                occasion=occasion,
            )
        with _removed_on_error(database, run_id):
            reading = JobFileReader(source, flags, tally or Tally(day_of(database.now_ms())))
            loading = _Loading(database, run_id, source, flags, reading, progress)
            loading.read(size_bytes)
            loading.check(sha256)
        with database.write() as connection:
            runs.set_ready(connection, run_id, reading.total)
        return LoadResult(
            run_id=run_id,
            name=run_name,
            total=reading.total,
            is_new=True,
            input_path=str(source.resolve()),
            same_content_run=twin,
            warnings=reading.warnings,
            warnings_total=reading.warnings_total,
            bad_total=reading.bad_total,
            other_model_total=reading.other_model_total,
        )


def _loaded_before(found: RunRow) -> LoadResult:
    return LoadResult(
        run_id=found.id,
        name=found.name,
        total=found.total,
        is_new=False,
        input_path=found.input_path,
    )


@contextmanager
def _removed_on_error(database: Database, run_id: int) -> Iterator[None]:
    """Remove the run again where the block raises: all of its lines are loaded, or none."""
    try:
        yield
    except BaseException:
        removal.remove(database, run_id)
        raise


class _Loading:
    """Inserts the requests of a file, up to the first bad line (all of them where bad lines are skipped).

    A thread inserts a chunk while the next one is read: the database works without the interpreter lock.
    """

    def __init__(
        self,
        database: Database,
        run_id: int,
        source: Path,
        flags: LoadFlags,
        reading: JobFileReader,
        progress: Progress,
    ) -> None:
        self._database, self._run_id, self._source = database, run_id, source
        self._flags, self._reading, self._progress = flags, reading, progress
        self._written = 0
        self._writing: Future[None] | None = None

    def read(self, size_bytes: int) -> None:
        """Read to the end and insert in chunks. Stop where a file has grown past `size_bytes`."""
        switch_s = sys.getswitchinterval()
        sys.setswitchinterval(_SWITCH_S)
        gc.disable()  # it would scan every chunk again and again, and there are no reference cycles here
        try:
            with ThreadPoolExecutor(1, "load") as writer:
                self._read(size_bytes, writer)
                self._wait()
        finally:
            gc.enable()
            sys.setswitchinterval(switch_s)

    def _read(self, size_bytes: int, writer: ThreadPoolExecutor) -> None:
        chunk: list[NewJob] = []
        size = 0
        lines = self._reading.lines
        for line, request in self._reading.requests():
            chunk.append(_new_job(line, request))
            size += len(request.body)
            del line, request  # they may be large, and the next ones are built before these would be freed
            if len(chunk) >= ROWS_PER_COMMIT or size >= BYTES_PER_COMMIT:
                self._write(chunk, writer)
                if size >= BYTES_PER_COMMIT:
                    self._wait()  # two such chunks in memory would be too much
                gc.collect(0)
                self._progress(lines.line_count, lines.byte_count)
                chunk, size = [], 0
                if lines.byte_count > size_bytes:
                    break
        self._write(chunk, writer)

    def check(self, sha256: str) -> None:
        """Raise JobFileError where the file must not be loaded; write skipped lines into FILE.bad.jsonl."""
        reading = self._reading
        if reading.lines.sha256 != sha256:
            raise JobFileError(
                f"{self._source} changed while it was read; nothing was loaded",
                fix="run the same command again when the file is complete",
            )
        if reading.bad_total and not (self._flags.skip_bad and reading.can_skip_bad):
            good_total = reading.total if reading.can_skip_bad else 0
            raise _bad_file(self._source, reading.bad_diagnostics, reading.bad_total, good_total)
        if not reading.is_accepted:
            raise _strict(self._source, reading.warnings, reading.warnings_total)
        if reading.bad_total:
            self._write_bad_lines()

    def _write(self, chunk: list[NewJob], writer: ThreadPoolExecutor) -> None:
        """Submit a chunk to the thread, after the one before it; raise the error of that one, if any."""
        self._wait()
        if chunk and (self._flags.skip_bad or not self._reading.bad_total):
            self._writing = writer.submit(self._insert, self._written, chunk)
        self._written += len(chunk)

    def _wait(self) -> None:
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.result()

    def _insert(self, first: int, chunk: list[NewJob]) -> None:
        with self._database.write() as connection:
            new_jobs.insert(connection, self._run_id, first, chunk)

    def _write_bad_lines(self) -> None:
        """Write the skipped lines into FILE.bad.jsonl, unchanged; lines that are too long are left out."""
        bad_lines = iter(self._reading.bad_lines)
        next_bad = next(bad_lines)
        target = self._source.with_name(f"{_stem(self._source)}.bad.jsonl")
        part = target.with_suffix(".part")
        try:
            with part.open("wb") as file:
                for item in LineReader(self._source):
                    number = item.number if isinstance(item, Line) else item.line
                    if number != next_bad:
                        continue
                    if isinstance(item, Line):
                        file.write(item.raw + b"\n")
                    next_bad = next(bad_lines, 0)
            part.replace(target)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise UsageError(
                f"the bad lines cannot be put aside in {target}: {error.strerror}; nothing was loaded",
                fix="copy the job file to a folder where you may write",
            ) from error


def _new_job(line: Line, request: Request) -> NewJob:
    return NewJob(
        line=line.number,
        custom_id=request.custom_id,
        model=request.model,
        prompt_tokens=request.prompt_tokens_estimate,
        output_tokens_max=request.max_output_tokens,
        body=request.body,
        extra=request.metadata,
        conv_id=request.conv_id,
    )


def _identity(
    database: Database, sha256: str, flags: LoadFlags, name: str | None, occasion: str | None
) -> str:
    """Return the identity of a file; a run that an older version loaded with its default model keeps its own.

    Else that run would be paid again after an update. The model that serves both defaults is the same.
    """
    same = identity(sha256, _identity_flags(flags, occasion), name)
    if flags.model != models.DEFAULT:
        return same
    earlier = identity(sha256, _identity_flags(replace(flags, model=models.EARLIER_DEFAULT), occasion), name)
    with database.read() as connection:
        if runs.find_by_identity(connection, same) is None and runs.find_by_identity(connection, earlier):
            return earlier
    return same


def _identity_flags(flags: LoadFlags, occasion: str | None) -> dict[str, str | None]:
    """Return the flags that shape requests; without a model it is the default of the first versions."""
    return {
        "occasion": occasion,
        "model": flags.model if flags.model != models.EARLIER_DEFAULT else None,
        "model_for_all": flags.model_for_all,
        "skip_bad": "yes" if flags.skip_bad else None,
    }


def _find_complete(database: Database, same: str) -> RunRow | None:
    """Return the newest run of an identity, or None; remove runs that a crash left partly loaded."""
    with database.read() as connection:
        found = runs.find_by_identity(connection, same)
    if found is None or found.state is not RunState.LOADING:
        return found
    removal.remove(database, found.id)
    return _find_complete(database, same)


def _partly_loaded(database: Database, source: Path, name: str | None, same: str) -> list[str]:
    """Return the other identities with this name or path that are in state `loading`, or were at a crash."""
    with database.read() as connection:
        return [
            run.identity
            for run in runs.in_states(connection, [RunState.LOADING])
            if run.identity != same and (run.stem == name or run.input_path == str(source.resolve()))
        ]


def _refuse_conflict(
    database: Database, source: Path, name: str | None, occasion: str | None, sha256: str
) -> None:
    """Raise UsageError where a run has the same name or path in this occasion, but other content or flags."""
    if occasion is None:
        _refuse_other_content(database, source, name, sha256)
    else:
        refuse_another_run(database, source, name or _stem(source), name, occasion, sha256)


def _refuse_other_content(database: Database, source: Path, name: str | None, sha256: str) -> None:
    """Raise UsageError where a run of this name or path has other content: the user decides to pay again."""
    with database.read() as connection:
        named = runs.find_by_name(connection, name) if name else None
        others = (
            (named, f'the name "{name}"'),
            (runs.find_by_path(connection, str(source.resolve())), str(source)),
        )
        for found, what in others:
            if found is not None and found.input_sha256 != sha256:
                raise other_content(connection, found, what)


def _bad_file(source: Path, bad: list[Diagnostic], bad_total: int, good_total: int) -> JobFileError:
    skip = f", or load the other {good_total:,} with --skip-bad" if good_total else ""
    return JobFileError(
        f"{source} has {count(bad_total, 'bad line')}; nothing was loaded",
        where=bad_line_sentences(bad, bad_total),
        fix=f"correct these lines and run the same command again{skip}",
    )


def _strict(source: Path, warnings: list[Diagnostic], total: int) -> JobFileError:
    return JobFileError(
        f"{source} has {count(total, 'warning')} and --strict was given; nothing was loaded",
        where=tuple(as_sentence(diagnostic) for diagnostic in warnings[:DIAGNOSTICS_SHOWN]),
        fix="correct these lines, or leave --strict away",
    )


def _stem(source: Path) -> str:
    return stem_of_file(source.name)


def check_is_file(source: Path) -> None:
    """Raise UsageError for a folder, a pipe or a device: those can be read once only, or have no end."""
    if source.exists() and not source.is_file():
        raise UsageError(
            f"{source} is not a file with jobs", fix="name a plain file, or pipe it in: … | runner run -"
        )


def _digest(source: Path) -> tuple[str, int]:
    """Return the sha256 of a file's bytes and their number."""
    check_is_file(source)
    try:
        with source.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest(), file.tell()
    except OSError as error:
        raise UsageError(
            f"the job file cannot be read: {source}: {error.strerror}", fix="check the path"
        ) from error
