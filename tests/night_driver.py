"""Test driver for nights: stores nights of a suite with their answers and grades, without an engine."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import msgspec
import orjson
from run_driver import NOW_MS
from sqlalchemy import text

from runner.db.evaluation import grades, measurements, nights
from runner.db.evaluation.graders import grader_ids
from runner.db.evaluation.grades import AnswerRow, GradeRow
from runner.db.evaluation.items import AskedItems, items_of
from runner.rules.evaluation.report.night_content import encode_content
from runner.rules.evaluation.report.night_facts import Content
from runner.rules.evaluation.suite.item import Item
from runner.rules.evaluation.suite.suite import GateSpec, GraderSpec, Subject, Suite

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from runner.db.evaluation.measurements import MeasurementRow
    from runner.db.evaluation.nights import NightRow
    from runner.db.session import Database

SHA: Final = "ab" * 32
CONTENT: Final = Content(prompts={"": "p"}, models={"": "grok-4.3"}, graders={"correct": "g1"}, items="i")
REPORT: Final = {
    "graders": [
        {"is_primary": False, "measured": 1, "answers": 6, "mean": 0.1},
        {"is_primary": True, "measured": 5, "answers": 6, "mean": 0.8},
        {"is_primary": True, "measured": 2, "answers": 6, "mean": 0.2},
    ],
    "services": [{"model": "grok-4.3", "fingerprint": "fp_1", "answers": 6}],
    "cost": {"ticks": 70, "uncertain_ticks": 0, "requests": 6},
}


def item(key: str, question: str = "?", **fields: Any) -> Item:
    """Return an item of a suite."""
    return Item(id=key, messages=[{"role": "user", "content": question}], target="yes", **fields)


def suite_of(*graders: str, variants: Sequence[str] = ("",), epochs: int = 2) -> Suite:
    """Return a suite; the first grader is the primary one."""
    return Suite(
        name="answers",
        subjects=tuple(Subject(name=name, model="grok-4.3") for name in variants),
        graders=tuple(
            GraderSpec(name=name, type="exact", is_primary=n == 0) for n, name in enumerate(graders)
        ),
        gates=(GateSpec(rule="no-drop", grader=graders[0]),),
        epochs=epochs,
    )


@dataclass
class NightDriver:
    """Stores nights of one suite."""

    database: Database
    suite: Suite = field(default_factory=lambda: suite_of("correct"))

    def begin(
        self,
        occasion: str = "2026-12-01",
        items: Sequence[Item] = (item("a"), item("b")),
        *,
        new: bool = False,
        graders: Mapping[str, str] | None = None,
        now_ms: int = NOW_MS,
        printed: Sequence[str] = (),
    ) -> NightRow:
        """Begin a night; `graders` are hashes by name, `printed` names of metadata in templates."""
        hashes = {spec.name: f"{spec.name}-1" for spec in self.suite.graders} if graders is None else graders
        with self.database.write() as connection:
            return nights.begin(
                connection,
                suite=self.suite.name,
                occasion=occasion,
                new=new,
                spec=msgspec.json.encode(self.suite),
                content=encode_content(CONTENT),
                options=b"{}",
                items=AskedItems(items, printed),
                graders={name: (sha, b"{}") for name, sha in hashes.items()},
                now_ms=now_ms,
            )

    def measure(
        self,
        night: NightRow,
        values: Mapping[str, Mapping[str, Sequence[float | None]]],
        *,
        number: int = 1,
        run_id: int = 1,
        variant: int = 0,
        fingerprint: str = "fp_1",
    ) -> MeasurementRow:
        """Add a measurement with grades: by grader, and there by item for its epochs from 1."""
        with self.database.write() as connection:
            row = measurements.add_measurement(connection, night.id, number, run_id)
            ids = {one.id: item_id for item_id, one in items_of(connection, night.id)}
            graders = grader_ids(connection, night.id)
            for grader, scores in values.items():
                found = [
                    GradeRow(variant, ids[key], epoch, value)
                    for key, each in scores.items()
                    for epoch, value in enumerate(each, 1)
                ]
                grades.put_grades(connection, row.id, graders[grader], found)
                answers = [answer(*grade[:3], fingerprint=fingerprint) for grade in found]
                grades.put_answers(connection, row.id, answers)
            measurements.set_graded(connection, row.id)
        return row

    def end(
        self, night: NightRow, verdict: str = "passed", *, is_accepted: bool = True, **others: Any
    ) -> bool:
        """Give a night its verdict."""
        given: dict[str, Any] = {
            "exit_code": 0,
            "is_valid": True,
            "report": orjson.dumps(REPORT),
            "now_ms": NOW_MS + 1,
        }
        with self.database.write() as connection:
            return nights.end(
                connection, night.id, verdict=verdict, is_accepted=is_accepted, **(given | others)
            )

    def write(self, change: Callable[..., Any], *values: Any, **named: Any) -> Any:
        """Call a function of the database in a transaction."""
        with self.database.write() as connection:
            return change(connection, *values, **named)

    def read(self, query: Callable[..., Any], *values: Any, **named: Any) -> Any:
        """Call a function of the database in a reading transaction."""
        with self.database.read() as connection:
            return query(connection, *values, **named)


def answer(variant: int, item_id: int, epoch: int, **fields: Any) -> AnswerRow:
    """Return the row of an answer."""
    given: dict[str, Any] = {
        "model": "grok-4.3",
        "fingerprint": "fp_1",
        "completion_tokens": 20,
        "ticks": 1_000,
        "latency_ms": 900,
        "received_at_ms": NOW_MS,
        "sha256": SHA,
    }
    return AnswerRow(variant, item_id, epoch, "answered", **(given | fields))


_RESULT = text(
    "INSERT INTO results (job_id, attempt, request_id, body, sha256, received_at_ms)"
    " VALUES (:job, :attempt, :request, :body, :sha, :at)"
)
_ATTEMPT = text(
    "INSERT INTO attempts (job_id, attempt, lane, worker, outcome, marked_at_ms, accepted_at_ms, polls,"
    " ticks) VALUES (:job, :attempt, 'deferred', 1, 'settled', 0, :accepted, 0, :ticks)"
)


def add_result(database: Database, job: int, attempt: int, body: bytes, ticks: int | None = 7) -> None:
    """Store a result of a job with its attempt."""
    with database.write() as connection:
        connection.execute(
            _RESULT,
            {
                "job": job,
                "attempt": attempt,
                "request": f"{job}-{attempt}",
                "body": body,
                "sha": f"{attempt:064}",
                "at": NOW_MS + attempt,
            },
        )
        connection.execute(_ATTEMPT, {"job": job, "attempt": attempt, "accepted": NOW_MS, "ticks": ticks})
