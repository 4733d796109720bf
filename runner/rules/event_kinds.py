"""The kinds of events: what happened to a run or a night, or what a command did, and who makes each.

The rows of `run_events` and `operator_events` have them; the flag `--kind` of `events` takes them.
"""

from __future__ import annotations

from difflib import get_close_matches
from enum import StrEnum


class EventKind(StrEnum):
    """What happened; EVENT_MEANING explains each, and BY_WORKERS and BY_BOTH have who makes it."""

    LOADED = "loaded"
    STARTED = "started"
    SET = "set"
    PAUSED = "paused"
    CANCELLED = "cancelled"
    JOBS_CANCELLED = "jobs_cancelled"
    RETRIED = "retried"
    RECHECKED = "rechecked"
    REOPENED = "reopened"
    REMOVED = "removed"
    FILES_DELETED = "files_deleted"
    TEAM_LIMITS = "team_limits"
    WORKERS_DRAINED = "workers_drained"
    NIGHT_BEGUN = "night_begun"
    NIGHT_SET = "night_set"
    GRADED_AGAIN = "graded_again"
    BASELINE = "baseline"
    WAITING = "waiting"
    RUNNING = "running"
    LIMITS = "limits"
    WARNING = "warning"
    RECOUNTED = "recounted"
    FINISHED = "finished"
    NOTIFIED = "told"
    WRITTEN = "written"


EVENT_MEANING: dict[EventKind, str] = {
    EventKind.LOADED: "the run was loaded",
    EventKind.STARTED: "the run was started, or continued",
    EventKind.SET: "options of the run have other values",
    EventKind.PAUSED: "it sends nothing until a person acts",
    EventKind.CANCELLED: "the whole run was cancelled",
    EventKind.JOBS_CANCELLED: "some of its jobs were cancelled",
    EventKind.RETRIED: "jobs are sent again",
    EventKind.RECHECKED: "stored answers were checked again, nothing was sent",
    EventKind.REOPENED: "jobs of an ended run are sent again, as older versions recorded it",
    EventKind.REMOVED: "the run was removed",
    EventKind.FILES_DELETED: "old files of the state folder were deleted",
    EventKind.TEAM_LIMITS: "limits of the team have other values",
    EventKind.WORKERS_DRAINED: "workers were told to drain",
    EventKind.NIGHT_BEGUN: "a night of an evaluation began",
    EventKind.NIGHT_SET: "options of a night have other values",
    EventKind.GRADED_AGAIN: "the answers of a night were graded again",
    EventKind.BASELINE: "a night was accepted, pinned or unpinned",
    EventKind.WAITING: "a service is unavailable; the run continues when it is back",
    EventKind.RUNNING: "the service is back",
    EventKind.LIMITS: "the API announced other limits of a model",
    EventKind.WARNING: "something needs a look; watching commands show it",
    EventKind.RECOUNTED: "counters had drifted and were corrected",
    EventKind.FINISHED: "all jobs of the run have ended",
    EventKind.NOTIFIED: "--on-end was called, or is for the next end",
    EventKind.WRITTEN: "a worker wrote the files of the ended run",
}
BY_WORKERS = frozenset(  # what workers, and commands that follow a run, record by themselves
    {
        *(EventKind.WAITING, EventKind.RUNNING, EventKind.LIMITS, EventKind.WARNING),
        *(EventKind.RECOUNTED, EventKind.FINISHED, EventKind.NOTIFIED, EventKind.WRITTEN),
    }
)
BY_BOTH = frozenset(  # the night's second run; a budget, a key; changed settings
    {EventKind.STARTED, EventKind.PAUSED, EventKind.TEAM_LIMITS}
)

OF_NIGHTS = (EventKind.NIGHT_BEGUN, EventKind.NIGHT_SET, EventKind.GRADED_AGAIN, EventKind.BASELINE)


def made_by(kind: EventKind) -> str:
    """Return who makes an event of this kind: `command`, `worker`, or both."""
    return "worker" if kind in BY_WORKERS else "command, worker" if kind in BY_BOTH else "command"


def near_kind(word: str) -> EventKind | None:
    """Return the kind that a word resembles most; None where it resembles none."""
    found = get_close_matches(word.lower(), list(EventKind), n=1)
    return EventKind(found[0]) if found else None
