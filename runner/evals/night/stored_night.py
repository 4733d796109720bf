"""A night as the database has it: its suite, its options, its items."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runner.db.evaluation.graders import grader_ids
from runner.db.evaluation.items import items_of
from runner.evals.grading.grade_measurement import GradedNight, StoredItem
from runner.evals.night.night_options import read_options
from runner.rules.evaluation.suite.suite_json import decode_suite

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

    from runner.db.evaluation.nights import NightRow
    from runner.evals.night.night_options import NightOptions
    from runner.rules.evaluation.suite.item import Item
    from runner.rules.evaluation.suite.suite import Suite


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredNight:
    """A night with what its steps need; the items, which may be many, are read where they are."""

    row: NightRow
    suite: Suite
    grader_ids: Mapping[str, int]

    @property
    def options(self) -> NightOptions:
        """Return the night's options."""
        return read_options(self.row.options)


def read_night(connection: Connection, row: NightRow) -> StoredNight:
    """Return a night with its suite."""
    return StoredNight(row=row, suite=decode_suite(row.spec), grader_ids=grader_ids(connection, row.id))


def read_items(connection: Connection, night: StoredNight) -> list[Item]:
    """Return the items of a night in the order of the suite."""
    return [item for _, item in items_of(connection, night.row.id)]


def read_graded(connection: Connection, night: StoredNight) -> GradedNight:
    """Return what grading needs of a night."""
    stored = [StoredItem(*one) for one in items_of(connection, night.row.id)]
    return GradedNight(night.suite, {one.item.id: one for one in stored}, night.grader_ids)
