"""The labels of a recipe as the schema that is sent, and the files that they name."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final, NamedTuple

from runner.intake.class_schema import read_class_schema
from runner.rules.errors import UsageError, UserError
from runner.rules.labels.answer_schema import answer_schema, instructions, schema_bytes
from runner.rules.labels.contract import Contract
from runner.rules.labels.label_language import parse_labels
from runner.rules.labels.label_schema import read_label_schema
from runner.rules.recipes.recipe import RecipeFault, is_code
from runner.rules.table_faults import TableFault
from runner.tables.open_table import format_by_ending, open_table
from runner.tables.table import ReadOptions, TableError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runner.intake.recipe_file import RecipeFiles
    from runner.rules.recipes.recipe import Recipe
    from runner.tables.table import Table

_KEY: Final = "labels"
_NAMES: Final = ("name", "value", "label")
_TRUST_FIX: Final = "read the code; if you trust it, add --trust-code"
_FIX: Final = "begin the file with a line name,description and write one label a line"


class SentSchema(NamedTuple):
    """What is sent of the labels. `schema` is None where `faults` are found; `warnings` are sentences.

    It is None also where it `is_unknown`, since code would have to be run for it.
    """

    schema: bytes | None
    instructions: str = ""
    warnings: tuple[str, ...] = ()
    faults: tuple[RecipeFault, ...] = ()
    is_unknown: bool = False


def sent_schema(recipe: Recipe, files: RecipeFiles, *, skips_code: bool) -> SentSchema:
    """Return the schema that the labels of a recipe make, or all their faults.

    Code that may not be run is a fault; with `skips_code` it is a warning, and the schema is unknown.
    """
    if recipe.schema is not None and is_code(recipe.schema) and not files.may_run(recipe.schema):
        return _untrusted(recipe.schema, skips_code=skips_code)
    if recipe.schema is not None:
        return _of_schema(recipe.schema, files)
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


def _untrusted(code: str, *, skips_code: bool) -> SentSchema:
    if skips_code:
        warning = f"{code} is code, which was not run: labels, and tokens of the schema, are not checked"
        return SentSchema(None, warnings=(f"{warning}; add --trust-code to run it",), is_unknown=True)
    fault = RecipeFault("schema", f"{code} is code, and a recipe's code is not run", _TRUST_FIX)
    return SentSchema(None, faults=(fault,))


def _of_schema(written: str, files: RecipeFiles) -> SentSchema:
    try:
        raw = _of_class(written, files) if is_code(written) else files.read(written, "schema")
        found = read_label_schema(raw, written, is_file=not is_code(written))
        Contract(found.schema)  # an answer to a schema that cannot be compiled is paid for and never read
    except UserError as error:
        reason = "; ".join((_reason(error, "schema"), *error.where[1:]))
        fix = _class_fix(written) or error.fix or "correct the file"
        return SentSchema(None, faults=(RecipeFault("schema", reason, fix),))
    warnings = tuple(f"{problem.reason}; {problem.fix}" for problem in found.warnings)
    return SentSchema(found.schema, "", warnings)


def _class_fix(written: str) -> str:
    """Return how a class is written, where the name of one has a dot in place of the colon; else ""."""
    module, _, name = written.rpartition(".")
    is_meant = name[:1].isupper() and is_code(f"{module}:{name}")
    return f"a class is written with a colon: {module}:{name}" if is_meant else ""


def _of_class(code: str, files: RecipeFiles) -> bytes:
    found = read_class_schema(code, files.code_folder(code))
    if found.file is not None:
        with contextlib.suppress(OSError):  # a module within an archive
            files.note(found.file, found.file.read_bytes())
    return found.schema
