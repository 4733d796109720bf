"""From a recipe to a table that can be loaded: all faults that are known before a row is read, at once."""

from __future__ import annotations

import difflib
import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from runner.intake.input_file import TABLE, check_is_file
from runner.intake.plan_table import plan_table
from runner.intake.recipe_input import RowFlags, TableInput
from runner.intake.recipe_labels import sent_schema
from runner.output.labeling import EXTRA_COLUMNS, labeling_of
from runner.rules import models
from runner.rules.errors import UsageError, UserError
from runner.rules.labels.stored_recipe import stored_recipe
from runner.rules.recipes.recipe import FAULTS_SHOWN, Recipe, RecipeError
from runner.rules.recipes.recipe_identity import RecipeTexts, canonical_sha256
from runner.tables.open_table import open_table
from runner.tables.table import ReadOptions

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from runner.intake.compile_table import Plan
    from runner.intake.recipe_file import ReadFile, RecipeFiles
    from runner.intake.recipe_labels import SentSchema
    from runner.output.labeling import Labeling
    from runner.tables.table import Table

# In place of a schema that has a fault, so that faults of other parts are found as well.
_ANY_SCHEMA: Final = (
    b'{"type":"object","properties":{"label":{"type":"string"}},"required":["label"],'
    b'"additionalProperties":false}'
)
_FLAG_OF: Final = {
    "labels": "--labels",
    "schema": "--schema",
    "table.id": "--id",
    "table.where": "--where",
    "table.sample": "--sample",
    "table.seed": "--seed",
    "prompt.user": "--user",
    "prompt.system": "--system",
    "prompt.text": "--text",
    "prompt.image": "--image",
    "prompt.examples": "--examples",
    "prompt.set": "--set",
    "prompt": "--text or --user",
    "out.columns": "--columns",
    "out.prefix": "--prefix",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeOrigin:
    """A recipe, where it comes from, and the files that it may name.

    `title` is the path of its file; None where it comes from flags. `table`: the path of the table.
    """

    recipe: Recipe
    table: Path
    files: RecipeFiles
    title: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedTable:
    """A table that can be loaded, with what `check` shows of it. `warnings` are sentences on the recipe.

    `schema` is None where it is that of code that was skipped: such a table is for `check` alone.
    """

    input: TableInput
    recipe: Recipe
    schema: bytes | None
    columns: tuple[str, ...]
    read_files: tuple[ReadFile, ...]
    warnings: tuple[str, ...]


def prepare_table(origin: RecipeOrigin, flags: RowFlags, *, skips_code: bool = False) -> PreparedTable:
    """Return the table of a recipe, ready to be loaded; no row of it is read.

    With `skips_code`, labels of code that may not be run are left out and warned of, instead of refused.
    Raises UsageError or RecipeError with all faults of the recipe, TableError where the table has no columns.
    """
    check_is_file(origin.table, TABLE)
    choice = origin.recipe.table
    read = ReadOptions(encoding=choice.encoding, delimiter=choice.delimiter)
    table = open_table(origin.table, read)
    sent = sent_schema(origin.recipe, origin.files, skips_code=skips_code)
    return _Preparation(origin, table, sent).prepared(flags)


def _as_read(recipe: Recipe, reading: ReadOptions) -> Recipe:
    """Return a recipe with the encoding and the delimiter of its table.

    A run is the same whether they were given or found out.
    """
    choice = replace(recipe.table, encoding=reading.encoding, delimiter=reading.delimiter)
    return replace(recipe, table=choice)


class _Preparation:
    """Collects the faults of a recipe, part by part."""

    def __init__(self, origin: RecipeOrigin, table: Table, sent: SentSchema) -> None:
        self._origin, self._table, self._sent = origin, table, sent
        self._recipe = _as_read(origin.recipe, table.reading)
        self._faults = [str(fault) for fault in sent.faults]

    def prepared(self, flags: RowFlags) -> PreparedTable:
        """Return the table with its plan. Raises UsageError or RecipeError."""
        recipe, sent = self._recipe, self._sent
        schema = sent.schema or _ANY_SCHEMA
        texts = self._texts(schema, sent.instructions)
        plan = self._plan(texts)
        self._check_extra_columns()
        self._check_added_columns(sent.schema)
        if self._faults or plan is None or (sent.schema is None and not sent.is_unknown):
            raise self._error()
        stored = self._stored(schema, plan.prompt.columns)
        return PreparedTable(
            input=TableInput(
                path=self._origin.table,
                read_options=self._table.reading,
                plan=plan,
                model=texts.model,
                recipe=stored,
                recipe_sha256=canonical_sha256(recipe, texts),
                flags=flags,
            ),
            recipe=recipe,
            schema=sent.schema,
            columns=self._table.columns,
            read_files=tuple(self._origin.files.read_files),
            warnings=sent.warnings,
        )

    def _texts(self, schema: bytes, instructions: str) -> RecipeTexts:
        prompt = self._recipe.prompt
        return RecipeTexts(
            model=prompt.model or models.DEFAULT,
            system=self._text(prompt.system or "", "prompt.system"),
            user=None if prompt.user is None else self._text(prompt.user, "prompt.user"),
            schema=schema,
            instructions=instructions,
            examples_sha256=self._examples_sha256(),
        )

    def _text(self, value: str, key: str) -> str:
        try:
            return self._origin.files.text_of(value, key)
        except UserError as error:
            self._note(error)
            return "x"  # so that an empty prompt is no second fault

    def _examples_sha256(self) -> str | None:
        written = self._recipe.prompt.examples
        if written is None:
            return None
        try:
            return hashlib.sha256(self._origin.files.read(written, "prompt.examples")).hexdigest()
        except UserError as error:
            self._note(error)
            return None

    def _plan(self, texts: RecipeTexts) -> Plan | None:
        examples = None
        try:
            if texts.examples_sha256 is not None and self._sent.schema is not None:
                path = self._origin.files.path(self._recipe.prompt.examples or "", "prompt.examples")
                examples = open_table(path, ReadOptions())
            title, columns = self._origin.title, self._table.columns
            return plan_table(self._recipe, texts, columns, examples=examples, title=title)
        except UserError as error:
            self._note(error)
        return None

    def _check_extra_columns(self) -> None:
        """Note the words of `columns` that are none."""
        self._faults += [
            f'out.columns: "{word}" is no column that can be added; {_suggestion(word)}'
            for word in self._recipe.out.columns
            if word not in EXTRA_COLUMNS
        ]

    def _check_added_columns(self, schema: bytes | None) -> None:
        """Note the added columns that the table has already."""
        prefix = self._recipe.out.prefix or ""
        added = [column.name for column in self._labeling(schema or _ANY_SCHEMA).added]
        known = added if schema is not None else added[1:]  # the first is that of the schema in its place
        taken = [name for name in known if name in self._table.columns]
        if f"{prefix}_status" in taken:
            names = ", ".join(taken)
            fix = "give another --prefix, such as --prefix second_, to add labels beside those"
            self._faults.append(f"out.prefix: the table has been labeled before, it has {names}; {fix}")
        elif taken:
            fix = "rename the label, or put a prefix before all added columns with --prefix"
            self._faults.append(f"out.prefix: the table has a column {', '.join(taken)} already; {fix}")

    def _labeling(self, schema: bytes) -> Labeling:
        return labeling_of(self._stored(schema))

    def _stored(self, schema: bytes, prompt_columns: Sequence[str] = ()) -> str:
        return stored_recipe(
            self._recipe,
            schema=schema,
            table_format=self._table.format.value,
            prompt_columns=prompt_columns,
        )

    def _note(self, error: UserError) -> None:
        self._faults += error.where or (error.what + (f"; {error.fix}" if error.fix else ""),)

    def _error(self) -> UserError:
        """Return the error with all faults; those of flags name the flags."""
        title = self._origin.title
        faults = list(dict.fromkeys(self._faults))
        shown = faults if title is not None else [_with_flag(fault) for fault in faults]
        where = tuple(shown[:FAULTS_SHOWN])
        if len(shown) > FAULTS_SHOWN:
            where = (*where, f"… and {len(shown) - FAULTS_SHOWN:,} more")
        if title is None:
            return UsageError(f"{self._origin.table} cannot be labeled like this", where=where, fix=_FIX)
        return RecipeError(f"{title} cannot be used for {self._origin.table}", where=where, fix=_FIX)


_FIX: Final = "nothing was loaded or sent; correct this and run the same command again"


def _suggestion(word: str) -> str:
    near = difflib.get_close_matches(word, EXTRA_COLUMNS, n=1)
    return f'did you mean "{near[0]}"?' if near else f"use {', '.join(EXTRA_COLUMNS)}"


def _with_flag(fault: str) -> str:
    """Return a fault with the name of the flag in place of the recipe's key."""
    key, colon, rest = fault.partition(": ")
    for known, flag in _FLAG_OF.items():
        if colon and (key == known or key.startswith(f"{known}.")):
            return f"{flag}{key[len(known) :].replace('.', ' ', 1)}: {rest}"
    return fault
