"""Reads the rows of a labeling recipe as items: what is sent is what `runner compile` makes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson

from runner.evals.items.item_draft import ItemDraft
from runner.evals.items.item_rows import Place
from runner.intake.compile_table import CompiledTable
from runner.intake.labeled_examples import Answers
from runner.intake.plan_table import plan_table
from runner.intake.recipe_file import ReadFile, RecipeFiles, read_recipe_file
from runner.intake.recipe_labels import sent_schema
from runner.intake.template_source import column_suggestion
from runner.rules import models
from runner.rules.recipes.recipe import RecipeError, RecipeFault, error_of_faults
from runner.rules.recipes.recipe_identity import RecipeTexts
from runner.rules.table_faults import TableFault
from runner.tables.open_table import open_table
from runner.tables.table import ReadOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from runner.intake.compile_table import Plan
    from runner.rules.evaluation.suite.suite_items import SuiteItems
    from runner.rules.recipes.recipe import Recipe
    from runner.tables.table import Table

_NOT_OF_ITEM: Final = ("model", "messages")  # fields of the request: the model is that of the suite


class RecipeRows:
    """The rows of a recipe's table. `path` is the table, `read_files` all that was read beside it.

    An item is what is sent for a row, without the model; its target are the gold columns that the suite
    names, as values of the recipe's schema.
    """

    def __init__(self, recipe_path: Path, source: SuiteItems) -> None:
        """Read the recipe and the head of the table. Raises RecipeError, UsageError or TableError."""
        self._title = str(recipe_path)
        recipe = read_recipe_file(recipe_path)
        files = RecipeFiles(recipe_path.parent, is_restricted=True)
        if recipe.table.file is None:
            fix = 'give it file = "reviews.csv" under [table]'
            raise RecipeError(f"{recipe_path} names no table", fix=fix)
        self.path = files.path(recipe.table.file, "table.file")
        self._read = ReadOptions(encoding=recipe.table.encoding, delimiter=recipe.table.delimiter)
        texts = _texts(recipe, files, self._title)
        table = self._open()
        self._plan = self._planned(recipe, texts, table, files)
        self._has_ids = recipe.table.id is not None
        self._gold = _GoldColumns(source.gold, texts.schema, table.columns, self._title)
        self.byte_count = 0
        files.note(recipe_path, recipe_path.read_bytes())
        self.read_files = (*files.read_files,)

    def drafts(self, note: Callable[[TableFault], None]) -> Iterator[tuple[Place, ItemDraft]]:
        """Yield the item of each row that is sent, with its place; `note` gets every bad row."""
        compiled = CompiledTable(self._plan, self._open, note)
        gold = self._gold_rows()
        for number, custom_id, content in compiled.rows():
            body = orjson.loads(self._plan.frame.body(content))
            target = next(target for row, target in gold if row == number)
            if isinstance(target, TableFault):
                note(target)
                continue
            yield (
                Place(None, number),
                ItemDraft(
                    messages=body["messages"],
                    target=target,
                    id=custom_id if self._has_ids else None,
                    body={name: value for name, value in body.items() if name not in _NOT_OF_ITEM},
                ),
            )
        self.read_files = (*self.read_files, ReadFile(self.path, compiled.sha256))
        self.byte_count = self.path.stat().st_size

    def _open(self) -> Table:
        return open_table(self.path, self._read)

    def _gold_rows(self) -> Iterator[tuple[int, Mapping[str, Any] | TableFault | None]]:
        """Yield the number and target of each readable row, beside the prompts in the same order."""
        gold = self._gold
        table = self._open()
        places = [table.columns.index(column) for column in gold.columns]
        for item in table.batches():
            if isinstance(item, TableFault):
                continue
            for number, cells in enumerate(item.values(places), item.first):
                yield number, gold.target(number, cells)

    def _planned(self, recipe: Recipe, texts: RecipeTexts, table: Table, files: RecipeFiles) -> Plan:
        examples = None
        if recipe.prompt.examples is not None:
            examples = open_table(files.path(recipe.prompt.examples, "prompt.examples"), ReadOptions())
        return plan_table(recipe, texts, table.columns, examples=examples, title=self._title)


def _texts(recipe: Recipe, files: RecipeFiles, title: str) -> RecipeTexts:
    """Return what the files of a recipe hold. Raises RecipeError."""
    sent = sent_schema(recipe, files, skips_code=False)
    if sent.schema is None:
        faults = sent.faults or (RecipeFault("labels", "there are no labels", "give labels or a schema"),)
        raise error_of_faults(title, faults)
    prompt = recipe.prompt
    if prompt.examples is not None:
        files.read(prompt.examples, "prompt.examples")
    return RecipeTexts(
        model=prompt.model or models.DEFAULT,
        system=files.text_of(prompt.system or "", "prompt.system"),
        user=None if prompt.user is None else files.text_of(prompt.user, "prompt.user"),
        schema=sent.schema,
        instructions=sent.instructions,
    )


class _GoldColumns:
    """The columns that hold the right values of the answer's fields."""

    def __init__(self, gold: Mapping[str, str], schema: bytes, columns: tuple[str, ...], title: str) -> None:
        """Raises RecipeError for a field that the schema lacks, or a column that the table lacks."""
        whole = orjson.loads(schema)
        properties = whole.get("properties", {})
        faults = [
            RecipeFault(f"items.gold.{name}", f'{title} has no label "{name:.40}"', _one_of(properties))
            for name in gold
            if name not in properties
        ]
        faults += [
            RecipeFault(
                f"items.gold.{name}", f'there is no column "{column:.40}"', column_suggestion(column, columns)
            )
            for name, column in gold.items()
            if column not in columns
        ]
        if faults:
            raise RecipeError(
                "the gold columns of the suite do not fit its recipe",
                where=tuple(str(fault) for fault in faults),
                fix="correct [items] gold; nothing was sent",
            )
        kept = {name: properties[name] for name in gold}
        self._names = tuple(gold)
        self.columns = tuple(gold.values())
        self._answers = Answers({**whole, "properties": kept, "required": list(gold)})

    def target(self, number: int, cells: tuple[Any, ...]) -> Mapping[str, Any] | TableFault | None:
        """Return the target of a row; None without gold columns."""
        if not self.columns:
            return None
        found = self._answers.answer(dict(zip(self._names, cells, strict=True)))
        if isinstance(found, TableFault):
            column = None if found.column is None else self.columns[self._names.index(found.column)]
            return TableFault(row=number, column=column, code=found.code, reason=found.reason, fix=found.fix)
        target: dict[str, Any] = orjson.loads(found)
        return target


def _one_of(properties: Mapping[str, Any]) -> str:
    return f"use one of: {', '.join(properties)}"
