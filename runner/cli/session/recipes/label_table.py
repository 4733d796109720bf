"""A table with its recipe as the input of a run: what `label` loads, and `run`, `load` with a recipe."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from runner.cli.flags import is_model_given
from runner.cli.printing import print_note
from runner.cli.session.recipes.prepare_table import prepare_table
from runner.cli.session.recipes.recipe_source import recipe_origin
from runner.cli.session.running.given_limits import named_limits
from runner.cli.session.running.load_and_work import NamedInput, run_input
from runner.cli.session.running.run_choice import RunChoice
from runner.embedded.state_folder import StateFolder
from runner.intake.input_file import STDIN, save_stdin
from runner.intake.recipe_input import RowFlags
from runner.output.files import STDOUT, has_summary, labeled_output
from runner.rules.occasion import file_stem, stem_of_file
from runner.rules.recipes.recipe_flags import RecipeFlags
from runner.tables.table import TableError

if TYPE_CHECKING:
    from runner.cli.flag_values import RunFlags
    from runner.cli.session.engine_lease import EngineLease
    from runner.settings import Settings

_STDIN_ENDING = ".table"  # which is no format: the first bytes say it


def label_recipe(settings: Settings, lease: EngineLease, file: Path, flags: RunFlags) -> int:
    """Do what `run` does with a recipe file; return the exit code."""
    model = flags.model_for_all or (flags.model if is_model_given() else None)
    recipe_flags = RecipeFlags(model=model, trust_code=flags.trust_code)
    naming = Naming(name=flags.name, has_occasion=flags.occasion is not None, quiet=flags.quiet)
    named = named_table(settings, file, row_flags(settings, flags), recipe_flags, naming)
    return run_input(settings, lease, named, flags)


def row_flags(settings: Settings, flags: RunFlags) -> RowFlags:
    """Return what decides whether a table is loaded."""
    limits = named_limits(settings, flags.options)
    return RowFlags(skip_bad=flags.skip_bad, strict=flags.strict, limits=limits)


@dataclass(frozen=True, slots=True, kw_only=True)
class Naming:
    """How the run is to be called: `name` is the flag. With `quiet` warnings are not printed."""

    name: str | None
    has_occasion: bool
    quiet: bool


def named_table(
    settings: Settings, file: Path, flags: RowFlags, recipe_flags: RecipeFlags, naming: Naming
) -> NamedInput:
    """Return the input that a recipe file or a table ("-" is stdin) with flags makes; no row is read yet.

    Raises UsageError, RecipeError and TableError.
    """
    kept = _keep_stdin(settings) if file == STDIN else None
    name = naming.name
    if kept is not None and name is None:
        name = "stdin" if naming.has_occasion else f"stdin-{kept.stem[:8]}"
    origin = recipe_origin(kept or file, recipe_flags)
    prepared = prepare_table(origin, flags)
    if not naming.quiet:
        for warning in prepared.warnings:
            print_note(f"warning: {warning}")
    table = prepared.input.path
    written = prepared.recipe.out.file

    def output(choice: RunChoice) -> Path:
        if written is not None:
            return origin.files.folder / written
        stem = choice.name or stem_of_file(table.name)
        if choice.run_name is not None:
            stem = file_stem(stem, choice.run_name)
        typed = table if kept is None else Path(f"stdin.{prepared.input.read_options.format}")
        return labeled_output(typed, stem)

    return NamedInput(input=prepared.input, file=str(file), name=name, output=output)


def is_likely_new(named: NamedInput, flags: RunFlags) -> bool:
    """Return whether there is probably work: no summary of an earlier run is there."""
    if flags.occasion is not None:
        return True
    output = flags.output or named.output(RunChoice(name=named.name, new=flags.new))
    return output == STDOUT or not has_summary(output)


def _keep_stdin(settings: Settings) -> Path:
    home = StateFolder(settings.home)
    home.prepare()
    kept = save_stdin(sys.stdin.buffer, home.path / "stdin", _STDIN_ENDING)
    if not kept.stat().st_size:
        kept.unlink()
        raise TableError("stdin is empty", fix="pipe a table in: … | runner label -")
    return kept
