"""The added values of one row: its labels if its answer fits, its status, and the reason if it does not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson

from runner.db.job_ids import run_of
from runner.rules.answer_json import without_surrogates
from runner.rules.chat_completion import Kind, read_completion
from runner.rules.contract import Contract
from runner.rules.prices import TICKS_PER_USD
from runner.rules.row_status import (
    RowReason,
    RowStatus,
    reason_of_answer,
    reason_of_fault,
    reason_of_job,
    reason_unreadable,
    status_of_job,
)
from runner.rules.states import JobState

if TYPE_CHECKING:
    from collections.abc import Callable

    from runner.db.labeled_rows import TableRow
    from runner.output.labeling import Labeling
    from runner.rules.label_field import LabelField

_SUCCEEDED: Final = JobState.SUCCEEDED.value  # a plain string as in the row: faster to compare
_OK: Final = (RowStatus.OK.value, None)


class LabeledRow(NamedTuple):
    """The status of a row, its added values, and the reason where it has no labels."""

    status: RowStatus
    values: tuple[Any, ...]
    reason: RowReason | None = None


class RowValues:
    """Makes the added values of the rows of one run, in the table's order."""

    def __init__(self, labeling: Labeling, run_id: int) -> None:
        """Compile the contract. Each cost is on the first row of its job: rows must come in order."""
        self._contract = Contract(orjson.dumps(labeling.schema), repair=labeling.repair)
        self._fields = labeling.fields
        self._names = (
            None
            if any(len(field.path) > 1 for field in labeling.fields)
            else tuple(field.path[0] for field in labeling.fields)
        )
        self._no_labels = (None,) * len(labeling.fields)
        makers: dict[str, Callable[[TableRow], Any]] = {
            "cost": self._cost_usd,
            "model": _model,
            "asks": _asks,
            "answer": _answer,
        }
        self._extra = tuple(makers[word] for word in labeling.extra)
        self._run_id, self._last_priced = run_id, -1
        nothing = (*self._no_labels, RowStatus.EXCLUDED.value, None, *(None for _ in self._extra))
        self._excluded = LabeledRow(RowStatus.EXCLUDED, nothing)

    def of(self, row: TableRow | None) -> LabeledRow:
        """Return the status and the values of a row; None is one that was not sent."""
        if row is None:
            return self._excluded
        if row.state == _SUCCEEDED:
            return self._of_answer(row)
        if row.state is None:  # the job is gone, or never was
            reason = reason_of_fault(row.fault or "")
            return self._without_labels(row, RowStatus.SKIPPED, reason)
        status = status_of_job(row.state, row.error_code)
        return self._without_labels(row, status, reason_of_job(status, row.error_code, row.error_message))

    def _of_answer(self, row: TableRow) -> LabeledRow:
        completion = read_completion(row.body or b"")
        if completion.kind is not Kind.GOOD:
            return self._without_labels(row, RowStatus.INVALID, reason_unreadable())
        found = self._contract.judge(completion.content or "")
        if found.labels is None:
            return self._without_labels(row, RowStatus.INVALID, reason_of_answer(found.error or ""))
        labels = self._labels(found.labels)
        if not self._extra:
            return LabeledRow(RowStatus.OK, (*labels, *_OK))
        return LabeledRow(RowStatus.OK, (*labels, *_OK, *(make(row) for make in self._extra)))

    def _labels(self, labels: dict[str, Any]) -> tuple[Any, ...]:
        if self._names is not None:
            return tuple(map(labels.get, self._names))
        return tuple(_value_at(field, labels) for field in self._fields)

    def _without_labels(self, row: TableRow, status: RowStatus, reason: RowReason) -> LabeledRow:
        extra = (make(row) for make in self._extra)
        return LabeledRow(status, (*self._no_labels, status.value, str(reason), *extra), reason)

    def _cost_usd(self, row: TableRow) -> float | None:
        """Return what the answers of a row's job cost; 0 where an earlier row, or another run, has the cost.

        Jobs are in the order of the first rows that have them, so one with a lower id was priced before.
        """
        if row.job_id is None:
            return None
        if row.job_id <= self._last_priced or run_of(row.job_id) != self._run_id:
            return 0.0
        self._last_priced = row.job_id
        return (row.ticks or 0) / TICKS_PER_USD


def _value_at(field: LabelField, labels: dict[str, Any]) -> Any:
    """Return the value at a field's path; None where an object on the way is null or missing."""
    value: Any = labels
    for name in field.path:
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value


def _model(row: TableRow) -> str | None:
    return row.model


def _asks(row: TableRow) -> int | None:
    if row.job_id is None:
        return None
    return 1 + (row.asks or 0) if row.attempt else 0


def _answer(row: TableRow) -> str | None:
    if row.body is None:
        return None
    content = read_completion(row.body).content
    return None if content is None else without_surrogates(content)
