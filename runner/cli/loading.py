"""Loading a job file, told to a person: what `run` and `load` share."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from runner.cli import text
from runner.cli.progress import is_live
from runner.embedded.home import Home
from runner.engine.doubt import pricing_by
from runner.intake.load import keep_stdin, load
from runner.rules.estimate import Tally, estimate
from runner.rules.prices import day_of
from runner.rules.redact import one_line, plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from runner.db.runs import RunOptions
    from runner.db.session import Database
    from runner.engine.doubt import Pricing
    from runner.intake.load import Loaded
    from runner.intake.reading import Shaping
    from runner.rules.findings import Finding
    from runner.settings import Settings

_TELL_EACH_S: Final = 5.0
_REASON_LENGTH: Final = 200
_HARMLESS: Final = frozenset({"retired-model"})  # costs what it costs; the others may be typing errors


def source_of(file: Path, name: str | None, settings: Settings) -> tuple[Path, str | None]:
    """Return the file to read and the run's name; stdin is kept in the state folder, named by its content."""
    if str(file) != "-":
        return file, name
    home = Home(settings.home)
    home.prepare()
    kept = keep_stdin(sys.stdin.buffer, home.path / "stdin")
    return kept, name or f"stdin-{kept.stem[:8]}"


def load_file(
    database: Database,
    source: Path,
    settings: Settings,
    *,
    name: str | None,
    new: bool,
    shaping: Shaping,
    options: RunOptions,
    quiet: bool,
) -> Loaded:
    """Load a file as a run, or find the run it is, and say so. Raises JobFileError and UsageError."""
    pricing = pricing_by(settings.base_url, settings.prices)
    tally = Tally(day_of(database.now_ms()), pricing.prices)
    loaded = load(
        database,
        source,
        name=name,
        new=new,
        shaping=shaping,
        options=options,
        lock=lambda sha256: loading_lock(settings, sha256),
        progress=_silent if quiet else _Telling(),
        tally=tally,
    )
    if not quiet:
        _tell(loaded, source)
        if loaded.created and is_live():
            _forecast(tally, options, pricing)
    return loaded


def may_go_on(loaded: Loaded, *, yes: bool) -> bool:
    """Ask a person at a terminal whether to pay for doubtful lines, or once more for the same content.

    Without a terminal it is a yes.
    """
    doubts = [warning for warning in loaded.warnings if warning.code not in _HARMLESS]
    if yes or not (doubts or loaded.twin) or not is_live() or not sys.stdin.isatty():
        return True
    return click.confirm("send the jobs as they are?", default=True, err=True)


@contextmanager
def loading_lock(settings: Settings, sha256: str) -> Iterator[None]:
    if not settings.embedded:  # the database has a lock of its own for that
        yield
        return
    lock = Home(settings.home).load_lock(sha256)
    lock.exclusive()
    try:
        yield
    finally:
        lock.release()


class _Telling:
    """Says every few seconds how far reading is."""

    def __init__(self) -> None:
        self._next_s = time.monotonic() + _TELL_EACH_S

    def __call__(self, lines: int, size_bytes: int) -> None:
        if time.monotonic() >= self._next_s:
            self._next_s = time.monotonic() + _TELL_EACH_S
            text.note(f"loading: {lines:,} lines, {size_bytes / 1e6:,.0f} MB so far")


def _silent(_lines: int, _bytes: int) -> None:
    pass


def _tell(loaded: Loaded, source: Path) -> None:
    if loaded.created:
        text.note(f"loaded {text.of(loaded.total, 'job')} as run {loaded.run_id}")
    else:
        other = Path(loaded.input_path) != source.resolve()
        origin = f", from {plain(loaded.input_path)}" if other else ""
        text.note(f"already loaded as run {loaded.run_id}{origin}")
    if loaded.twin is not None:
        told = f"run {loaded.twin.id} ({plain(loaded.twin.name)}) holds the same content with other flags"
        cure = f"runner start {loaded.twin.id} goes on with that one"
        text.note(f"warning: {told}, and this one is paid for on its own; {cure}")
    if loaded.bad:
        text.note(f"skipped {text.of(loaded.bad, 'bad line')}; they stand in the .bad.jsonl beside the input")
    for line in warning_lines(loaded.warnings, loaded.warnings_total):
        text.note(line)


def _forecast(tally: Tally, options: RunOptions, pricing: Pricing) -> None:
    """Tell what the run may cost and take, from what loading it has counted anyway."""
    from runner.cli.check_report import in_one_line

    told = estimate(tally, rpm=options.rpm, tpm=options.tpm, base_host=pricing.base_host)
    text.note(in_one_line(told))


def warning_lines(warnings: Sequence[Finding], total: int) -> list[str]:
    """Tell warnings grouped by what they are, each with the first line it was met on."""
    groups: dict[tuple[str, str], list[Finding]] = {}
    for warning in warnings:
        groups.setdefault((warning.code, warning.reason), []).append(warning)
    told = []
    for (code, reason), group in groups.items():
        first = group[0]
        where = f"line {first.line}" + (f" and {len(group) - 1:,} more" if len(group) > 1 else "")
        said = plain(f"{where}: {one_line(reason, _REASON_LENGTH)} [{code}]; {first.fix}")
        told.append(f"warning: {said}")
    if total > len(warnings):
        told.append(f"warning: … and {total - len(warnings):,} more warnings")
    return told
