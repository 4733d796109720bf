"""The labels of a recipe: read, and brought into the schema and the words that each request has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.intake.open_recipe import LabelTexts
from runner.rules.answer_schema import answer_schema, instructions, schema_bytes
from runner.rules.errors import UsageError
from runner.rules.label_language import parse_labels
from runner.rules.label_schema import read_label_schema
from runner.rules.recipe import Recipe, RecipeFault
from runner.rules.row_faults import row_fault_sentence
from runner.rules.table_faults import TableFault
from runner.tables.open_table import open_table
from runner.tables.table import ReadOptions, TableError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runner.intake.recipe_file import RecipeFiles


def label_texts(recipe: Recipe, files: RecipeFiles) -> LabelTexts | list[RecipeFault]:
    """Return what the labels or the schema of a recipe lead to, or all their faults.

    Raises RecipeError where a file cannot be read.
    """
    if recipe.schema is not None:
        try:
            found = read_label_schema(files.read(recipe.schema, "schema"), recipe.schema)
        except UsageError as error:
            return [RecipeFault("schema", "; ".join((error.what, *error.where)), error.fix)]
        return LabelTexts(found.schema, instructions(found.fields))
    fields, faults = parse_labels(recipe.labels_text, lambda name: _values(name, files))
    if faults:
        return [RecipeFault(f"labels.{fault.field}", fault.reason, fault.fix) for fault in faults]
    return LabelTexts(schema_bytes(answer_schema(fields)), instructions(fields))


def _values(name: str, files: RecipeFiles) -> Iterator[tuple[str, str | None]]:
    """Yield the values of a file with their descriptions: its first two columns."""
    files.read(name, "labels")
    table = open_table(files.path(name, "labels"), ReadOptions())
    places = range(min(2, len(table.columns)))
    for item in table.batches():
        if isinstance(item, TableFault):
            raise TableError(f"{name}: {row_fault_sentence(item)}", fix="correct the file")
        for value, *description in item.values(places):
            yield str(value or ""), str(description[0] or "") if description else None
