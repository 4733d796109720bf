"""Reads a recipe file, and the files that a recipe names."""

from __future__ import annotations

import hashlib
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from runner.rules.errors import UsageError
from runner.rules.other_files.binary_files import HEAD_BYTES, binary_file
from runner.rules.other_files.other_file import cure_for
from runner.rules.recipes.recipe import (
    FILE_PREFIX,
    Recipe,
    RecipeError,
    RecipeFault,
    error_of_faults,
    is_suite_table,
)
from runner.rules.recipes.recipe_table import read_recipe

if TYPE_CHECKING:
    from collections.abc import Collection

_BYTES_MAX: Final = 16 << 20
_BOM: Final = "\ufeff"


class ReadFile(NamedTuple):
    """A file that was read for a recipe."""

    path: Path
    sha256: str


class RecipeFiles:
    """The files that a recipe may name, by paths from `folder`, and the list of those that were read.

    With `is_restricted` a file outside of the folder is refused unless its path is one of `allowed`, those
    that flags named: a recipe of another person must not put private files into requests. Neither is code
    run, unless it was named by a flag or `trusts_code`.
    """

    def __init__(
        self,
        folder: Path,
        *,
        is_restricted: bool,
        allowed: Collection[str] = (),
        trusts_code: bool = False,
        owner: str = "recipe",
    ) -> None:
        """Read nothing yet. `owner`: what names the files, for errors."""
        self.folder = folder
        self.read_files: list[ReadFile] = []
        self._is_restricted = is_restricted
        self._allowed = frozenset(allowed)
        self._trusts_code = trusts_code
        self._owner = owner

    def may_run(self, code: str) -> bool:
        """Return whether `module:Class` may be imported."""
        return self._trusts_code or self._is_of_flag(code)

    def code_folder(self, code: str) -> Path:
        """Return where its module is looked for: the current folder for a flag, else that of the recipe."""
        return Path() if self._is_of_flag(code) else self.folder

    def _is_of_flag(self, written: str) -> bool:
        return not self._is_restricted or written in self._allowed

    def path(self, written: str, key: str) -> Path:
        """Return the path of a file as written in a recipe; `key` names the place. Raises RecipeError."""
        path = self.folder / written
        if not self._is_of_flag(written):
            try:
                inside = path.resolve().is_relative_to(self.folder.resolve())
            except (OSError, RuntimeError, ValueError) as error:
                raise _unreadable(written, key, error) from error
            if not inside:
                what = f"{key}: {written} is outside of the {self._owner}'s folder, {self.folder}"
                fix = f"move it beside the {self._owner}"
                if self._owner == "recipe":
                    fix += ", or name it with the flag on the command line"
                raise RecipeError(what, fix=fix)
        return path

    def read(self, written: str, key: str) -> bytes:
        """Return the bytes of a file, at most 16 MiB. Raises RecipeError."""
        path = self.path(written, key)
        try:
            with path.open("rb") as file:
                content = file.read(_BYTES_MAX + 1)
        except (OSError, ValueError) as error:
            raise _unreadable(written, key, error) from error
        if len(content) > _BYTES_MAX:
            raise RecipeError(f"{key}: {written} is larger than 16 MiB", fix="name a smaller file")
        self.note(path, content)
        return content

    def note(self, path: Path, content: bytes) -> None:
        """Put a file on the list of those that were read."""
        self.read_files.append(ReadFile(path, hashlib.sha256(content).hexdigest()))

    def text(self, written: str, key: str) -> str:
        """Return a file as text, without a byte order mark. Raises RecipeError where it is not UTF-8."""
        try:
            return self.read(written, key).decode().removeprefix(_BOM)
        except UnicodeDecodeError as error:
            line = error.object[: error.start].count(b"\n") + 1
            what = f"{key}: {written} is not UTF-8 on line {line}"
            raise RecipeError(what, fix="save it in UTF-8") from error

    def text_of(self, value: str, key: str) -> str:
        """Return a text of a recipe: itself, or the content of the file that `file:NAME` names."""
        if not value.startswith(FILE_PREFIX):
            return value
        return self.text(value.removeprefix(FILE_PREFIX).strip(), key)


def read_recipe_file(path: Path) -> Recipe:
    """Return the recipe of a file. Raises RecipeError with all faults, UsageError if it cannot be read."""
    table = read_toml(path, "recipe")
    if is_suite_table(table):
        raise RecipeError(
            f"{path} is a suite of an evaluation, no recipe", fix=f"runner check {path} reads it"
        )
    recipe, faults = read_recipe(table)
    if faults:
        raise error_of_faults(str(path), faults)
    return recipe


def read_toml(path: Path, what: str) -> dict[str, Any]:
    """Return the tables of a TOML file. `what` it is, such as a recipe, is for errors.

    Raises RecipeError where it is no TOML, UsageError where it cannot be read.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"the {what} cannot be read: {path}: {error.strerror}", fix="check the path"
        ) from error
    try:
        return tomllib.loads(content.decode().removeprefix(_BOM))
    except UnicodeDecodeError as error:
        other = binary_file(content[:HEAD_BYTES])
        found, fix = (other.what, other.fix) if other else ("not UTF-8", "save it in UTF-8")
        raise RecipeError(f"{path} is {found}", fix=cure_for(fix, str(path), ".toml")) from error
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        fault = RecipeFault(
            "", f"this is not TOML: {error}", 'texts stand in quotes, like model = "grok-4.3"'
        )
        raise error_of_faults(str(path), [fault], what) from error


def _unreadable(written: str, key: str, error: Exception) -> RecipeError:
    reason = getattr(error, "strerror", None) or str(error)
    return RecipeError(f"{key}: {written} cannot be read: {reason}", fix="check the path")
