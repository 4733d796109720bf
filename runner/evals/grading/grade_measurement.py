"""Grades the answers of a measurement, page by page, when its run is over.

What the API sent first and can be read is the answer of its epoch, whatever came later: to draw again until
an answer is right would measure something else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from runner.db.evaluation import grades, job_results
from runner.db.evaluation.grades import AnswerRow, GradeRow
from runner.db.jobs.job_ids import JOBS_MAX, job_id
from runner.evals.night.compile_night import parse_custom_id
from runner.rules.evaluation.graders.read_answer import read_answer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runner.db.evaluation.job_results import JobResults, StoredResult
    from runner.db.session import Database
    from runner.evals.grading.suite_graders import GradeBatch
    from runner.rules.evaluation.graders.grade import Grade
    from runner.rules.evaluation.graders.read_answer import ReadAnswer
    from runner.rules.evaluation.suite.item import Item
    from runner.rules.evaluation.suite.suite import Suite


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
    first, last = job_id(run_id, 0), job_id(run_id, JOBS_MAX)
    with database.read() as connection:
        for page in job_results.pages(connection, first, last):
            read = [_read(job, names, night.items) for job in page]
            graded = _graded(read, night.graders, graders)
            with database.write() as writing:
                if with_answers:
                    grades.put_answers(writing, measurement_id, [_answer_row(one) for one in read])
                for grader_id, rows in graded.items():
                    grades.put_grades(writing, measurement_id, grader_id, rows)


def _graded(
    read: Sequence[ReadJob], grader_ids: Mapping[str, int], graders: GradeBatch
) -> dict[int, list[GradeRow]]:
    """Return the grades of a page of answers by the id of the grader."""
    answered = [(one.place, one.read.answer) for one in read if one.read is not None]
    given = graders.grade([(place.item.item, answer) for place, answer in answered])
    return {
        grader_id: [_grade_row(place, grade) for (place, _), grade in zip(answered, given[name], strict=True)]
        for name, grader_id in grader_ids.items()
    }


class ReadJob(NamedTuple):
    """A job with the first of its results that can be read, if any, and how many came after it."""

    place: AnswerPlace
    job: JobResults
    stored: StoredResult | None = None
    read: ReadAnswer | None = None
    redrawn: int = 0


def _read(job: JobResults, variants: Sequence[str], items: Mapping[str, StoredItem]) -> ReadJob:
    """Return a job with the first of its results that can be read."""
    variant, item_id, epoch = parse_custom_id(job.custom_id)
    place = AnswerPlace(variants.index(variant), items[item_id], epoch)
    for number, stored in enumerate(job.results, 1):
        read = read_answer(stored.body, epoch=epoch, latency_ms=_latency_ms(stored))
        if read is not None:
            return ReadJob(place, job, stored, read, len(job.results) - number)
    return ReadJob(place, job)


def _answer_row(one: ReadJob) -> AnswerRow:
    place, job, stored, read, redrawn = one
    if stored is None or read is None:
        code = job.error_code or job.state
        return AnswerRow(place.variant, place.item.id, place.epoch, "lost", code=code)
    return AnswerRow(
        variant=place.variant,
        item_id=place.item.id,
        epoch=place.epoch,
        state="answered",
        flaw=read.answer.flaw,
        model=read.model,
        fingerprint=read.fingerprint,
        completion_tokens=read.answer.completion_tokens,
        ticks=stored.ticks,
        latency_ms=read.answer.latency_ms,
        received_at_ms=stored.received_at_ms,
        redrawn=redrawn,
        sha256=stored.sha256,
    )


def _latency_ms(stored: StoredResult) -> int | None:
    return None if stored.accepted_at_ms is None else stored.received_at_ms - stored.accepted_at_ms


def _grade_row(place: AnswerPlace, grade: Grade) -> GradeRow:
    return GradeRow(place.variant, place.item.id, place.epoch, grade.value, grade.label, grade.reason)
