"""`label --save`: what the flags mean as a recipe file, written once the table has been loaded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runner.cli.session.checking.input_kind import is_recipe
from runner.cli.session.recipes.recipe_source import saved_recipe
from runner.intake.input_file import STDIN
from runner.rules.errors import UsageError
from runner.rules.recipes.recipe_toml import recipe_toml
from runner.tables.draft_file import write_whole
from runner.tables.file_place import check_place

if TYPE_CHECKING:
    from pathlib import Path

    from runner.rules.recipes.recipe_flags import RecipeFlags

_FLAG = "--save"


@dataclass(frozen=True, slots=True)
class SavedRecipe:
    """A recipe file that may be written: nothing else is at its path."""

    path: Path
    text: str

    def write(self) -> None:
        """Write the file. Raises UserError."""
        write_whole(self.path, self.text, _FLAG)


def recipe_to_save(file: Path, flags: RecipeFlags, target: Path, *, force: bool) -> SavedRecipe:
    """Return what flags mean for a table as a recipe file to write at `target`. Raises UserError."""
    if is_recipe(file):
        what = f"{file} is a recipe already; --save writes what flags mean for a table"
        raise UsageError(what, fix="leave --save away, or name the table")
    if file == STDIN:
        raise UsageError(
            "--save needs a table in a file: a recipe names it", fix="save stdin in a file first"
        )
    if not is_recipe(target):
        raise UsageError(f"{target} does not end with .toml", fix=f"name it {target.stem}.toml")
    check_place(target, _FLAG)
    saved = SavedRecipe(target, recipe_toml(saved_recipe(file, flags, target)))
    if not force and _is_other(target, saved.text):
        raise UsageError(f"{target} is there already", fix="name another file, or replace it with --force")
    return saved


def _is_other(target: Path, text: str) -> bool:
    """Return whether a file with another content is there."""
    try:
        return target.read_bytes() != text.encode("utf-8", "backslashreplace")
    except FileNotFoundError:
        return False
    except OSError:
        return True
