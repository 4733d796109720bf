"""What became of an attempt, as rows to be written: the values that the moves of `jobs` take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runner.db.leases import Lease
    from runner.rules.states import Event, JobState


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Why a job moved, for its history: our code, the API's words, the HTTP status."""

    code: str
    message: str = ""
    http_status: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The API took an attempt."""

    lease: Lease
    request_id: str
    sent_at_ms: int
    accepted_at_ms: int
    due_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Back:
    """An attempt came to nothing: where the job goes, when it is due again, and why.

    `possible_ticks` bounds what it may have cost all the same; None where nobody can tell.
    """

    lease: Lease
    target: JobState
    due_at_ms: int
    at_ms: int
    cause: Cause
    possible_ticks: int | None = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class NotYet:
    """A fetch brought no answer: ask again at `due_at_ms`. `asked`: whether the API was asked at all."""

    lease: Lease
    due_at_ms: int
    misses: int
    asked: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What an answer used and what it cost. `ticks_source` is reported or estimated.

    Where `ticks` is None it is possible: `possible_ticks` bounds them; or unknown: nobody can tell.
    `instead_of`: the model asked for, where `model` is another. `flaw`: what a good answer lacks.
    """

    model: str | None = None
    instead_of: str | None = None
    finish_reason: str | None = None
    flaw: str | None = None
    prompt_tokens: int | None = None
    cached_tokens: int | None = None
    completion_tokens: int | None = None
    reasoning_tokens: int | None = None
    total_tokens: int | None = None
    ticks: int | None = None
    ticks_source: str = "unknown"
    prices_as_of: str | None = None
    possible_ticks: int | None = None

    @property
    def output_tokens(self) -> int | None:
        """Return what is billed as output: all but the prompt, reasoning included; None where unknown."""
        if self.prompt_tokens is None or self.total_tokens is None:
            return None
        return max(self.completion_tokens or 0, self.total_tokens - self.prompt_tokens)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """A stored answer was judged: the event, where the job goes, what the answer cost."""

    job_id: int
    attempt: int
    event: Event
    target: JobState
    at_ms: int
    due_at_ms: int
    latency_bucket: str
    cost: Cost
    cause: Cause | None = None
