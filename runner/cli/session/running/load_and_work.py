"""Load an input as a run, follow it, write its files: what `run` and `label` do."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from runner.cli.printing import print_note
from runner.cli.session.actor import read_actor
from runner.cli.session.context import any_database
from runner.cli.session.running.loading import load_file
from runner.cli.session.running.results_to_stdout import refuse_bytes_on_terminal
from runner.cli.session.running.run_call import RunCall
from runner.cli.session.running.run_choice import choose_run
from runner.db.events.trail import CommandEvent
from runner.db.moves import recheck_moves
from runner.db.runs import runs
from runner.db.runs.run_row import RunOptions
from runner.output.contents import TableOptions
from runner.output.file_owner import refuse_foreign_files
from runner.output.files import STDOUT, check_places, paths, refuse_input
from runner.output.labeling import labeling_of
from runner.output.output_name import check_lines_name, table_format
from runner.rules.event_kinds import EventKind
from runner.rules.labels import stored_recipe

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from runner.cli.flag_values import RunFlags
    from runner.cli.session.engine_lease import EngineLease
    from runner.cli.session.recipes.saved_recipe import SavedRecipe
    from runner.cli.session.running.run_choice import RunChoice
    from runner.db.session import Database
    from runner.intake.run_input import RunInput
    from runner.output.files import Paths
    from runner.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedInput:
    """An input as a command was given it.

    `file` is what was typed, `name` the run's name if one is given, `output` where its results are written by
    default, from the name of its run. `given_model` is that of --model where lines may name another. `saved`
    is the recipe file that is written once the table is loaded.
    """

    input: RunInput
    file: str
    name: str | None
    output: Callable[[RunChoice], Path]
    given_model: str | None = None
    saved: SavedRecipe | None = None


def run_input(settings: Settings, lease: EngineLease, named: NamedInput, flags: RunFlags) -> int:
    """Load an input, work until the run stops, write its files; return the exit code."""
    path, actor = named.input.path, read_actor(settings)
    with any_database(settings) as database:
        choice = choose_run(
            database,
            path,
            flags.occasion,
            now_ms=database.now_ms(),
            name=named.name,
            new=flags.new,
            quiet=flags.quiet,
        )
        targets = _targets(named, choice, flags)
        if flags.new and targets is not None:  # its run has no files yet, so these are of others
            refuse_foreign_files(targets, tag="", force=flags.force)
        loaded = load_file(
            database,
            named.input,
            settings,
            choice,
            given_model=named.given_model,
            options=replace(RunOptions(**flags.options), budget_ticks=None),  # it needs prices of the models
            actor=actor,
            quiet=flags.quiet,
        )
        event = loaded.event or CommandEvent(actor=actor, run_id=loaded.run_id)
        if not loaded.is_new and named.input.recipe is not None:
            event = _take_output(database, event, loaded.run_id, named.input.recipe, quiet=flags.quiet)
        if choice.occasion is not None and choice.run_name != loaded.name:
            targets = _targets(named, replace(choice, run_name=loaded.name), flags)
        call = RunCall(
            settings=settings,
            database=database,
            lease=lease,
            targets=targets,
            flags=flags,
            file=named.file,
            table=None if named.input.recipe is None else TableOptions(input_path=path),
            occasion=choice.occasion,
            event=event,
        )
        call.refuse_foreign_files(loaded)
        if named.saved is not None:
            named.saved.write()
        return call.work_and_write(loaded)


def _targets(named: NamedInput, choice: RunChoice, flags: RunFlags) -> Paths | None:
    """Return the paths of the output, None for stdout; all that refuses them is found before a line is sent.

    Raises UserError where one cannot be written, is the input, or would not be what its name says.
    """
    output = flags.output or named.output(choice)
    recipe = named.input.recipe
    if output == STDOUT:
        refuse_bytes_on_terminal(None if recipe is None else labeling_of(recipe).read.format)
        return None
    targets = paths(output)
    if recipe is None:
        check_lines_name(output)
    else:
        table_format(output)
    check_places(targets)
    refuse_input(targets, named.input.path, "the job file" if recipe is None else "the table")
    return targets


def _take_output(
    database: Database, event: CommandEvent, run_id: int, wanted: str, *, quiet: bool
) -> CommandEvent:
    """Let a run have the columns and the prefix of this recipe; print what else it keeps of its own."""
    with database.write() as connection:
        runs.lock(connection, run_id)
        run = runs.find(connection, run_id)
        if run is None or run.recipe is None:
            return event
        recipe = stored_recipe.with_output(run.recipe, wanted)
        if recipe != run.recipe:
            recheck_moves.set_recipe(connection, run_id, recipe)
            old, new = stored_recipe.output(run.recipe), stored_recipe.output(recipe)
            event = event.extended(connection, database.now_ms(), EventKind.SET, old=old, new=new)
    kept = stored_recipe.differences(run.recipe, wanted)
    if kept and not quiet:
        print_note(f"note: run {run_id} keeps what it was loaded with: {', '.join(kept)}")
    return event
