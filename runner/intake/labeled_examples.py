"""Examples of labeled rows, which every request shows before its own row."""

from __future__ import annotations

import json
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import orjson

from runner.intake.template_source import column_suggestion
from runner.intake.templates import RenderError
from runner.rules.recipes.recipe import RecipeFault
from runner.rules.requests.request_frame import Example
from runner.rules.table_faults import TableFault

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from runner.intake.row_prompt import RowPrompt
    from runner.tables.table import Table

_ROWS_MAX: Final = 1_000
_KEY: Final = "prompt.examples"
_WORDS: Final = {"yes": True, "true": True, "no": False, "false": False}


class Answers:
    """Makes the answer of an example from its label columns, and holds it against the schema."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        """`schema`: that of a whole answer, an object."""
        import jsonschema_rs

        self._schema = schema
        properties = schema.get("properties", {})
        shared = {name: schema[name] for name in ("$defs", "definitions") if name in schema}
        self.columns = tuple(properties)
        self.required = tuple(name for name in schema.get("required", self.columns) if name in properties)
        self._fields = {
            name: jsonschema_rs.validator_for({**shared, **field}) if isinstance(field, dict) else None
            for name, field in properties.items()
        }
        self._whole = jsonschema_rs.validator_for(dict(schema))

    def answer(self, row: Mapping[str, Any]) -> str | TableFault:
        """Return the JSON of a row's labels, or what is wrong with one of them."""
        labels: dict[str, Any] = {}
        for column in self.columns:
            if column not in row:
                continue
            fitting = [value for value in _readings(row[column]) if self._fits(column, value)]
            if not fitting:
                reason = f"{_shown(row[column])} does not fit the label {column}"
                return TableFault(
                    column=column, code="bad-label", reason=reason, fix="write one of its values"
                )
            labels[column] = fitting[0]
        error = next(self._whole.iter_errors(labels), None)
        if error is not None:
            reason = f"the labels do not fit the schema: {error.message}"
            return TableFault(code="bad-label", reason=reason, fix="correct the row")
        return json.dumps(labels, ensure_ascii=False, separators=(",", ":"))

    def _fits(self, column: str, value: Any) -> bool:
        validator = self._fields[column]
        return validator is None or bool(validator.is_valid(value))


def read_examples(
    table: Table, prompt: RowPrompt, schema: Mapping[str, Any]
) -> tuple[list[Example], list[RecipeFault]]:
    """Return the examples of a table with the columns of the prompt and of the labels, and all its faults."""
    answers = Answers(schema)
    missing = [name for name in (*prompt.columns, *answers.required) if name not in table.columns]
    if missing:
        return [], [_missing(name, table.columns) for name in dict.fromkeys(missing)]
    examples: list[Example] = []
    faults: list[RecipeFault] = []
    for number, row in islice(_numbered(table), _ROWS_MAX + 1):
        found = row if isinstance(row, TableFault) else _example(row, prompt, answers)
        if isinstance(found, Example):
            examples.append(found)
        else:
            faults.append(_at_row(number, found))
    return examples, faults or _count_faults(len(examples))


def _count_faults(count: int) -> list[RecipeFault]:
    if not count:
        return [RecipeFault(_KEY, "the examples have no rows", "add rows, or leave the file out")]
    if count > _ROWS_MAX:
        reason = f"there are more than {_ROWS_MAX:,} examples, and each request has them all"
        return [RecipeFault(_KEY, reason, "keep the best ones")]
    return []


def _missing(name: str, columns: Sequence[str]) -> RecipeFault:
    return RecipeFault(_KEY, f'the examples have no column "{name}"', column_suggestion(name, columns))


def _at_row(number: int, fault: TableFault) -> RecipeFault:
    column = f", column {fault.column}" if fault.column else ""
    return RecipeFault(_KEY, f"row {number}{column}: {fault.reason}", fault.fix)


def _example(row: Mapping[str, Any], prompt: RowPrompt, answers: Answers) -> Example | TableFault:
    try:
        content = prompt.content(row)
    except RenderError as error:
        return TableFault(column=error.column, code=error.code, reason=error.reason, fix=error.fix)
    answer = answers.answer(row)
    if isinstance(answer, TableFault):
        return answer
    return Example(content, answer)


def _numbered(table: Table) -> Iterator[tuple[int, Mapping[str, Any] | TableFault]]:
    columns = range(len(table.columns))
    for item in table.batches():
        if isinstance(item, TableFault):
            yield item.row or 1, item
            continue
        for number, cells in enumerate(item.values(columns), item.first):
            yield number, dict(zip(table.columns, cells, strict=True))


def _readings(cell: Any) -> Sequence[Any]:
    """Return what a cell can mean: a text also as yes or no, as JSON, as a list of parts, and as null."""
    if not isinstance(cell, str):
        return (cell,)
    text = cell.strip()
    readings: list[Any] = [cell, text]
    if text.lower() in _WORDS:
        readings.append(_WORDS[text.lower()])
    with suppress(orjson.JSONDecodeError):
        readings.append(orjson.loads(text))
    readings.append([part.strip() for part in text.split("|")] if text else [])
    return readings if text else [None, *readings]


def _shown(cell: Any) -> str:
    text = json.dumps(cell, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else f"{text[:59]}…"
