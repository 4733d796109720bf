"""A night as the database has it: its suite, its items, its options."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runner.db.evaluation.graders import grader_ids
from runner.db.evaluation.items import items_of
from runner.evals.grading.grade_measurement import GradedNight, StoredItem
from runner.evals.night.night_options import read_options
from runner.rules.evaluation.suite_json import decode_suite

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

    from runner.db.evaluation.nights import NightRow
    from runner.evals.night.night_options import NightOptions
    from runner.rules.evaluation.item import Item
    from runner.rules.evaluation.suite import Suite


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredNight:
    """A night with all that its steps need; `stored_items` are in the order of the suite."""

    row: NightRow
    suite: Suite
    stored_items: tuple[StoredItem, ...]
    grader_ids: Mapping[str, int]

    @property
    def options(self) -> NightOptions:
        """Return the night's options."""
        return read_options(self.row.options)

    @property
    def items(self) -> list[Item]:
        """Return the items without their database ids."""
        return [stored.item for stored in self.stored_items]

    @property
    def graded(self) -> GradedNight:
        """Return what grading needs."""
        by_id = {stored.item.id: stored for stored in self.stored_items}
        return GradedNight(self.suite, by_id, self.grader_ids)


def read_night(connection: Connection, row: NightRow) -> StoredNight:
    """Return a night with its suite and items."""
    return StoredNight(
        row=row,
        suite=decode_suite(row.spec),
        stored_items=tuple(StoredItem(*one) for one in items_of(connection, row.id)),
        grader_ids=grader_ids(connection, row.id),
    )
