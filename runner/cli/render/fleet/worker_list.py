"""The workers, as a table and as a JSON object."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

from runner.cli.render import layout, text
from runner.rules.json_object import SCHEMA, JsonObject, Moment, Schema, about
from runner.rules.redact import one_line, plain
from runner.rules.worker_state import WorkerState

if TYPE_CHECKING:
    from collections.abc import Sequence

_HEADINGS: Final = ("node", "host", "pid", "state", "since", "in flight", "version")
_EMBEDDED: Final = "embedded"  # the host of all workers of state folders
_CELL_LENGTH: Final = 24  # of a host or a version
_FIT: Final = layout.Fit(right=frozenset({2, 5}), steps=((1, 12), (6, 12), (1, 8), (6, 8)), fold_at=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetWorker:
    """One worker. `since_ms`: since when it is in its state.

    `in_flight`: jobs that it sends, fetches or settles.
    """

    node: str
    host: str
    pid: int
    state: WorkerState
    since_ms: int
    started_ms: int
    in_flight: int
    version: str | None

    @property
    def can_drain(self) -> bool:
        """Return whether it is alive, not draining, and of a version that knows how to drain."""
        return self.state is WorkerState.ALIVE and self.version is not None


class ListedWorker(JsonObject, frozen=True, kw_only=True):
    """One worker process."""

    node: Annotated[str, about("its name, which `workers drain` takes")]
    host: Annotated[str, about("the machine, by its spool folder; `embedded` in a state folder")]
    pid: Annotated[int, about("process id on that machine")]
    state: Annotated[WorkerState, about("silent: no heartbeat for 30 seconds, and no end on record")]
    since: Annotated[Moment, about("since when it is in this state; of a silent one the last heartbeat")]
    started_at: Annotated[Moment, about("its start")]
    in_flight: Annotated[int, about("jobs that it sends, fetches or settles")]
    version: Annotated[str | None, about("of runner; null: an older one, which cannot drain")]


class WorkerList(JsonObject, frozen=True, kw_only=True):
    """The workers."""

    schema: Schema
    as_of: Annotated[Moment, about("when this was true")]
    workers: Annotated[list[ListedWorker], about("the oldest first")]
    left_out: Annotated[int, about("workers that are gone for more than an hour; --all lists them")]


class DrainedWorkers(JsonObject, frozen=True, kw_only=True):
    """The workers that are draining."""

    schema: Schema
    draining: Annotated[list[Annotated[str, about("node")]], about("since this call")]
    already: Annotated[list[Annotated[str, about("node")]], about("since an earlier one")]
    too_old: Annotated[list[Annotated[str, about("node")]], about("of an older version, which cannot drain")]
    others: Annotated[int, about("workers that are alive and do not drain")]
    out: Annotated[int, about("answers at xAI, which workers have to collect")]


class PlannedDrain(JsonObject, frozen=True, kw_only=True):
    """What `workers drain --dry-run` found."""

    schema: Schema
    would: Annotated[str, about("what would be done")]
    draining: Annotated[list[Annotated[str, about("node")]], about("would drain")]
    already: Annotated[list[Annotated[str, about("node")]], about("drain since an earlier call")]
    too_old: Annotated[list[Annotated[str, about("node")]], about("of an older version, which cannot drain")]


def worker_lines(workers: Sequence[FleetWorker], left_out: int, now_ms: int) -> list[str]:
    """Return a heading and a line for each worker, and how many are left out.

    Hosts and versions are cut where a line would exceed 80 columns, and nodes stand on lines of their own
    where that is not enough: `workers drain` takes them whole.
    """
    rows = [_HEADINGS, *(_cells(worker, now_ms) for worker in workers)]
    lines = [line for each in layout.fitted_table(rows, _FIT) for line in each] if workers else []
    others = text.count(left_out, "other worker")
    return [*lines, *([f"{others} gone for more than an hour; --all lists them"] if left_out else [])]


def worker_list_object(workers: Sequence[FleetWorker], left_out: int, now_ms: int) -> WorkerList:
    """Return the object of `workers --json`."""
    listed = [
        ListedWorker(
            node=worker.node,
            host=worker.host,
            pid=worker.pid,
            state=worker.state,
            since=text.iso(worker.since_ms),
            started_at=text.iso(worker.started_ms),
            in_flight=worker.in_flight,
            version=worker.version,
        )
        for worker in workers
    ]
    return WorkerList(schema=SCHEMA, as_of=text.iso(now_ms), workers=listed, left_out=left_out)


def drained_lines(drained: DrainedWorkers) -> list[str]:
    """Return what becomes of the workers, and of the answers that are out."""
    if not (drained.draining or drained.already or drained.too_old):
        return ["no worker is alive: there is nothing to drain"]
    lines = []
    if drained.draining:
        lines.append(
            f"{text.count(len(drained.draining), 'worker')} to drain:"
            " each begins nothing new from its next heartbeat on, finishes what is in flight, and ends"
        )
    lines += [f"{node} is draining already" for node in drained.already]
    lines += [
        f"warning: {node} runs an older version, which cannot drain; end it with SIGTERM"
        for node in drained.too_old
    ]
    if not drained.others:
        out = f": {text.count(drained.out, 'answer')} at xAI will wait for one" if drained.out else ""
        lines.append(f"no other worker is alive{out}; to start one: runner worker")
    return lines


def _cells(worker: FleetWorker, now_ms: int) -> tuple[str, ...]:
    return (
        plain(worker.node),  # whole, because `workers drain` takes it
        one_line(_machine(worker), _CELL_LENGTH),
        str(worker.pid),
        worker.state,
        text.recent_time(worker.since_ms, now_ms),
        f"{worker.in_flight:,}",
        one_line(worker.version or "-", _CELL_LENGTH),
    )


def _machine(worker: FleetWorker) -> str:
    """Return the id of the host; of a state folder, which has none, the name of the machine by the node."""
    return worker.node.rpartition("@")[2] if worker.host == _EMBEDDED else worker.host
