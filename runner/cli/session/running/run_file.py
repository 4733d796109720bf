"""The input that `run` is given: a job file, or a recipe with its table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from runner.cli.flags import is_model_given
from runner.cli.session.checking.input_kind import is_recipe_not_jobs
from runner.cli.session.running.given_limits import named_limits
from runner.cli.session.running.load_and_work import NamedInput, run_input
from runner.cli.session.running.loading import source_of
from runner.intake.input_file import STDIN
from runner.intake.job_file import LoadFlags
from runner.intake.job_file_input import JobFile
from runner.output.files import default_output, occasion_output
from runner.rules.occasion import stem_of_file

if TYPE_CHECKING:
    from runner.cli.flag_values import RunFlags
    from runner.cli.session.engine_lease import EngineLease
    from runner.cli.session.running.run_choice import RunChoice
    from runner.settings import Settings


def run_file(settings: Settings, lease: EngineLease, file: Path, flags: RunFlags) -> int:
    """Load `file` ("-" is stdin), work until the run stops, write its files; return the exit code."""
    if is_recipe_not_jobs(file):
        from runner.cli.session.recipes.label_table import label_recipe  # with the readers of tables

        return label_recipe(settings, lease, file, flags)
    source, name = source_of(file, flags.name, settings, has_occasion=flags.occasion is not None)
    shaping = LoadFlags(
        model=flags.model,
        model_for_all=flags.model_for_all,
        skip_bad=flags.skip_bad,
        strict=flags.strict,
        limits=named_limits(settings, flags.options),
        is_model_given=is_model_given(),
    )

    def output(choice: RunChoice) -> Path:
        if choice.run_name is not None:
            return occasion_output(choice.name or stem_of_file(source.name), choice.run_name)
        return default_output(source if file != STDIN else Path(choice.name or "stdin"))

    named = NamedInput(
        input=JobFile(source, shaping),
        file=str(file),
        name=name,
        output=output,
        given_model=shaping.given_model,
    )
    return run_input(settings, lease, named, flags)
