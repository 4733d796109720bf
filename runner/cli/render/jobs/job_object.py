"""The history of one job as a JSON object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from msgspec import Meta, Raw

from runner.cli.render import text
from runner.rules.identity import attempt_name
from runner.rules.json_object import MONEY, SCHEMA, JsonObject, Moment, Schema, about
from runner.rules.json_text.answer_json import json_line, on_one_line
from runner.rules.replies.chat_completion import Flaw
from runner.rules.replies.unreadable import describe
from runner.rules.states import JobState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.db.runs.run_row import RunRow

DatabaseRow: TypeAlias = Any  # of `db.jobs.job_history`: its columns are attributes
Tokens = Annotated[int | None, about("tokens")]


class JobAttempt(JsonObject, frozen=True, kw_only=True):
    """One attempt of a job."""

    attempt: Annotated[int, about("from 1")]
    lane: Annotated[str, about("how it travelled")]
    outcome: Annotated[str, about("what became of it")]
    http_status: Annotated[int | None, about("of the last reply")]
    error_code: Annotated[str | None, about("docs/errors.md")]
    error_message: Annotated[str | None, about("the API's words")]
    request_id: Annotated[str | None, about("the API's handle")]
    polls: Annotated[int, about("requests for the answer")]
    model: Annotated[str | None, about("that answered")]
    finish_reason: Annotated[str | None, about("the API's word")]
    flaw: Annotated[Flaw | None, about("what a good answer lacks")]
    prompt_tokens: Tokens
    cached_tokens: Tokens
    completion_tokens: Tokens
    reasoning_tokens: Tokens
    total_tokens: Tokens
    ticks: Annotated[int | None, about(f"cost, {MONEY}")]
    ticks_source: Annotated[
        Literal["reported", "estimated", "possible", "unknown"] | None, about("of the cost")
    ]
    probable_ticks: Annotated[int | None, about("what it probably cost where nobody could read it")]
    possible_ticks: Annotated[int | None, about("what it may have cost at most where nobody could read it")]
    prices_as_of: Annotated[str | None, about("date of the price table, where it was used")]
    marked_at: Annotated[Moment | None, about("put on record, before it was sent")]
    sent_at: Annotated[Moment | None, about("sent")]
    accepted_at: Annotated[Moment | None, about("accepted by the API")]
    collected_at: Annotated[Moment | None, about("its end")]
    client_request_id: Annotated[
        str, about("the header x-client-request-id, for a question to xAI's support")
    ]


class UnreadableReplies(JsonObject, frozen=True, kw_only=True):
    """Replies to the fetches of one attempt that were no answers."""

    attempt: Annotated[int, about("from 1")]
    replies: Annotated[int, about("so many")]
    first_at: Annotated[Moment, about("the first")]
    last_at: Annotated[Moment, about("the last")]
    what: Annotated[str, about("what the last one was")]
    first_body: Annotated[str, about("the beginning of the first, as text")]
    last_body: Annotated[str, about("the beginning of the last, as text")]
    last_bytes: Annotated[int, about("of the whole last one")]


class JobStory(JsonObject, frozen=True, kw_only=True):
    """The story of one job."""

    schema: Schema
    as_of: Annotated[Moment, about("when this was true")]
    run: Annotated[int, about("id of its run")]
    line: Annotated[int, about("in the job file; of a labeled table the row")]
    custom_id: Annotated[str, about("its id in the job file")]
    model: Annotated[str, about("asked for")]
    state: Annotated[JobState, about("see docs/states.md")]
    error_code: Annotated[str | None, about("why it failed or is held (docs/errors.md)")]
    spent: Annotated[int, about("attempts that count against --max-attempts")]
    extras: Annotated[int, about("attempts that gave it no end")]
    request_id: Annotated[str | None, about("of the answer that is out")]
    due_at: Annotated[Moment | None, about("when it is sent or asked for next")]
    finished_at: Annotated[Moment | None, about("its end")]
    set_model: Annotated[str | None, about("the model that `retry --set-model` set; null: that of the line")]
    attempts: Annotated[list[JobAttempt], about("the oldest first")]
    unreadable: Annotated[
        list[UnreadableReplies], about("replies to fetches that were no answers, by attempt")
    ]
    request: Annotated[
        Raw, Meta(description="the request body, as it was written", extra_json_schema={"type": "object"})
    ]
    answer: Annotated[
        Raw | None, about("the answer's body as it came; null where there is none, or it is no JSON")
    ]


def story_object(
    run: RunRow,
    job: DatabaseRow,
    attempts: Sequence[DatabaseRow],
    unreadable: Sequence[DatabaseRow],
    request: bytes,
    answer: bytes | None,
    *,
    now_ms: int,
    set_model: str | None,
) -> JobStory:
    """Return the object of `show --json`; the bodies are as they came. `set_model`: by the user, or None."""
    answer_line = None if answer is None else json_line(answer)
    is_due = job.due_at_ms and job.finished_at_ms is None
    return JobStory(
        schema=SCHEMA,
        as_of=text.iso(now_ms),
        run=run.id,
        line=job.line,
        custom_id=job.custom_id,
        model=job.model,
        state=job.state,
        error_code=job.error_code,
        spent=job.spent,
        extras=job.extras,
        request_id=job.request_id,
        due_at=text.iso(job.due_at_ms) if is_due else None,
        finished_at=text.iso_or_none(job.finished_at_ms),
        set_model=set_model,
        attempts=[_attempt(attempt) for attempt in attempts],
        unreadable=[_unreadable(row) for row in unreadable],
        request=Raw(on_one_line(request)),
        answer=None if answer_line is None else Raw(answer_line),
    )


def _attempt(row: DatabaseRow) -> JobAttempt:
    return JobAttempt(
        attempt=row.attempt,
        lane=row.lane,
        outcome=row.outcome,
        http_status=row.http_status,
        error_code=row.error_code,
        error_message=row.error_message,
        request_id=row.request_id,
        polls=row.polls,
        model=row.model,
        finish_reason=row.finish_reason,
        flaw=row.flaw,
        prompt_tokens=row.prompt_tokens,
        cached_tokens=row.cached_tokens,
        completion_tokens=row.completion_tokens,
        reasoning_tokens=row.reasoning_tokens,
        total_tokens=row.total_tokens,
        ticks=row.ticks,
        ticks_source=row.ticks_source,
        probable_ticks=row.probable_ticks,
        possible_ticks=row.possible_ticks,
        prices_as_of=row.prices_as_of,
        marked_at=text.iso_or_none(row.marked_at_ms),
        sent_at=text.iso_or_none(row.sent_at_ms),
        accepted_at=text.iso_or_none(row.accepted_at_ms),
        collected_at=text.iso_or_none(row.collected_at_ms),
        client_request_id=attempt_name(row.job_id, row.attempt),
    )


def _unreadable(row: DatabaseRow) -> UnreadableReplies:
    return UnreadableReplies(
        attempt=row.attempt,
        replies=row.replies,
        first_at=text.iso(row.first_at_ms),
        last_at=text.iso(row.last_at_ms),
        what=describe(bytes(row.last_body)),
        first_body=bytes(row.first_body).decode("utf-8", "replace"),
        last_body=bytes(row.last_body).decode("utf-8", "replace"),
        last_bytes=row.last_bytes,
    )
