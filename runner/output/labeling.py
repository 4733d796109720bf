"""What a stored recipe says about a labeled table: how the input is read, and which columns are added."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import orjson

from runner.rules.errors import Bug, UsageError
from runner.rules.labels.label_columns import fields_of_schema
from runner.tables.table import AddedColumn, CellKind, Format, ReadOptions

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from runner.rules.labels.label_field import LabelField

STATUS: Final = AddedColumn("_status", CellKind.TEXT)
ERROR: Final = AddedColumn("_error", CellKind.TEXT)
EXTRA_COLUMNS: Final[Mapping[str, AddedColumn]] = {  # by their words in `columns`, in the order of the table
    "cost": AddedColumn("_cost_usd", CellKind.NUMBER),  # of all answers of the row's job
    "model": AddedColumn("_model", CellKind.TEXT),  # the one that answered
    "asks": AddedColumn("_asks", CellKind.INTEGER),  # how often an answer was asked for, the first time too
    "answer": AddedColumn("_answer", CellKind.TEXT),  # the text of the last answer
}

_AS_FOUND: Final = ReadOptions()


@dataclass(frozen=True, slots=True, kw_only=True)
class Labeling:
    """How a labeled table is made. `schema` is the JSON schema of the answers, `extra` are the words of
    EXTRA_COLUMNS; `prefix` begins the name of each added column. `prompt_columns` are those of the table that
    the prompts read.
    """

    schema: Mapping[str, Any]
    fields: tuple[LabelField, ...]
    repair: bool = True
    extra: tuple[str, ...] = ()
    prefix: str = ""
    read: ReadOptions = _AS_FOUND
    prompt_columns: tuple[str, ...] = ()

    @property
    def added(self) -> tuple[AddedColumn, ...]:
        """Return the added columns in their order: the labels, status, error, and what else was asked for."""
        labels = [AddedColumn(field.name, CellKind(field.kind.value)) for field in self.fields]
        columns = (*labels, STATUS, ERROR, *(EXTRA_COLUMNS[word] for word in self.extra))
        return tuple(column._replace(name=f"{self.prefix}{column.name}") for column in columns)


def labeling_of(recipe: str) -> Labeling:
    """Return what `runs.recipe` says.

    Its keys are `schema`, `ask.repair`, `out.columns`, `out.prefix`, `prompt.columns` and `table.format`,
    `.encoding` and `.delimiter`. Raises Bug where it is no recipe: it was checked before it was stored.
    """
    try:
        return _labeling(orjson.loads(recipe))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Bug(f"the stored recipe cannot be read: {error!r}") from error


def chosen_columns(words: Collection[str]) -> tuple[str, ...]:
    """Return the words of EXTRA_COLUMNS in their order. Raises UsageError for one that is none."""
    unknown = [word for word in words if word not in EXTRA_COLUMNS]
    if unknown:
        what = f'"{unknown[0]}" is no column that can be added'
        raise UsageError(what, fix=f"use {', '.join(EXTRA_COLUMNS)}, with commas between them")
    return tuple(word for word in EXTRA_COLUMNS if word in words)


def _labeling(stored: Mapping[str, Any]) -> Labeling:
    ask, out, table, prompt = (stored.get(section) or {} for section in ("ask", "out", "table", "prompt"))
    wanted = frozenset(out.get("columns") or ())
    kind = table.get("format")
    return Labeling(
        schema=stored["schema"],
        fields=tuple(fields_of_schema(stored["schema"])),
        repair=ask.get("repair", True),
        extra=tuple(word for word in EXTRA_COLUMNS if word in wanted),
        prefix=out.get("prefix") or "",
        read=ReadOptions(
            format=Format(kind) if kind else None,
            encoding=table.get("encoding"),
            delimiter=table.get("delimiter"),
        ),
        prompt_columns=tuple(prompt.get("columns") or ()),
    )
