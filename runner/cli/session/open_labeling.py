"""From the argument and the flags of a labeling command to a recipe that is ready to be compiled."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from runner.intake.open_recipe import open_recipe
from runner.intake.recipe_file import RecipeFiles, read_recipe_file
from runner.intake.recipe_labels import label_texts
from runner.rules.errors import UsageError
from runner.rules.recipe_flags import FlagPaths, RecipeFlags, recipe_of_flags
from runner.tables.open_table import open_table

if TYPE_CHECKING:
    from runner.intake.open_recipe import OpenedRecipe


def open_labeling(file: Path, flags: RecipeFlags) -> OpenedRecipe:
    """Return the recipe of a file with the flags over it; a file that is no .toml is a table.

    Raises UsageError for flags, RecipeError and TableError for files.
    """
    if file.suffix.lower() != ".toml":
        return _of_table(file, flags)
    folder = Path.cwd()
    written: set[str] = set()

    def absolute(path: str) -> str:
        written.add(str(folder / path))
        return str(folder / path)

    paths = FlagPaths(lambda name: _is_file(folder / name), absolute)
    recipe = recipe_of_flags(flags, paths, read_recipe_file(file))
    files = RecipeFiles(file.parent, is_restricted=True, allowed=written)
    return open_recipe(recipe, files, open_table=open_table, read_labels=label_texts, title=str(file))


def _of_table(file: Path, flags: RecipeFlags) -> OpenedRecipe:
    if flags.table is not None:
        raise UsageError(f"--table was given, and {file} is a table too", fix="name one of them")
    folder = Path()
    recipe = recipe_of_flags(replace(flags, table=str(file)), FlagPaths(lambda name: _is_file(folder / name)))
    files = RecipeFiles(folder, is_restricted=False)
    return open_recipe(recipe, files, open_table=open_table, read_labels=label_texts, title=None)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # too long, or with NUL: a text
        return False
