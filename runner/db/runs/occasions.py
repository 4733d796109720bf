"""Find runs of an occasion, by their stem or by the path of their job file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.db.evaluation import nights
from runner.db.runs import runs
from runner.rules import occasion as occasion_rules
from runner.rules.states import RunState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from runner.db.runs.run_row import RunRow

_ENDED = (RunState.FINISHED, RunState.CANCELLED)


def find_newest(
    connection: Connection, occasion: str, *, stem: str | None = None, path: str | None = None
) -> RunRow | None:
    """Return the newest run of an occasion with this stem and from this path, where given; or None."""
    for run in runs.of_occasion(connection, occasion):
        if stem in (None, run.stem) and path in (None, run.input_path):
            return run
    return None


def find_unfinished(
    connection: Connection, words: Sequence[str], since_ms: int, *, stem: str, path: str | None
) -> RunRow | None:
    """Return the newest run of these occasions that was loaded since a time and has not ended, or None."""
    found = [find_newest(connection, word, stem=stem, path=path) for word in words]
    unfinished = [run for run in found if run and run.state not in _ENDED and run.created_at_ms >= since_ms]
    return max(unfinished, key=lambda run: run.id, default=None)


def next_name(connection: Connection, stem: str, occasion: str) -> str:
    """Return the name for a fresh run of an occasion: no run has it yet, and no night."""
    names = [run.name for run in runs.of_occasion(connection, occasion)]
    number = occasion_rules.next_number(names, stem, occasion)
    while True:
        name = occasion_rules.run_name(stem, occasion, number)
        if not (runs.find_by_name(connection, name) or nights.find_by_run_name(connection, name)):
            return name
        number += 1  # the name belongs to another occasion, as that of "a.2" to the second run of "a"
