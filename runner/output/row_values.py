"""The added values of one row: its labels if its answer fits, its status, and the reason if it does not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson

from runner.db.jobs.job_ids import run_of
from runner.rules.json_text.answer_json import without_surrogates
from runner.rules.labels.contract import Contract
from runner.rules.labels.label_field import LabelKind
from runner.rules.labels.row_status import (
    RowReason,
    RowStatus,
    reason_of_answer,
    reason_of_fault,
    reason_of_job,
    reason_unreadable,
    status_of_job,
)
from runner.rules.prices import TICKS_PER_USD
from runner.rules.replies.chat_completion import Kind, read_completion, read_content
from runner.rules.states import JobState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from runner.db.jobs.labeled_rows import RowRecord
    from runner.output.labeling import Labeling

_SUCCEEDED: Final = JobState.SUCCEEDED.value  # a plain string as in the row: faster to compare
_OK: Final = (RowStatus.OK.value, None)


class LabeledRow(NamedTuple):
    """The status of a row, its added values, and the reason where it has no labels."""

    status: RowStatus
    values: tuple[Any, ...]
    reason: RowReason | None = None


class RowValues:
    """Makes the added values of the rows of one run, in the table's order."""

    def __init__(self, labeling: Labeling, run_id: int, *, has_json_text: bool = False) -> None:
        """Compile the contract. Each cost is on the first row of its job: rows must come in order.

        `has_json_text`: labels of CellKind.JSON are their text, for a format that has only texts.
        """
        self._contract = Contract(orjson.dumps(labeling.schema), repairs=labeling.repair)
        kinds = [field.kind for field in self._contract.fields]
        self._no_labels = (None,) * len(kinds)
        self._json = () if has_json_text else _places_of(LabelKind.JSON, kinds)
        makers: dict[str, Callable[[RowRecord], Any]] = {
            "cost": self._cost_usd,
            "model": _model,
            "asks": _asks,
            "answer": _answer,
        }
        self._extra = tuple(makers[word] for word in labeling.extra)
        self._run_id, self._last_priced = run_id, -1
        nothing = (*self._no_labels, RowStatus.EXCLUDED.value, None, *(None for _ in self._extra))
        self._excluded = LabeledRow(RowStatus.EXCLUDED, nothing)

    def of(self, row: RowRecord | None) -> LabeledRow:
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

    def _of_answer(self, row: RowRecord) -> LabeledRow:
        body = row.body or b""
        content = read_content(body)
        if content is None and read_completion(body).kind is not Kind.GOOD:
            return self._without_labels(row, RowStatus.INVALID, reason_unreadable())
        labels, error, _ = self._contract.check(content or "")
        if labels is None:
            return self._without_labels(row, RowStatus.INVALID, reason_of_answer(error))
        values = self._with_json(labels.values()) if self._json else labels.values()
        if not self._extra:
            return LabeledRow(RowStatus.OK, (*values, *_OK))
        return LabeledRow(RowStatus.OK, (*values, *_OK, *(make(row) for make in self._extra)))

    def _with_json(self, labels: Iterable[Any]) -> list[Any]:
        values = list(labels)
        for place in self._json:
            if values[place] is not None:
                values[place] = orjson.loads(values[place])
        return values

    def _without_labels(self, row: RowRecord, status: RowStatus, reason: RowReason) -> LabeledRow:
        extra = (make(row) for make in self._extra)
        return LabeledRow(status, (*self._no_labels, status.value, str(reason), *extra), reason)

    def _cost_usd(self, row: RowRecord) -> float | None:
        """Return what the answers of a row's job cost; 0 where an earlier row, or another run, has the cost.

        Jobs are in the order of the first rows that have them, so one with a lower id was priced before.
        """
        if row.job_id is None:
            return None
        if row.job_id <= self._last_priced or run_of(row.job_id) != self._run_id:
            return 0.0
        self._last_priced = row.job_id
        return (row.ticks or 0) / TICKS_PER_USD


def _places_of(kind: LabelKind, kinds: Sequence[LabelKind]) -> tuple[int, ...]:
    return tuple(place for place, found in enumerate(kinds) if found is kind)


def _model(row: RowRecord) -> str | None:
    return row.model


def _asks(row: RowRecord) -> int | None:
    if row.job_id is None:
        return None
    return 1 + (row.asks or 0) if row.attempt else 0


def _answer(row: RowRecord) -> str | None:
    if row.body is None:
        return None
    content = read_content(row.body)
    return None if content is None else without_surrogates(content)
