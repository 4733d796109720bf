"""The outcomes of attempts, as rows: the values that the moves of jobs take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from runner.rules.costs.uncertain_cost import NO_COST

if TYPE_CHECKING:
    from runner.db.workers.leases import Lease
    from runner.rules.costs.uncertain_cost import UncertainCost
    from runner.rules.states import Event, JobState


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Why a job moved, for its history: an error code of ours, the API's message, the HTTP status."""

    code: str
    message: str = ""
    http_status: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """An attempt that the API accepted; its result is due to be polled at `due_at_ms`."""

    lease: Lease
    request_id: str
    sent_at_ms: int
    accepted_at_ms: int
    due_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Requeue:
    """An attempt that ended without a result: the job goes to `target`, due at `due_at_ms`.

    `uncertain` is what it may have cost; None where that is unknown. `spent`: the attempts that a refusal for
    now spends; what other events spend is fixed.
    """

    lease: Lease
    target: JobState
    due_at_ms: int
    at_ms: int
    cause: Cause
    uncertain: UncertainCost | None = NO_COST
    spent: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PollAgain:
    """A fetch without a result: poll again at `due_at_ms`.

    `misses` is the number of 404 replies so far. `was_asked` is False where no request was sent.
    `interrupted_at_ms` is set where the fetch died with its process.
    """

    lease: Lease
    due_at_ms: int
    misses: int
    was_asked: bool = True
    interrupted_at_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """The usage and cost of a result.

    `ticks_source` is "reported" or "estimated" where `ticks` is known; else "possible", with what it may have
    cost in `uncertain`, or "unknown". `instead_of` is the requested model where the result is of another
    `model`. `flaw` is the flaw of a usable result: length, refusal or empty.
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
    uncertain: UncertainCost | None = None

    @property
    def output_tokens(self) -> int | None:
        """Return the tokens billed as output, reasoning included: all but the prompt; None where unknown."""
        if self.prompt_tokens is None or self.total_tokens is None:
            return None
        return max(self.completion_tokens or 0, self.total_tokens - self.prompt_tokens)


class LabelCheck(NamedTuple):
    """What the contract of a run with labels found in an answer. (A tuple: made in a third of the time.)

    Of an invalid one: `is_first` says that its job was never asked again before, `ask_tokens` what asking
    again adds to its prompt, `asks_max` how often the recipe allows that. Of a valid one: `repair` is the
    kind of repair that it needed, `labels` are the words "field=value" to count.
    """

    is_first: bool = False
    ask_tokens: int = 0
    asks_max: int = 0
    repair: str | None = None
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """A stored result that was classified: the job moves by `event` to `target`; its cost is counted.

    `at_ms` is when the result was received, `latency_ms` how long after the attempt was accepted.
    `label_check` is set in runs with a contract, for answers that could be checked.
    """

    job_id: int
    attempt: int
    event: Event
    target: JobState
    at_ms: int
    due_at_ms: int
    latency_bucket: str
    cost: Cost
    cause: Cause | None = None
    label_check: LabelCheck | None = None
    latency_ms: int = 0
