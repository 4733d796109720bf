"""Grades the stored answers of earlier nights by the graders of today; nothing is sent."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import orjson

from runner.db.evaluation import grades, nights
from runner.db.evaluation.measurements import measurements
from runner.db.events.trail import CommandEvent
from runner.db.runs import runs
from runner.evals.grading.grade_measurement import grade_run
from runner.evals.grading.suite_graders import grader_hashes, open_graders
from runner.evals.night.stored_night import read_graded, read_night
from runner.rules.evaluation.gate.pool import pool_of
from runner.rules.evaluation.graders import takes_scores
from runner.rules.evaluation.report.night_content import decode_content, encode_content
from runner.rules.evaluation.suite.suite_json import decode_suite, encode_suite
from runner.rules.event_kinds import EventKind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from runner.db.evaluation.measurements import MeasurementRow
    from runner.db.evaluation.nights import NightRow
    from runner.db.events.trail import Actor
    from runner.db.session import Database
    from runner.evals.night.stored_night import StoredNight
    from runner.rules.evaluation.suite.suite import Suite


def regrade_pool(database: Database, night: StoredNight, folder: Path) -> None:
    """Grade what the newest accepted nights lack of the graders of a night, so that both can be compared."""
    with database.read() as connection:
        known = nights.of_suite(connection, night.suite.name)
        pool = pool_of(row for row in known if row.id < night.row.id)
    regrade(
        database,
        pool,
        night.suite,
        night.grader_ids,
        folder,
        trusts_code=night.options.trusts_code,
    )


def regrade(
    database: Database,
    rows: Sequence[NightRow],
    suite: Suite,
    grader_ids: Mapping[str, int],
    folder: Path,
    *,
    trusts_code: bool,
    again: bool = False,
) -> list[str]:
    """Grade the stored answers of nights by these graders; return the names of nights without answers.

    What a grader has graded already is left as it is, unless `again`. The scores of a file are of one night's
    answers: they are taken only where one night alone is graded again.
    """
    if not again or len(rows) > 1:
        grader_ids = without_files(suite, grader_ids)
    return [
        row.name
        for row in rows
        if not _regrade_night(database, row, suite, grader_ids, folder, trusts_code=trusts_code, again=again)
    ]


def without_files(suite: Suite, grader_ids: Mapping[str, int]) -> dict[str, int]:
    """Return the graders that do not take the scores of a file."""
    of_files = {spec.name for spec in suite.graders if takes_scores(spec)}
    return {name: grader for name, grader in grader_ids.items() if name not in of_files}


def _regrade_night(
    database: Database,
    row: NightRow,
    suite: Suite,
    grader_ids: Mapping[str, int],
    folder: Path,
    *,
    trusts_code: bool,
    again: bool,
) -> bool:
    """Grade what a night lacks; return False where its answers are gone."""
    has_answers = True
    with database.read() as connection:
        night = read_night(connection, row)
        for one in measurements(connection, row.id):
            wanted = grader_ids if one.number == 1 else without_files(suite, grader_ids)
            lacking = {
                name: grader
                for name, grader in wanted.items()
                if again or not grades.is_graded_by(connection, one.id, grader)
            }
            if not lacking or not one.is_graded:
                continue
            if runs.find_whole(connection, one.run_id) is None:
                has_answers = False
            else:
                _regrade(database, night, one, only(suite, lacking), lacking, folder, trusts_code)
    return has_answers


def only(suite: Suite, grader_ids: Mapping[str, int]) -> Suite:
    """Return the suite with these graders only."""
    return replace(suite, graders=tuple(spec for spec in suite.graders if spec.name in grader_ids))


def _regrade(
    database: Database,
    night: StoredNight,
    measurement: MeasurementRow,
    suite: Suite,
    grader_ids: Mapping[str, int],
    folder: Path,
    trusts_code: bool,
) -> None:
    with database.read() as connection:
        graded = read_graded(connection, night)._replace(graders=grader_ids)
    with open_graders(suite, folder, trusts_code=trusts_code) as graders:
        grade_run(database, measurement.id, measurement.run_id, graded, graders, with_answers=False)


def adopt_graders(
    database: Database, rows: Sequence[NightRow], suite: Suite, folder: Path, actor: Actor
) -> tuple[dict[str, int], dict[int, CommandEvent]]:
    """Let nights have the graders and gates of a suite; return the ids of the graders by name.

    And the events of the command, by the ids of the nights: each is graded again, so each has one.
    """
    shas = grader_hashes(suite, folder)
    specs = {spec.name: (shas[spec.name], orjson.dumps(spec)) for spec in suite.graders}
    ids: dict[str, int] = {}
    events: dict[int, CommandEvent] = {}
    now_ms = database.now_ms()
    with database.write() as connection:
        for row in rows:
            own = replace(decode_suite(row.spec), graders=suite.graders, gates=suite.gates)
            content = replace(decode_content(row.content), graders=shas)
            ids = nights.set_graders(
                connection, row, specs, spec=encode_suite(own), content=encode_content(content)
            )
            event = CommandEvent(actor=actor, name=row.name)
            graders = {"graders": list(specs)}
            events[row.id] = event.extended(connection, now_ms, EventKind.GRADED_AGAIN, new=graders)
    return ids, events
