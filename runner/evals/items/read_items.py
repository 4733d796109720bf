"""Reads the items of a suite, in whatever form they are stored."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from runner.evals.items.inspect_item import inspect_item
from runner.evals.items.item_draft import BadRow, ItemDraft, has_field, value_at, with_system
from runner.evals.items.item_form import form_of, refuse_programs
from runner.evals.items.item_ids import ids_of
from runner.evals.items.item_rows import ItemRow, ItemRows, Place
from runner.evals.items.job_item import job_item
from runner.evals.items.openai_item import openai_item
from runner.evals.items.table_item import table_item
from runner.intake.recipe_file import ReadFile, RecipeFiles
from runner.intake.template_source import column_suggestion
from runner.rules.counted import count
from runner.rules.evaluation.report.night_content import items_sha256
from runner.rules.evaluation.suite.item import Item
from runner.rules.evaluation.suite.suite_items import FieldMap, ItemForm
from runner.rules.recipes.recipe import RecipeError
from runner.rules.table_faults import TableFault
from runner.tables.table import TableError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from runner.rules.evaluation.suite.suite_items import SuiteItems

FAULTS_KEPT: Final = 1_000
_READERS: Final[dict[ItemForm, Callable[[Mapping[str, Any], FieldMap], ItemDraft]]] = {
    ItemForm.JOBS: job_item,
    ItemForm.OPENAI_EVALS: openai_item,
    ItemForm.INSPECT: inspect_item,
    ItemForm.TABLE: table_item,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadItems:
    """The items of a suite in the order of the file, their places, and the first FAULTS_KEPT bad rows.

    `path` is the file with the rows. `sha256` is that of the items: it does not change with their order.
    """

    form: ItemForm
    path: Path
    items: Sequence[Item]
    places: Sequence[Place]
    faults: Sequence[TableFault]
    fault_count: int
    rows: int
    read_files: Sequence[ReadFile]
    sha256: str
    byte_count: int


def read_items(source: SuiteItems, folder: Path) -> ReadItems:
    """Return the items that a suite in a folder names; only files of that folder are read.

    Raises RecipeError or TableError where the file cannot be used as a whole: it cannot be read, has no
    known form, lacks a column that the suite names, or has no item at all.
    """
    files = RecipeFiles(folder, is_restricted=True, owner="suite")
    path = files.path(source.file, "items")
    is_recipe = source.form is ItemForm.RECIPE or path.suffix.lower() == ".toml"
    _check_keys(source, is_recipe=is_recipe)
    if is_recipe:
        from runner.evals.items.recipe_items import RecipeRows  # with templates and schemas

        recipe = RecipeRows(path, source)
        collected = Collected(recipe.path)
        for place, draft in recipe.drafts(collected.note):
            collected.add(place, draft)
        return collected.items(ItemForm.RECIPE, recipe.read_files, recipe.byte_count)
    return _read_rows(source, path)


def _check_keys(source: SuiteItems, *, is_recipe: bool) -> None:
    """Raise RecipeError for keys of [items] that the form of the items does not have."""
    if is_recipe and source.fields != FieldMap():
        fix = "leave out input, target and the like; name gold = { LABEL = COLUMN }"
        raise RecipeError(f"items: {source.file} is a recipe, which names the columns itself", fix=fix)
    if not is_recipe and source.gold:
        fix = 'name the recipe: file = "labels.toml"'
        raise RecipeError("items.gold: only the items of a recipe have gold columns", fix=fix)
    if source.form is ItemForm.JOBS and source.fields.input is not None:
        fix = 'leave it out, or write form = "table"'
        raise RecipeError("items.input: job lines have a prompt or messages", fix=fix)


def _read_rows(source: SuiteItems, path: Path) -> ReadItems:
    rows = ItemRows(path)
    collected = Collected(path)
    fields = _NamedFields(source.fields, path)
    form = source.form
    for row in rows:
        if isinstance(row, TableFault):
            collected.note(row)
            continue
        if form is None:
            form = form_of(row.members, source.fields, path, is_of_lines=rows.is_of_lines)
        elif not collected.rows:
            refuse_programs(row.members, path)
        fields.see(row.members)
        _add(collected, row, form, source.fields)
    if form is not None:
        fields.check()
    read_file = ReadFile(path, rows.sha256)
    return collected.items(form or ItemForm.TABLE, (read_file,), rows.byte_count)


def _add(collected: Collected, row: ItemRow, form: ItemForm, fields: FieldMap) -> None:
    """Add the item of a row, or what is wrong with it."""
    try:
        draft = _READERS[form](row.members, fields)
        if fields.system is not None:
            messages = with_system(draft.messages, value_at(row.members, fields.system), fields.system)
            draft = draft._replace(messages=messages)
    except BadRow as bad:
        collected.note(
            TableFault(
                line=row.place.line,
                row=row.place.row,
                column=bad.field or None,
                code=bad.code,
                reason=bad.reason,
                fix=bad.fix,
            )
        )
    else:
        collected.add(row.place, draft)


class Collected:
    """The items and faults of a file so far."""

    def __init__(self, path: Path) -> None:
        """`path`: the file with the rows, for errors."""
        self.rows = 0  # good and bad ones
        self._path = path
        self._drafts: list[ItemDraft] = []
        self._places: list[Place] = []
        self._faults: list[TableFault] = []
        self._bad_rows = 0
        self._given: dict[str, Place] = {}

    def note(self, fault: TableFault) -> None:
        """Add a bad row, or a fault of the file as a whole."""
        self.rows += 1
        self._bad_rows += 1
        if len(self._faults) < FAULTS_KEPT:
            self._faults.append(fault)

    def add(self, place: Place, draft: ItemDraft) -> None:
        """Add the item of a row, unless its id was there before."""
        if draft.id is not None:
            first = self._given.setdefault(draft.id, place)
            if first is not place:
                self.note(_repeated(draft.id, place, first))
                return
        self.rows += 1
        self._drafts.append(draft)
        self._places.append(place)

    def items(self, form: ItemForm, read_files: Sequence[ReadFile], byte_count: int) -> ReadItems:
        """Return what was collected, with an id for each item. Raises TableError where there is no row."""
        if not self.rows:
            raise TableError(f"{self._path} has no items", fix="give it at least one row")
        ids = ids_of(self._drafts)
        found = [Item(given, *draft[1:]) for given, draft in zip(ids, self._drafts, strict=True)]
        return ReadItems(
            form=form,
            path=self._path,
            items=found,
            places=self._places,
            faults=self._faults,
            fault_count=self._bad_rows,
            rows=self.rows,
            read_files=read_files,
            sha256=items_sha256(found),
            byte_count=byte_count,
        )


class _NamedFields:
    """The fields that a suite names, and whether any row has them."""

    def __init__(self, fields: FieldMap, path: Path) -> None:
        singles = (fields.input, fields.target, fields.id, fields.choices, fields.cluster, fields.system)
        self._missing = {name for name in (*singles, *(fields.metadata or ())) if name is not None}
        self._seen: Counter[str] = Counter()
        self._path = path

    def see(self, row: Mapping[str, Any]) -> None:
        """Look at a row."""
        if self._missing:
            self._missing -= {name for name in self._missing if has_field(row, name)}
            self._seen.update(row)

    def check(self) -> None:
        """Raise TableError with all fields that are in no row."""
        seen = [*self._seen, *(name for name in ("metadata.…",) if "metadata" in self._seen)]
        cures = {name: column_suggestion(name, seen) for name in sorted(self._missing)}
        if len(cures) == 1:
            ((name, cure),) = cures.items()
            raise TableError(f'{self._path} has no column "{name:.60}", which the suite names', fix=cure)
        if cures:
            raise TableError(
                f"{self._path} lacks {count(len(cures), 'column')} that the suite names",
                where=tuple(f'"{name:.60}": {cure}' for name, cure in cures.items()),
                fix="correct their names under [items]",
            )


def _repeated(item_id: str, place: Place, first: Place) -> TableFault:
    return TableFault(
        line=place.line,
        row=place.row,
        code="duplicate-id",
        reason=f'the id "{item_id:.60}" is that of {first} too',
        fix="give each item an id of its own, or leave out the ids",
    )
