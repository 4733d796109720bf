"""States of jobs and runs, and the transition table of jobs.

`docs/states.md` and the stateful tests are generated from TRANSITIONS; the guarded UPDATEs (`runner/db/sql`)
are tried against it in every state.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class JobState(StrEnum):
    """State of a job; JOB_MEANING explains each."""

    PENDING = "pending"
    SUBMITTING = "submitting"
    WAITING = "waiting"
    COLLECTING = "collecting"
    STORED = "stored"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    HELD = "held"
    CANCELLED = "cancelled"


class RunState(StrEnum):
    """State of a run; RUN_MEANING explains each."""

    LOADING = "loading"
    READY = "ready"
    RUNNING = "running"
    WAITING = "waiting"
    PAUSED = "paused"
    FINISHED = "finished"
    CANCELLED = "cancelled"
    REMOVING = "removing"


class PauseReason(StrEnum):
    """Why a run is paused."""

    KEY = "key"
    CREDITS = "credits"
    MODEL = "model"
    BREAKER = "breaker"
    FAILURES = "failures"
    BUDGET = "budget"
    LIMIT = "limit"
    SETTING = "setting"
    USER = "user"


FINAL = frozenset({JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED})
OPEN = frozenset(JobState) - FINAL - {JobState.STORED}
AT_WORK = (RunState.RUNNING, RunState.WAITING)  # the runs that send: a waiting one sends probes

JOB_MEANING: dict[JobState, str] = {
    JobState.PENDING: "has to be sent; a lease may hold it for a process that is about to",
    JobState.SUBMITTING: "the attempt is on record and the POST may have left",
    JobState.WAITING: "the API accepted it; its request_id is known and its answer is due at due_at",
    JobState.COLLECTING: "one process is asking for the answer",
    JobState.STORED: "the answer's bytes are in `results`; not settled yet",
    JobState.SUCCEEDED: "ended with a usable answer",
    JobState.FAILED: "ended with an error",
    JobState.HELD: "a person decides: its request or answer was lost, or its answers were unusable, more"
    " often than it is sent again by itself; or a value of its line is refused",
    JobState.CANCELLED: "ended by the user",
}


class Event(StrEnum):
    """What can happen to a job; TRANSITIONS has one row for each."""

    SEND = "send"
    NOT_SENT = "not_sent"
    REFUSED_FOR_NOW = "refused_for_now"
    REFUSED = "refused"
    WITHHELD = "withheld"
    ACCEPTED = "accepted"
    AMBIGUOUS = "ambiguous"
    CLAIM = "claim"
    NOT_READY = "not_ready"
    LATER = "later"
    UNREADABLE = "unreadable"
    STORED = "stored"
    SUCCEEDED = "succeeded"
    UNUSABLE = "unusable"
    INVALID = "invalid"
    LOST = "lost"
    GENERATION_FAILED = "generation_failed"
    CANCEL = "cancel"
    ABANDON = "abandon"
    RETRY = "retry"
    REVALIDATED = "revalidated"
    INVALIDATED = "invalidated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """One row of the transition table."""

    event: Event
    sources: frozenset[JobState]
    targets: frozenset[JobState]
    fenced: bool  # only under the lease (`lease_gen`) the decision was made under
    meaning: str


def _row(
    event: Event, sources: frozenset[JobState], targets: frozenset[JobState], meaning: str, *, fenced: bool
) -> Transition:
    return Transition(event=event, sources=sources, targets=targets, fenced=fenced, meaning=meaning)


_P, _S, _W, _C = JobState.PENDING, JobState.SUBMITTING, JobState.WAITING, JobState.COLLECTING
_ST, _OK, _F, _H, _X = (
    JobState.STORED,
    JobState.SUCCEEDED,
    JobState.FAILED,
    JobState.HELD,
    JobState.CANCELLED,
)


def _s(*states: JobState) -> frozenset[JobState]:
    return frozenset(states)


TRANSITIONS: dict[Event, Transition] = {
    row.event: row
    for row in (
        _row(
            Event.SEND,
            _s(_P),
            _s(_S),
            "slots reserved, the attempt on record; the POST leaves now",
            fenced=True,
        ),
        _row(Event.NOT_SENT, _s(_S), _s(_P), "connecting failed, or we stopped before sending", fenced=True),
        _row(
            Event.REFUSED_FOR_NOW,
            _s(_S),
            _s(_P),
            "429, 503, a firewall's page, or the account is refused: due again later; spends no attempt,"
            " but for 409, 425, 499",
            fenced=True,
        ),
        _row(
            Event.REFUSED,
            _s(_S),
            _s(_F, _H),
            "the job's own fault; held where its model, image, file or tool is the cause, or a firewall's"
            " filter",
            fenced=True,
        ),
        _row(
            Event.WITHHELD,
            _s(_P, _S),
            _s(_H),
            "its model was refused several times in this run, so it was not sent",
            fenced=True,
        ),
        _row(Event.ACCEPTED, _s(_S), _s(_W), "the API gave a request_id; it is in the spool", fenced=True),
        _row(
            Event.AMBIGUOUS,
            _s(_S),
            _s(_P, _H),
            "timeout or reset after sending, 500, 502, 504, 520, 522, 524, or a lease that ran out: counted"
            " as extra",
            fenced=True,
        ),
        _row(Event.CLAIM, _s(_W), _s(_C), "due; one worker asks for the answer", fenced=False),
        _row(Event.NOT_READY, _s(_C), _s(_W), "202: not generated yet", fenced=True),
        _row(Event.LATER, _s(_C), _s(_W), "429, 5xx or no connection: attempts untouched", fenced=True),
        _row(
            Event.UNREADABLE,
            _s(_C),
            _s(_W),
            "the reply is no answer (a web page, an empty or cut body): asked for again under the same"
            " request_id, never bought again for that",
            fenced=True,
        ),
        _row(
            Event.STORED,
            OPEN | _s(_X),
            _s(_ST),
            "the bytes are in `results`; never fenced: a paid answer is kept whoever brings it",
            fenced=False,
        ),
        _row(Event.SUCCEEDED, _s(_ST), _s(_OK), "settled: read, classified, priced", fenced=False),
        _row(
            Event.UNUSABLE,
            _s(_C, _ST),
            _s(_P, _F, _H),
            "the answer has come, and nothing in it can be used (no choice, an error, a flaw of --fail-on);"
            " or the same unreadable reply came for ten minutes while others were read, so it is the answer",
            fenced=False,
        ),
        _row(
            Event.INVALID,
            _s(_ST),
            _s(_P, _F),
            "the answer does not fit the labels of the run: asked for again, with the answer and its fault,"
            " as often as the recipe allows; spends no attempt and is no automatic extra",
            fenced=False,
        ),
        _row(
            Event.LOST,
            _s(_C),
            _s(_P, _H),
            "gone by two spaced replies, expired, or unreadable for 24 hours: counted as extra",
            fenced=True,
        ),
        _row(
            Event.GENERATION_FAILED,
            _s(_C, _ST),
            _s(_P, _F),
            "the API says that the generation failed",
            fenced=False,
        ),
        _row(
            Event.ABANDON,
            _s(_W, _C),
            _s(_X),
            "by the user, at once: the answer stays where it is; what it may have cost is counted",
            fenced=False,
        ),
        _row(Event.CANCEL, _s(_P, _H), _s(_X), "by the user; waiting ones are still collected", fenced=False),
        _row(Event.RETRY, _s(_F, _H, _X), _s(_P), "by the user; the history stays", fenced=False),
        _row(
            Event.REVALIDATED,
            _s(_F),
            _s(_OK),
            "by the user, who changed how answers are repaired: a stored answer that did not fit the labels"
            " does now; nothing is sent, and no cost is counted again",
            fenced=False,
        ),
        _row(
            Event.INVALIDATED,
            _s(_OK),
            _s(_F),
            "the opposite: an answer that fits only after its repair does not fit without it",
            fenced=False,
        ),
    )
}
