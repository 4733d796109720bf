"""What a file of the command line is: a suite, a recipe, a table for `label`, or else a job file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from runner.rules.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

_RECIPE_ENDING: Final = ".toml"
_TABLE_ENDINGS: Final = (".csv", ".tsv", ".tab", ".parquet")  # .jsonl may be a table as well as a job file


def is_recipe(file: Path) -> bool:
    """Return whether a file is a recipe, by its name."""
    return file.suffix.lower() == _RECIPE_ENDING


def is_suite(file: Path) -> bool:
    """Return whether a file is a suite, by its name or by its keys."""
    if not is_recipe(file):
        return False
    from runner.evals.suite.suite_file import is_suite_file

    return is_suite_file(file)


def is_recipe_not_jobs(file: Path) -> bool:
    """Return whether a file is a recipe, not a job file. Raises UsageError for a table."""
    refuse_table(file)
    return is_recipe(file)


def refuse_table(file: Path) -> None:
    """Raise UsageError for a table, by its name: it says nothing of prompt and labels."""
    if file.name.lower().removesuffix(".gz").endswith(_TABLE_ENDINGS):
        raise UsageError(
            f"{file} is a table, not a job file or a recipe",
            fix="runner label labels it, runner compile prints what would be sent; see their --help",
        )
