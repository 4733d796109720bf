"""Opens a recipe: its files, its labels, its examples and its table, ready to be compiled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from runner.intake.compile_table import CompiledTable
from runner.intake.plan_table import plan_table
from runner.rules import models
from runner.rules.recipe import RecipeFault, error_of_faults, recipe_faults
from runner.rules.recipe_identity import RecipeTexts, canonical_sha256
from runner.tables.table import ReadOptions

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from runner.intake.compile_table import Plan
    from runner.intake.recipe_file import RecipeFiles
    from runner.rules.recipe import Recipe
    from runner.tables.table import Table

    OpenTable = Callable[[Path, ReadOptions], Table]


class LabelTexts(NamedTuple):
    """What labels lead to: the schema as it is sent, and the words that end the system prompt."""

    schema: bytes
    instructions: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedRecipe:
    """A recipe with all that its files hold. `sha256` is its part of a run's identity.

    `open_table` opens the table from its beginning.
    """

    recipe: Recipe
    texts: RecipeTexts
    plan: Plan
    open_table: Callable[[], Table]

    @property
    def sha256(self) -> str:
        """Return the digest of all that shapes the requests, in hex."""
        return canonical_sha256(self.recipe, self.texts)

    def compiled(self) -> CompiledTable:
        """Return a pass over the table."""
        return CompiledTable(self.plan, self.open_table)


def open_recipe(
    recipe: Recipe,
    files: RecipeFiles,
    *,
    open_table: OpenTable,
    read_labels: Callable[[Recipe, RecipeFiles], LabelTexts | list[RecipeFault]],
    title: str | None,
) -> OpenedRecipe:
    """Read what a recipe names, and the header of its table; no row of it is read.

    Raises the error of `error_of_faults` with all faults, RecipeError or TableError where a file cannot be
    read. `title` names the recipe's file; None is a recipe of flags alone.
    """
    faults = recipe_faults(recipe)
    if recipe.table.file is None:
        faults.append(RecipeFault("table.file", "there is no table", "name its file"))
    if faults or recipe.table.file is None:
        raise error_of_faults(title, faults)
    path = files.path(recipe.table.file, "table.file")
    options = ReadOptions(encoding=recipe.table.encoding, delimiter=recipe.table.delimiter)
    examples = _examples(recipe, files, open_table)
    prompt, labels = recipe.prompt, read_labels(recipe, files)
    if isinstance(labels, list):
        raise error_of_faults(title, labels)
    texts = RecipeTexts(
        model=prompt.model or models.DEFAULT,
        system=files.text_of(prompt.system or "", "prompt.system"),
        user=None if prompt.user is None else files.text_of(prompt.user, "prompt.user"),
        schema=labels.schema,
        instructions=labels.instructions,
        examples_sha256=None if examples is None else examples.sha256,
    )
    plan = plan_table(
        recipe,
        texts,
        open_table(path, options).columns,
        examples=None if examples is None else examples.table,
        title=title,
    )
    return OpenedRecipe(recipe=recipe, texts=texts, plan=plan, open_table=lambda: open_table(path, options))


class _ExamplesFile(NamedTuple):
    table: Table
    sha256: str


def _examples(recipe: Recipe, files: RecipeFiles, open_table: OpenTable) -> _ExamplesFile | None:
    """Return the opened examples, and the digest of their bytes; it is noted by reading them."""
    written = recipe.prompt.examples
    if written is None:
        return None
    files.read(written, "prompt.examples")
    table = open_table(files.path(written, "prompt.examples"), ReadOptions())
    return _ExamplesFile(table, files.read_files[-1].sha256)
