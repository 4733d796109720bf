"""Grades the answers of a measurement, page by page, when its run is over.

What the API sent first and can be read is the answer of its epoch, whatever came later: to draw again until
an answer is right would measure something else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from runner.db.evaluation import first_answers, grades
from runner.db.evaluation.grades import AnswerRow, GradeRow
from runner.db.job_ids import JOBS_MAX, job_id
from runner.evals.compile_night import parse_custom_id
from runner.rules.evaluation.read_answer import read_answer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runner.db.evaluation.first_answers import JobResults, StoredResult
    from runner.db.session import Database
    from runner.evals.grading import GradeBatch
    from runner.rules.evaluation.grade import Answer, Grade
    from runner.rules.evaluation.item import Item
    from runner.rules.evaluation.read_answer import ReadAnswer
    from runner.rules.evaluation.suite import Suite


class StoredItem(NamedTuple):
    """An item with its id in the database."""

    id: int
    item: Item


class AnswerPlace(NamedTuple):
    """Which answer it is: the place of its variant in the suite, its item, its epoch from 1."""

    variant: int
    item: StoredItem
    epoch: int


class GradedNight(NamedTuple):
    """What grading needs of a night: its items by their ids, and the graders' ids by their names."""

    suite: Suite
    items: Mapping[str, StoredItem]
    graders: Mapping[str, int]


def grade_run(
    database: Database,
    measurement_id: int,
    run_id: int,
    night: GradedNight,
    graders: GradeBatch,
    *,
    with_answers: bool = True,
) -> None:
    """Store the answers of a run that is over, and their grades by the graders of `night`.

    The same call again stores the same. `with_answers` False: only the grades are stored.
    """
    names = [subject.name for subject in night.suite.subjects]
    with database.read() as connection:
        for page in first_answers.pages(connection, job_id(run_id, 0), job_id(run_id, JOBS_MAX)):
            read = [(_place(job, names, night.items), job, _first_readable(job)) for job in page]
            with database.write() as writing:
                if with_answers:
                    grades.put_answers(writing, measurement_id, [_answer_row(*one) for one in read])
                answered = [(place, first.read.answer) for place, _, first in read if first.read is not None]
                marks = graders.grade([(place.item.item, answer, place.epoch) for place, answer in answered])
                for name, grader_id in night.graders.items():
                    rows = [
                        _grade_row(place, mark)
                        for (place, _), mark in zip(answered, marks[name], strict=True)
                    ]
                    grades.put_grades(writing, measurement_id, grader_id, rows)


class FirstAnswer(NamedTuple):
    """The first readable result of a job, and how many more came after it."""

    stored: StoredResult | None
    read: ReadAnswer | None
    redrawn: int


def _first_readable(job: JobResults) -> FirstAnswer:
    for number, stored in enumerate(job.results, 1):
        read = read_answer(stored.body)
        if read is not None:
            return FirstAnswer(stored, read, len(job.results) - number)
    return FirstAnswer(None, None, 0)


def _place(job: JobResults, variants: Sequence[str], items: Mapping[str, StoredItem]) -> AnswerPlace:
    variant, item_id, epoch = parse_custom_id(job.custom_id)
    return AnswerPlace(variants.index(variant), items[item_id], epoch)


def _answer_row(place: AnswerPlace, job: JobResults, first: FirstAnswer) -> AnswerRow:
    stored, read, redrawn = first
    if stored is None or read is None:
        code = job.error_code or job.state
        return AnswerRow(place.variant, place.item.id, place.epoch, "lost", code=code)
    return AnswerRow(
        variant=place.variant,
        item_id=place.item.id,
        epoch=place.epoch,
        state="answered",
        code=None,
        flaw=read.answer.flaw,
        model=read.model,
        fingerprint=read.fingerprint,
        completion_tokens=read.answer.completion_tokens,
        ticks=stored.ticks,
        latency_ms=_latency_ms(stored),
        received_at_ms=stored.received_at_ms,
        redrawn=redrawn,
        sha256=stored.sha256,
    )


def _latency_ms(stored: StoredResult) -> int | None:
    return None if stored.accepted_at_ms is None else stored.received_at_ms - stored.accepted_at_ms


def _grade_row(place: AnswerPlace, grade: Grade) -> GradeRow:
    return GradeRow(place.variant, place.item.id, place.epoch, grade.value, grade.label, grade.reason)
