"""Whether a file of the command line is a recipe; everything else is a job file, or a table for `label`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

_RECIPE_ENDING: Final = ".toml"


def is_recipe(file: Path) -> bool:
    """Return whether a file is a recipe, by its name."""
    return file.suffix.lower() == _RECIPE_ENDING
