"""Settle: read, classify and price a stored answer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from runner.db.counts import counters
from runner.db.moves.outcomes import Cause, Cost, Settled
from runner.db.runs import run_row, runs
from runner.engine.collecting.check_labels import NextMove, check_answer
from runner.engine.runs import cost_bounds
from runner.rules import latency_histogram, models, money
from runner.rules.labels.label_rules import label_rules
from runner.rules.prices import day_of
from runner.rules.replies import chat_completion
from runner.rules.replies.chat_completion import Completion, Flaw, Kind
from runner.rules.sending import retry
from runner.rules.states import Event, JobState

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row

    from runner.db.runs.run_row import RunOptions
    from runner.rules.costs.uncertain_cost import UncertainCost
    from runner.rules.replies.chat_completion import Usage

TRIES_MAX = 3
UNREADABLE = "unreadable_result"
MODEL_LENGTH_MAX = 100
_EVENTS = {Kind.GENERATION_FAILED: Event.GENERATION_FAILED, Kind.SAFETY: Event.GENERATION_FAILED}
FINISH_REASON_LENGTH_MAX = 32  # the column's length; PostgreSQL refuses more, and a NUL


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A run's rules for its attempts. With a `recipe`, a good answer has to fit the labels that it names."""

    max_attempts: int = 5
    on_ambiguous: retry.OnAmbiguous = "resubmit"
    fail_on: frozenset[Flaw] = frozenset()
    price_basis: cost_bounds.PriceBasis = cost_bounds.TABLE_PRICES
    recipe: str | None = None

    @classmethod
    def of(
        cls, options: RunOptions, price_basis: cost_bounds.PriceBasis, recipe: str | None = None
    ) -> Policy:
        """Return the rules that a run's options set; an answer with any flaw has no labels."""
        return cls(
            max_attempts=options.max_attempts,
            on_ambiguous="hold" if options.on_ambiguous == "hold" else "resubmit",
            fail_on=frozenset(Flaw(word) for word in options.fail_on) if recipe is None else frozenset(Flaw),
            price_basis=price_basis,
            recipe=recipe,
        )


def policy_of_run(connection: Connection, run_id: int, price_basis: cost_bounds.PriceBasis) -> Policy:
    """Return a run's rules, read now; those without options if it is gone."""
    run = runs.find(connection, run_id)
    options = run.options if run is not None else run_row.RunOptions()
    recipe = run.recipe if run is not None else None
    return Policy.of(options, replace(price_basis, counts=counters.read(connection, run_id)), recipe)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAnswer:
    """The facts of a job that settling its stored answer needs."""

    job_id: int
    attempt: int
    model: str
    prompt_tokens: int
    output_tokens_max: int | None
    spent: int
    extras: int
    accepted_at_ms: int | None
    asks: int = 0


def stored_answer_of(row: Row[Any]) -> StoredAnswer:
    """Return the facts from a row of `db.workers.orphans`."""
    return StoredAnswer(
        job_id=row.id,
        attempt=row.attempt,
        model=row.model,
        prompt_tokens=row.prompt_tokens,
        output_tokens_max=row.output_tokens_max,
        spent=row.spent,
        extras=row.extras,
        accepted_at_ms=row.accepted_at_ms,
        asks=row.asks,
    )


def settle(subject: StoredAnswer, body: bytes, *, policy: Policy, now_ms: int) -> Settled:
    """Read, classify and price one answer, as `settle_answer`; no bytes make it raise."""
    return settle_answer(subject, chat_completion.read_completion(body), policy=policy, now_ms=now_ms)


def settle_answer(subject: StoredAnswer, answer: Completion, *, policy: Policy, now_ms: int) -> Settled:
    """Return the job's next state with its event, cost and cause. `now_ms`: when the answer was received.

    The contract of a run's labels is made when its first answer is checked. A recipe that makes none raises
    here, for each answer: it is kept unsettled, and no other run is held up.
    """
    move = _next_move(answer, subject, policy)
    latency_ms = now_ms - (subject.accepted_at_ms or now_ms)
    return Settled(
        job_id=subject.job_id,
        attempt=subject.attempt,
        event=move.event,
        target=move.target,
        at_ms=now_ms,
        due_at_ms=now_ms,
        latency_bucket=latency_histogram.bucket_of(latency_ms / 1000),
        latency_ms=max(0, latency_ms),
        cost=_cost(answer, subject, policy.price_basis, now_ms),
        cause=move.cause,
        label_check=move.label_check,
    )


def _next_move(answer: Completion, subject: StoredAnswer, policy: Policy) -> NextMove:
    """Return what the answer is to its job, and the job's next state."""
    if answer.kind is not Kind.GOOD:
        event = _EVENTS.get(answer.kind, Event.UNUSABLE)
        return NextMove(event, _next_state(event, answer.kind, subject, policy), _cause(answer, answer.kind))
    if answer.flaw in policy.fail_on:
        return NextMove(Event.UNUSABLE, JobState.FAILED, _cause(answer, answer.flaw))
    if policy.recipe is None:
        return NextMove(Event.SUCCEEDED, JobState.SUCCEEDED)
    return check_answer(label_rules(policy.recipe), answer, subject.asks)


def _cause(answer: Completion, code: str) -> Cause:
    return Cause(code=code, message=answer.error or "", http_status=200)


def fail_unreadable(subject: StoredAnswer, *, policy: Policy, now_ms: int) -> Settled:
    """Return the failure of a job whose answer could not be settled in TRIES_MAX tries; its bytes stay."""
    uncertain = _uncertain_cost(subject, policy.price_basis, now_ms)
    return Settled(
        job_id=subject.job_id,
        attempt=subject.attempt,
        event=Event.UNUSABLE,
        target=JobState.FAILED,
        at_ms=now_ms,
        due_at_ms=now_ms,
        latency_bucket=latency_histogram.bucket_of(0),
        cost=Cost(
            ticks_source="unknown" if uncertain is None else "possible",
            uncertain=uncertain,
        ),
        cause=Cause(
            code=UNREADABLE, message="the answer could not be read in three tries; its bytes are kept"
        ),
    )


def _next_state(event: Event, kind: Kind, subject: StoredAnswer, policy: Policy) -> JobState:
    return retry.next_state(
        event,
        attempts_spent=subject.spent + 1,
        extras=subject.extras,
        max_attempts=policy.max_attempts,
        on_ambiguous=policy.on_ambiguous,
        retry_helps=retry.is_retryable(kind),
    )


def _cost(
    answer: Completion, subject: StoredAnswer, price_basis: cost_bounds.PriceBasis, now_ms: int
) -> Cost:
    usage, model = answer.usage, answer.model or subject.model
    prompt, cached, completion, reasoning, total = _tokens(usage)
    price = money.price(
        usage,
        model,
        day_of(subject.accepted_at_ms or now_ms),
        service_tier=answer.service_tier,
        base_host=price_basis.base_host,
        own_prices=price_basis.prices,
    )
    uncertain = _uncertain_cost(subject, price_basis, now_ms) if usage is None else None
    return Cost(
        model=_column_text(model, MODEL_LENGTH_MAX),
        instead_of=subject.model if models.is_unexpected(subject.model, model) else None,
        flaw=answer.flaw,
        finish_reason=_column_text(answer.finish_reason, FINISH_REASON_LENGTH_MAX),
        prompt_tokens=prompt,
        cached_tokens=cached,
        completion_tokens=completion,
        reasoning_tokens=reasoning,
        total_tokens=total,
        ticks=price.ticks,
        ticks_source="possible" if uncertain is not None else price.source,
        prices_as_of=price.as_of or None,
        uncertain=uncertain,
    )


def _tokens(usage: Usage | None) -> tuple[int | None, ...]:
    """Return the tokens of prompt, cached, completion, reasoning and total; None where they are unknown."""
    if usage is None:
        return (None,) * 5
    return usage.prompt, usage.cached, usage.completion, usage.reasoning, usage.total


def _uncertain_cost(
    subject: StoredAnswer, price_basis: cost_bounds.PriceBasis, now_ms: int
) -> UncertainCost | None:
    """Return what an answer without usage may have cost: it was generated, so it was billed."""
    return cost_bounds.uncertain_cost(
        subject.model, subject.prompt_tokens, subject.output_tokens_max, now_ms, price_basis
    )


def _column_text(text: str | None, length_max: int) -> str | None:
    return text and text.replace("\0", "\ufffd")[:length_max]
