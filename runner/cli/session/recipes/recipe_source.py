"""The recipe that a command means: a recipe file, the flags of the command, or both."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from runner.cli.session.checking.input_kind import is_recipe
from runner.cli.session.recipes.prepare_table import RecipeOrigin
from runner.intake.recipe_file import RecipeFiles, read_recipe_file
from runner.rules.errors import UsageError
from runner.rules.recipes.recipe import is_code
from runner.rules.recipes.recipe_flags import FlagPaths, RecipeFlags, recipe_of_flags

if TYPE_CHECKING:
    from runner.rules.recipes.recipe import Recipe


def recipe_origin(file: Path, flags: RecipeFlags | None = None) -> RecipeOrigin:
    """Return the recipe of a recipe file with what flags change in it, or that of a table with flags.

    Raises UsageError or RecipeError, also where no table is named.
    """
    flags = flags or RecipeFlags()
    if not is_recipe(file):
        if flags.table is not None:
            raise UsageError(f"--table was given, and {file} is a table too", fix="name one of them")
        files = RecipeFiles(Path(), is_restricted=False)
        recipe = recipe_of_flags(flags, FlagPaths(_is_file))
        return RecipeOrigin(recipe=recipe, table=file, files=files)
    base = read_recipe_file(file)
    allowed: set[str] = set()

    def written(path: str) -> str:
        found = os.path.relpath(path, file.parent)
        allowed.add(found)
        return found

    recipe = recipe_of_flags(flags, FlagPaths(_is_file, written), base)
    if flags.schema is not None and is_code(flags.schema):
        allowed.add(flags.schema)
    files = RecipeFiles(file.parent, is_restricted=True, allowed=allowed, trusts_code=flags.trust_code)
    return RecipeOrigin(recipe=recipe, table=_table_of(recipe, files, file), files=files, title=str(file))


def saved_recipe(table: Path, flags: RecipeFlags, target: Path) -> Recipe:
    """Return the recipe of flags as a file at `target` says it: paths begin at the folder of that file.

    Raises UsageError where a file that it names is outside of that folder: it could not be used.
    """
    outside: list[str] = []

    def written(path: str) -> str:
        found = os.path.relpath(path, target.parent)
        if found.startswith(os.pardir):
            outside.append(path)
        return found

    if flags.schema is not None and is_code(flags.schema):
        module = _module_file(flags.schema)
        if module is not None and target.parent.resolve() != Path.cwd():
            outside.append(str(module))
    changed = replace(flags, table=str(table), output=None)
    recipe = recipe_of_flags(changed, FlagPaths(_is_file, written))
    if outside:
        raise UsageError(
            f"a recipe may only name files in its own folder, and {outside[0]} is outside of {target.parent}",
            fix=f"save it beside that file: --save {Path(outside[0]).parent / target.name}",
        )
    return recipe


def _module_file(code: str) -> Path | None:
    """Return the file or the folder in the current folder that a module is in; None where it is installed."""
    name = code.partition(":")[0].partition(".")[0]
    return next((path for path in (Path(f"{name}.py"), Path(name)) if path.exists()), None)


def _table_of(recipe: Recipe, files: RecipeFiles, file: Path) -> Path:
    if recipe.table.file is None:
        raise UsageError(
            f"{file} names no table", fix='give it file = "reviews.csv" under [table], or use --table PATH'
        )
    return files.path(recipe.table.file, "table.file")


def _is_file(path: str) -> bool:
    try:
        return Path(path).is_file()
    except (OSError, ValueError):  # too long, or with a NUL: it is text
        return False
