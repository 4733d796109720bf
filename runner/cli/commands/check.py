"""`runner check FILE`: what a job file contains, costs and takes. Only reads; needs no key and no engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from runner.cli import flags, value_types
from runner.cli.path_types import InputPath
from runner.cli.printing import print_escaped, print_json
from runner.cli.render.checks.check_object import check_object
from runner.cli.render.checks.check_report import check_lines
from runner.cli.session.checking.check_file import check_file
from runner.cli.session.checking.input_kind import is_recipe_not_jobs, is_suite
from runner.cli.session.context import read_settings
from runner.cli.session.running.given_limits import given_limits
from runner.cli.session.running.run_options import rate_flags
from runner.intake.job_file import LoadFlags
from runner.rules.exit_codes import ExitCode

if TYPE_CHECKING:
    from pathlib import Path

_HELP: Final = """\
Read FILE and show its bad lines, warnings, models, tokens, cost and time. Nothing is stored or sent.

FILE is a job file, a recipe (.toml) that names a table, or a suite (.suite.toml) that names items.

Output tokens come from --expect-output, else from earlier runs of the file, else from an assumption,
which is printed. Exit 3 when `runner run` would refuse the file. FILE may be - for stdin.

\b
Example, the highest cost of a file:
  runner check reviews.jsonl --json | jq -r .cost.usd.high
"""


@click.command(
    "check", short_help="Show what a job file contains, costs and takes. Sends nothing.", help=_HELP
)
@click.argument("file", type=InputPath())
@flags.model_flag
@flags.model_for_all_flag
@rate_flags
@click.option(
    "--expect-output",
    type=value_types.Count(0, 10**9),
    metavar="N",
    help="Expected output tokens of each answer.",
)
@click.option("--skip-bad", is_flag=True, help="Do not refuse the file for bad lines.")
@click.option("--strict", is_flag=True, help="Refuse the file for warnings as well.")
@flags.trust_code_flag
@flags.json_flag
def command(
    file: Path,
    *,
    rpm: int | None,
    tpm: int | None,
    expect_output: int | None,
    trust_code: bool,
    as_json: bool,
    **shaping: Any,
) -> int:
    """Read FILE and show its bad lines, warnings, models, tokens, cost and time."""
    settings = read_settings()
    limits = given_limits(settings, rpm, tpm)
    load_flags = LoadFlags(**shaping, limits=limits, is_model_given=flags.is_model_given())
    flags.refuse_two_models(load_flags.model_for_all)
    if is_suite(file):
        from runner.cli.session.checking.check_suite import check_suite  # with templates and graders

        result = check_suite(settings, file, load_flags, expected_output=expect_output)
    elif is_recipe_not_jobs(file):
        from runner.cli.session.checking.check_recipe import check_recipe  # with the readers of tables
        from runner.intake.recipe_input import RowFlags
        from runner.rules.recipes.recipe_flags import RecipeFlags

        row_flags = RowFlags(skip_bad=load_flags.skip_bad, strict=load_flags.strict, limits=limits)
        model = load_flags.model_for_all or load_flags.given_model
        recipe_flags = RecipeFlags(model=model, trust_code=trust_code)
        result = check_recipe(settings, file, row_flags, recipe_flags, expected_output=expect_output)
    else:
        result = check_file(settings, file, load_flags, expected_output=expect_output)
    if as_json:
        print_json(check_object(result))
    else:
        for line in check_lines(result):
            print_escaped(line)
    return ExitCode.OK if result.is_accepted else ExitCode.BAD_JOB_FILE
