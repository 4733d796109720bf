"""Read the present state of a run: one transaction, one value."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

from runner.cli.render.nights.night_listed import night_status, ungraded_line
from runner.cli.snapshot import Snapshot
from runner.db.evaluation import measurements, night_runs
from runner.db.runs import run_snapshot, runs
from runner.db.runs.run_snapshot import Part
from runner.embedded.read_team_limits import read_team_limits
from runner.embedded.state_folder import StateFolder
from runner.rules.errors import UsageError
from runner.rules.states import RunState

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from runner.db.session import Database
    from runner.settings import Settings


class RunRemoved(UsageError):  # noqa: N818 - named as users read it
    """A run was removed by another command while this one looked at it."""

    def __init__(self, run_id: int) -> None:
        super().__init__(f"run {run_id} was removed by another command", fix="runner list shows the runs")


def read_snapshot(
    settings: Settings, database: Database, run_id: int, parts: Part = Part.NUMBERS
) -> Snapshot:
    """Read a run in a transaction of its own; the default are its numbers only. Raises RunRemoved."""
    with database.read() as connection:
        return snapshot_of(settings, connection, run_id, parts)


def read_present(settings: Settings, database: Database, run_id: int, parts: Part) -> Snapshot:
    """Read a run that is followed. Raises RunRemoved also where its removal has only begun."""
    snapshot = read_snapshot(settings, database, run_id, parts)
    if snapshot.run.state is RunState.REMOVING:
        raise RunRemoved(run_id)
    return snapshot


def snapshot_of(
    settings: Settings, connection: Connection, run_id: int, parts: Part = Part.NUMBERS
) -> Snapshot:
    """Read a run in the transaction of a connection; for its object also what is set for the team.

    Raises RunRemoved.
    """
    engine = _engine_facts(settings)
    stored = run_snapshot.read(connection, run_id, parts)
    if stored is None:
        raise RunRemoved(run_id)
    has_team = Part.OBJECT in parts and settings.api_key is not None
    limits = read_team_limits(connection, settings) if has_team else None
    return Snapshot(stored=stored, stored_team_limits=limits, **engine)


def snapshots_of_all(settings: Settings, connection: Connection, now_ms: int) -> list[Snapshot]:
    """Read the numbers of every run in the transaction of a connection, newest first."""
    engine = _engine_facts(settings)
    return [Snapshot(stored=stored, **engine) for stored in run_snapshot.read_all(connection, now_ms)]


def night_line(settings: Settings, connection: Connection, run_id: int) -> str:
    """Return a sentence about the night that a run measures, from all its runs; "" where it measures none."""
    nights = night_runs.read(connection)
    night = nights.get(run_id)
    if night is None:
        return ""
    ids = sorted((other for other, found in nights.items() if found.night == night.night), reverse=True)
    known = [other for other in ids if runs.find(connection, other) is not None]
    snapshots = [snapshot_of(settings, connection, other) for other in known]
    return night_status(snapshots, nights[known[0]])


def ungraded_night_line(connection: Connection, run_id: int) -> str:
    """Return what grades the night of a run whose answers are there; "" where there is nothing to grade."""
    if measurements.night_of_run(connection, run_id) is None:
        return ""
    from runner.evals.night.change_night import ungraded_night_of  # only runs of nights need it

    night = ungraded_night_of(connection, run_id)
    return "" if night is None else ungraded_line(night.occasion)


class _EngineFacts(TypedDict):
    is_engine_alive: bool | None
    is_engine_ending: bool


def _engine_facts(settings: Settings) -> _EngineFacts:
    """Return whether the state folder has an engine, also one that starts, and whether it is ending.

    It is asked before the database is: an engine that ends in between has finished what it had to.
    """
    if not settings.embedded:
        return {"is_engine_alive": None, "is_engine_ending": False}
    home = StateFolder(settings.home)
    is_alive = home.has_engine()
    return {"is_engine_alive": is_alive, "is_engine_ending": is_alive and home.is_engine_ending()}
