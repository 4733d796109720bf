"""Load a job file and print the progress: what `run` and `load` share."""

from __future__ import annotations

import sys
import time
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from runner.cli.printing import print_note
from runner.cli.render.runs.load_notes import loaded_lines, loading_line
from runner.cli.session.following.display import is_live_terminal
from runner.cli.session.running.given_limits import given_limits
from runner.embedded.loading_lock import loading_lock, occasion_lock
from runner.embedded.state_folder import StateFolder
from runner.engine.runs.cost_bounds import PriceBasis
from runner.intake.input_file import STDIN, save_stdin
from runner.intake.load import WantedRun, load
from runner.rules.costs.estimate import Tally, estimate
from runner.rules.occasion import stem_of_run
from runner.rules.prices import day_of

if TYPE_CHECKING:
    from runner.cli.session.running.run_choice import RunChoice
    from runner.db.events.trail import Actor
    from runner.db.runs.run_row import RunOptions
    from runner.db.session import Database
    from runner.intake.load import LoadResult
    from runner.intake.run_input import RunInput
    from runner.settings import Settings

_PROGRESS_EACH_S: Final = 5.0
_HARMLESS: Final = frozenset({"retired-model"})  # other warnings may be typing errors


def source_of(
    file: Path, name: str | None, settings: Settings, *, has_occasion: bool
) -> tuple[Path, str | None]:
    """Return the file to read and the run's name; stdin is stored in the state folder first.

    Without a name stdin is named by its content, for an occasion just `stdin`: there it must not change.
    """
    if file != STDIN:
        return file, name
    home = StateFolder(settings.home)
    home.prepare()
    kept = save_stdin(sys.stdin.buffer, home.path / "stdin")
    return kept, name or ("stdin" if has_occasion else f"stdin-{kept.stem[:8]}")


def load_file(
    database: Database,
    source: RunInput,
    settings: Settings,
    choice: RunChoice,
    *,
    given_model: str | None,
    options: RunOptions,
    actor: Actor,
    quiet: bool,
) -> LoadResult:
    """Load a file as a run, or find its run, and print which. Raises JobFileError and UsageError."""
    price_basis = PriceBasis.of(settings.base_url, settings.prices)
    tally = Tally(day_of(database.now_ms()), price_basis.prices)
    with _lock_of(settings, database, choice, source.path):
        loaded = load(
            database,
            source,
            WantedRun(
                name=choice.name, new=choice.new, occasion=choice.occasion, options=options, actor=actor
            ),
            lock=lambda sha256: loading_lock(settings, sha256),
            progress=_no_progress if quiet else _LoadProgress(),
            tally=tally,
        )
    if not quiet:
        is_other_path = not loaded.is_new and Path(loaded.input_path) != source.path.resolve()
        for line in loaded_lines(loaded, is_other_path=is_other_path, model=given_model):
            print_note(line)
        if loaded.is_new and is_live_terminal():
            from runner.cli.render.checks.check_report import estimate_line

            limits = given_limits(settings, options.rpm, options.tpm)
            found = estimate(tally, limits=limits, base_host=price_basis.base_host)
            print_note(estimate_line(found))
    return loaded


def confirm_sending(loaded: LoadResult, *, yes: bool) -> bool:
    """Return whether to send the jobs; ask on a terminal about warnings, or content that is loaded already.

    Without a terminal return True.
    """
    if yes or not _is_unusual(loaded) or not is_live_terminal() or not sys.stdin.isatty():
        return True
    unit = "rows" if loaded.is_table else "jobs"
    return click.confirm(f"send the {unit} as they are?", default=True, err=True)


def _is_unusual(loaded: LoadResult) -> bool:
    """Return whether a person may have meant something else."""
    other = loaded.same_content_run
    if other is not None and not (loaded.is_table and other.is_over):
        return True
    return any(warning.code not in _HARMLESS for warning in loaded.warnings)


def _lock_of(
    settings: Settings, database: Database, choice: RunChoice, source: Path
) -> AbstractContextManager[None]:
    """Return the lock of the occasion, where the run is of one."""
    if choice.occasion is None:
        return nullcontext()
    return occasion_lock(settings, database, choice.name or stem_of_run(source.name))


class _LoadProgress:
    """Prints every few seconds how much has been read."""

    def __init__(self) -> None:
        self._next_s = time.monotonic() + _PROGRESS_EACH_S

    def __call__(self, lines: int, size_bytes: int) -> None:
        if time.monotonic() >= self._next_s:
            self._next_s = time.monotonic() + _PROGRESS_EACH_S
            print_note(loading_line(lines, size_bytes))


def _no_progress(_lines: int, _bytes: int) -> None:
    pass
