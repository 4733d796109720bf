"""The nights of a suite, from its file to the exit code: unfinished ones first, then tonight's."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from runner.cli.printing import print_note
from runner.cli.session.context import any_database
from runner.cli.session.nights.night_calls import STOPS, EvalFlags, NightCalls
from runner.cli.session.running.given_limits import named_limits
from runner.embedded.gc_pause import gc_paused
from runner.embedded.loading_lock import occasion_lock
from runner.engine.runs.cost_bounds import PriceBasis
from runner.evals.grading.suite_graders import refuse_untrusted
from runner.evals.night import tonight
from runner.evals.night.begin_night import begin_night
from runner.evals.night.night_options import NightOptions
from runner.evals.night.other_folder import other_folder
from runner.evals.suite.read_suite import read_suite
from runner.rules.costs.estimate import Tally
from runner.rules.counted import count
from runner.rules.occasion import run_name
from runner.rules.prices import day_of
from runner.rules.row_faults import row_fault_sentences
from runner.tables.table import TableError

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from runner.cli.session.engine_lease import EngineLease
    from runner.db.evaluation.nights import NightRow
    from runner.db.events.trail import Actor
    from runner.evals.suite.read_suite import ReadSuite
    from runner.settings import Settings


def eval_suite(settings: Settings, lease: EngineLease, file: Path, flags: EvalFlags, actor: Actor) -> int:
    """Finish the unfinished nights of a suite, then measure tonight; return the exit code of the last."""
    with any_database(settings) as database:
        calls = NightCalls(settings=settings, database=database, lease=lease, flags=flags, actor=actor)
        begun = _begin_tonight(calls, file)
        if isinstance(begun, int):
            return begun
        night, is_new = begun
        return calls.measure(night, is_new=is_new)


def _begin_tonight(calls: NightCalls, file: Path) -> tuple[NightRow, bool] | int:
    """Return tonight's night, and whether it was begun now; or the exit code of what stopped an earlier one.

    The items, which may be many, are in memory only here.
    """
    settings, database, flags = calls.settings, calls.database, calls.flags
    price_basis = PriceBasis.of(settings.base_url, settings.prices)
    tally = Tally(day_of(database.now_ms()), price_basis.prices)
    with gc_paused():  # many items at once, none of them garbage
        read = read_suite(file, tally, limits=named_limits(settings, flags.options))
    _refuse_bad_items(read)
    if not flags.trust_code:
        refuse_untrusted(read.suite)
    now_ms = database.now_ms()
    with database.read() as connection:
        chosen = tonight.choose(connection, read.suite, flags.occasion, now_ms, new=flags.new)
        _warn_of_other_folder(connection, read)
    if chosen.carried_on is not None and not flags.quiet:
        print_note(f"{chosen.carried_on} is not finished: it is carried on")
    for earlier in chosen.unfinished:
        code = calls.finish(earlier)
        if code in STOPS:
            return code
    with occasion_lock(settings, database, f"{read.suite.name} nights"):
        night, is_new = begin_night(
            database,
            read.suite,
            read.items,
            chosen.occasion,
            _options(read, flags),
            frozenset(flags.options),
            calls.actor,
            new=flags.new,
            check=calls.refuse_foreign_files,
        )
    usual = run_name(night.suite, night.occasion)
    if is_new and not flags.new and night.name != usual:
        print_note(f"{usual} names another run: this is {night.name}")
    return night, is_new


def _warn_of_other_folder(connection: Connection, read: ReadSuite) -> None:
    """Print a warning where the suite has its first night in this folder, and has others elsewhere."""
    folder = read.suite_folder.absolute()
    other = other_folder(connection, read.suite.name, folder)
    if other is not None:
        print_note(
            f"warning: the nights of {read.suite.name} so far are of a suite in {other};"
            f" this one is in {folder}\n"
            "  they are compared with each other; if it is another suite, give it a name of its own"
        )


def _options(read: ReadSuite, flags: EvalFlags) -> NightOptions:
    """Return the options of a night that begins with this call."""
    return NightOptions(
        folder=str(read.suite_folder.absolute()),
        output=str((flags.output or Path()).absolute()),
        trusts_code=flags.trust_code,
        **flags.options,
        is_detached=flags.detach,
    )


def _refuse_bad_items(read: ReadSuite) -> None:
    """Raise TableError where an item is bad: a night without it would measure something else."""
    if read.fault_count:
        raise TableError(
            f"{read.read_items.path} has {count(read.fault_count, 'bad item')}; nothing was sent",
            where=row_fault_sentences(read.faults, read.fault_count),
            fix="correct these items and run the same command again",
        )
