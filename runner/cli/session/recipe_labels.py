"""The labels of a recipe as the schema that is sent, and the files that they name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from runner.rules.answer_schema import answer_schema, instructions, schema_bytes
from runner.rules.contract import Contract
from runner.rules.errors import UsageError, UserError
from runner.rules.label_language import parse_labels
from runner.rules.label_schema import read_label_schema
from runner.rules.recipe import RecipeFault
from runner.rules.table_faults import TableFault
from runner.tables.open_table import format_by_ending, open_table
from runner.tables.table import ReadOptions, TableError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runner.intake.recipe_file import RecipeFiles
    from runner.rules.recipe import Recipe
    from runner.tables.table import Table

_KEY: Final = "labels"
_NAMES: Final = ("name", "value", "label")
_FIX: Final = "begin the file with a line name,description and write one label a line"


class SentSchema(NamedTuple):
    """What is sent of the labels. `schema` is None where `faults` are found; `warnings` are sentences."""

    schema: bytes | None
    instructions: str = ""
    warnings: tuple[str, ...] = ()
    faults: tuple[RecipeFault, ...] = ()


def sent_schema(recipe: Recipe, files: RecipeFiles) -> SentSchema:
    """Return the schema that the labels of a recipe make, or all their faults."""
    if recipe.schema is not None:
        return _of_file(recipe.schema, files)
    if not recipe.labels:
        return SentSchema(None)  # a fault of the recipe as a whole
    fields, faults = parse_labels(recipe.labels_text, lambda name: _values(name, files))
    if faults:
        return SentSchema(
            None, faults=tuple(RecipeFault(f"labels.{one.field}", one.reason, one.fix) for one in faults)
        )
    return SentSchema(schema_bytes(answer_schema(fields)), instructions(fields))


def _values(name: str, files: RecipeFiles) -> Iterator[tuple[str, str | None]]:
    """Yield what `values_of_file` does. The fault of a file names no key: the field that it is in does."""
    try:
        yield from values_of_file(name, files)
    except UserError as error:
        raise UsageError(_reason(error, _KEY), fix=error.fix) from error


def _reason(error: UserError, key: str) -> str:
    """Return what is wrong and where, without the key of the recipe that leads to it."""
    return ": ".join(text.removeprefix(f"{key}: ") for text in (error.what, *error.where[:1]))


def values_of_file(name: str, files: RecipeFiles) -> Iterator[tuple[str, str | None]]:
    """Yield the labels of a file with their descriptions: a table, or a text with one label a line.

    A table has a column name, value or label, and may have one more with descriptions. Raises UserError.
    """
    if format_by_ending(files.path(name, _KEY)) is not None:
        files.read(name, _KEY)  # for its size, and the list of files that were read
        yield from _values_of_table(open_table(files.path(name, _KEY), ReadOptions()), name)
        return
    lines = (line.strip() for line in files.text(name, _KEY).splitlines())
    yield from ((line, None) for line in lines if line)


def _values_of_table(table: Table, name: str) -> Iterator[tuple[str, str | None]]:
    if not table.columns or table.columns[0].strip().lower() not in _NAMES:
        raise TableError(f"{name} has no column with labels", fix=_FIX)
    columns = range(min(len(table.columns), 2))
    for item in table.batches():
        if isinstance(item, TableFault):
            raise TableError(f"{name}: {item.reason}", fix=item.fix)
        for label, *description in item.values(columns):
            yield str(label), str(description[0]) if description and description[0] else None


def _of_file(written: str, files: RecipeFiles) -> SentSchema:
    try:
        found = read_label_schema(files.read(written, "schema"), written)
        Contract(found.schema)  # an answer to a schema that cannot be compiled is paid for and never read
    except UserError as error:
        reason = "; ".join((_reason(error, "schema"), *error.where[1:]))
        return SentSchema(None, faults=(RecipeFault("schema", reason, error.fix or "correct the file"),))
    warnings = tuple(f"{problem.reason}; {problem.fix}" for problem in found.warnings)
    return SentSchema(found.schema, "", warnings)
