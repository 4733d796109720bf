"""Read the fleet, and let workers drain: begin nothing new, finish what is in flight, and end."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Final, NamedTuple

from runner.cli.render.fleet.worker_list import DrainedWorkers, FleetWorker, PlannedDrain
from runner.db.events import trail
from runner.db.session import clock_ms
from runner.db.workers import fleet
from runner.db.workers.workers import ALIVE_MS
from runner.embedded.state_folder import StateFolder
from runner.rules.counted import count, listed
from runner.rules.errors import UsageError
from runner.rules.event_kinds import EventKind
from runner.rules.json_object import SCHEMA
from runner.rules.redact import plain
from runner.rules.worker_state import WorkerState, worker_state_since

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

    from runner.db.events.trail import Actor
    from runner.settings import Settings

_NAMED_MAX: Final = 5
_LIVING: Final = (WorkerState.ALIVE, WorkerState.DRAINING)


class DrainPlan(NamedTuple):
    """Which workers are to drain, by id, and the nodes of those that are living but cannot or already do."""

    nodes: dict[int, str]
    already: list[str]
    too_old: list[str]

    @property
    def question(self) -> str:
        """Return what is asked before it is done."""
        named = f" ({listed([*self.nodes.values()], _NAMED_MAX)})" if self.nodes else ""
        return f"drain {count(len(self.nodes), 'worker')}{named}"

    @property
    def planned(self) -> PlannedDrain:
        """Return the object of --dry-run."""
        nodes = [*self.nodes.values()]
        return PlannedDrain(
            schema=SCHEMA, would=self.question, draining=nodes, already=self.already, too_old=self.too_old
        )


def read_fleet(settings: Settings, connection: Connection, now_ms: int) -> dict[int, FleetWorker]:
    """Return all workers on record by id, oldest first."""
    is_engine_alive = StateFolder(settings.home).has_engine() if settings.embedded else None
    found = {}
    for row in fleet.workers(connection):
        state, since_ms = worker_state_since(
            started_ms=row.started_at_ms,
            seen_ms=row.seen_at_ms,
            ended_ms=row.ended_at_ms,
            draining_ms=row.draining_at_ms,
            alive_since_ms=now_ms - ALIVE_MS,
            is_engine_alive=is_engine_alive,
        )
        found[row.id] = FleetWorker(
            node=row.node,
            host=row.host,
            pid=row.pid,
            state=state,
            since_ms=since_ms,
            started_ms=row.started_at_ms,
            in_flight=row.in_flight,
            version=row.version,
        )
    return found


def plan_drain(
    settings: Settings, connection: Connection, nodes: Sequence[str], *, is_all: bool
) -> DrainPlan:
    """Return which workers are to drain. Raises UsageError for a node that no living worker has.

    In a state folder there is nothing to drain: its engine would start the worker again.
    """
    _need_nodes(settings, nodes, is_all=is_all)
    workers = read_fleet(settings, connection, clock_ms(connection))
    living = {key: worker for key, worker in workers.items() if worker.state in _LIVING}
    for node in nodes:
        _need_living(node, workers, living)
    return _plan({key: worker for key, worker in living.items() if is_all or worker.node in nodes})


def _plan(chosen: Mapping[int, FleetWorker]) -> DrainPlan:
    """Return which of these living workers are to drain, which do already, and which are too old."""
    return DrainPlan(
        nodes={key: worker.node for key, worker in chosen.items() if worker.can_drain},
        already=[worker.node for worker in chosen.values() if worker.state is WorkerState.DRAINING],
        too_old=[worker.node for worker in chosen.values() if worker.version is None],
    )


def drain_workers(connection: Connection, plan: DrainPlan, actor: Actor) -> DrainedWorkers:
    """Let the workers of a plan drain; record one event of the command unless all of them did already.

    A worker that another command let drain since the plan was made counts as draining already.
    """
    now_ms = clock_ms(connection)
    drained = fleet.drain(connection, [*plan.nodes], now_ms)
    begun = [plan.nodes[worker] for worker in drained]
    by_others = [node for worker, node in plan.nodes.items() if worker not in drained]
    if begun:
        trail.record_operator_event(
            connection,
            now_ms,
            EventKind.WORKERS_DRAINED,
            actor=actor,
            cause=listed(begun, _NAMED_MAX),
            new={"workers": begun},
        )
    return DrainedWorkers(
        schema=SCHEMA,
        draining=begun,
        already=plan.already + by_others,
        too_old=plan.too_old,
        others=fleet.count_not_draining(connection, now_ms),
        out=fleet.count_outstanding(connection),
    )


def _need_nodes(settings: Settings, nodes: Sequence[str], *, is_all: bool) -> None:
    """Raise UsageError in a state folder, and unless nodes are named or all are meant."""
    if settings.embedded:
        raise UsageError(
            "the workers of a state folder belong to its engine, which starts and ends them",
            fix="to stop sending: runner pause --all",
        )
    if is_all == bool(nodes):
        raise UsageError("name the workers to drain, or all", fix="runner workers lists them; or add --all")


def _need_living(node: str, workers: dict[int, FleetWorker], living: dict[int, FleetWorker]) -> None:
    """Raise UsageError unless a living worker has this node."""
    if any(worker.node == node for worker in living.values()):
        return
    gone = [worker for worker in workers.values() if worker.node == node]
    if gone:
        raise UsageError(
            f"worker {plain(node)} is {gone[-1].state}: there is nothing to drain",
            fix="runner workers lists those that are alive",
        )
    near = difflib.get_close_matches(node, [worker.node for worker in living.values()], n=1)
    meant = f'; did you mean "{plain(near[0])}"?' if near else ""
    raise UsageError(f"there is no worker {plain(node)}{meant}", fix="runner workers lists them")
