"""The history of one job: its state, prompt, answer, attempts and costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

from runner.cli.render import layout, text
from runner.cli.render.jobs import conversation
from runner.cli.render.runs.uncertain_cost_text import amounts_more
from runner.rules import models
from runner.rules.explain import explain
from runner.rules.identity import attempt_name
from runner.rules.printed_id import printed_id
from runner.rules.redact import one_line, plain
from runner.rules.replies.reply_table import MODEL_CODES
from runner.rules.replies.unreadable import describe
from runner.rules.states import JOB_MEANING, JobState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runner.db.runs.run_row import RunRow

DatabaseRow: TypeAlias = Any  # of `db.jobs.job_history`: its columns are attributes

_MESSAGE_LENGTH: Final = 300
_ROLE_LENGTH: Final = 12


def story_lines(
    run: RunRow,
    job: DatabaseRow,
    attempts: Sequence[DatabaseRow],
    unreadable: Sequence[DatabaseRow],
    request: bytes,
    answer: bytes | None,
    *,
    full: bool,
    set_model: str | None = None,
) -> list[str]:
    """Return a job's state, prompt and answer, attempts, and the next step; `full`: the whole texts.

    `set_model`: the model that the user set, or None.
    """
    parts = conversation.request_parts(request)
    parts += conversation.answer_parts(answer) if answer is not None else []
    return [
        *_head(run, job, set_model),
        "",
        *_conversation(parts, full=full),
        *_attempts(job, attempts, {row.attempt: row for row in unreadable}),
        *_next(run, job),
    ]


def _head(run: RunRow, job: DatabaseRow, set_model: str | None) -> list[str]:
    by_user = ", set by retry --set-model" if set_model else ""
    why = f" ({plain(job.error_code)})" if job.error_code else ""
    meaning = explain(job.error_code) if job.error_code else JOB_MEANING[JobState(job.state)]
    meaning = meaning.replace("runner show RUN ID says", "its attempts say")  # they are below
    meaning = meaning.replace(" RUN", f" {run.id}")  # so that its command can be typed
    meaning = meaning.replace(" ID ", f" {text.shell_word(printed_id(job.custom_id))} ")
    place = "line" if run.recipe is None else "row"
    return [
        f"job {printed_id(job.custom_id)} of run {run.id}, {plain(run.name)}: {job.state}{why}",
        *layout.indented(layout.wrapped(meaning, layout.WIDTH - 2)),
        f"  {place} {job.line:,} of {plain(run.input_path)}",
        f"  model {plain(job.model)}{by_user}",
    ]


def _conversation(parts: list[tuple[str, str]], *, full: bool) -> list[str]:
    """Return each message beside the name of its role."""
    rows = []
    for name, words in parts:
        first, *others = conversation.folded(words, full=full)
        rows += [(one_line(name, _ROLE_LENGTH), first), *(("", line) for line in others)]
    return layout.indented(layout.table(rows)) if rows else []


def _attempts(
    job: DatabaseRow, attempts: Sequence[DatabaseRow], unreadable: Mapping[int, DatabaseRow]
) -> list[str]:
    lines = []
    for attempt in attempts:
        rows = [row for row in _facts(attempt) if row != ("meaning", explain(job.error_code or ""))]
        if attempt.attempt in unreadable:
            rows += _no_answers(unreadable[attempt.attempt])
        lines += ["", *layout.indented(layout.facts(rows))]
    return lines


def _next(run: RunRow, job: DatabaseRow) -> list[str]:
    """Return when the job is sent or polled next, or the command that sends it again."""
    if job.state == JobState.PENDING and not job.due_at_ms:
        return ["", "  to be sent when the run is at work and the limit allows it"]
    if job.state == JobState.PENDING:
        return ["", f"  next attempt not before {text.timestamp(job.due_at_ms)}"]
    if job.state == JobState.WAITING:
        return ["", f"  next poll at {text.timestamp(job.due_at_ms)}"]
    if job.state in (JobState.FAILED, JobState.HELD, JobState.CANCELLED):
        retry = f"runner retry {run.id} --id {text.shell_word(printed_id(job.custom_id))}"
        if job.error_code in MODEL_CODES and models.DEFAULT not in models.names_in_answers(job.model):
            retry += f" --set-model {models.DEFAULT}"  # the same one would be refused again
        return ["", f"  to send it again: {retry}"]
    return []


def _facts(attempt: DatabaseRow) -> list[tuple[str, str]]:
    return [
        (f"attempt {attempt.attempt}", f"{attempt.outcome}, {attempt.lane}, worker {attempt.worker}"),
        ("times", _times(attempt)),
        *_id_facts(attempt),
        *_error_facts(attempt),
        *([("tokens", _tokens(attempt))] if attempt.total_tokens is not None else []),
        *_cost_facts(attempt),
    ]


def _id_facts(attempt: DatabaseRow) -> list[tuple[str, str]]:
    """Return the request id; for a failed attempt without one the id that it was sent with."""
    if attempt.request_id:
        return [("request_id", f"{plain(attempt.request_id)}, {text.count(attempt.polls, 'poll')}")]
    if attempt.error_code:
        return [("sent as", f"x-client-request-id {attempt_name(attempt.job_id, attempt.attempt)}")]
    return []


def _error_facts(attempt: DatabaseRow) -> list[tuple[str, str]]:
    if not attempt.error_code:
        return []
    status = f"HTTP {attempt.http_status}, " if attempt.http_status else ""
    words = one_line(attempt.error_message or "", _MESSAGE_LENGTH)
    error = f"{status}{plain(attempt.error_code)}" + (f": {words}" if words else "")
    meaning = explain(attempt.error_code)
    if not meaning or meaning == attempt.error_message:
        return [("error", error)]
    return [("error", error), ("meaning", meaning)]


def _cost_facts(attempt: DatabaseRow) -> list[tuple[str, str]]:
    if attempt.ticks is not None:
        return [("cost", f"{text.dollars(attempt.ticks)} {attempt.ticks_source}")]
    if attempt.possible_ticks or attempt.probable_ticks:
        return [("cost", _uncertain_cost(attempt))]
    return [("cost", "unknown")] if attempt.ticks_source else []


def _uncertain_cost(attempt: DatabaseRow) -> str:
    """Return what an attempt may have cost, and why it is not known."""
    if attempt.outcome == "refused":
        return f"at most {text.dollars(attempt.possible_ticks)}; a fee for the refused prompt"
    if not attempt.possible_ticks:
        return f"about {text.dollars(attempt.probable_ticks)}, if the refusal hid a paid answer"
    amounts = amounts_more(attempt.probable_ticks or 0, attempt.possible_ticks).replace(" more", "")
    return f"{amounts}; the answer could not be read"


def _no_answers(row: DatabaseRow) -> list[tuple[str, str]]:
    """Return what came for an attempt instead of its answer."""
    replies = text.count(row.replies, "reply", "replies")
    return [
        ("no answer", f"{replies}, {text.timestamp(row.first_at_ms)} to {text.timestamp(row.last_at_ms)}"),
        ("the last", describe(bytes(row.last_body))),
    ]


def _times(attempt: DatabaseRow) -> str:
    """Return when an attempt began, and how many seconds later it was accepted and ended."""
    began_ms = attempt.marked_at_ms
    ended = "collected" if attempt.accepted_at_ms else "ended"
    steps = [
        f"{name} +{text.duration((at - began_ms) / 1000)}"
        for name, at in (("accepted", attempt.accepted_at_ms), (ended, attempt.collected_at_ms))
        if at is not None
    ]
    return ", ".join([text.timestamp(began_ms), *steps])


def _tokens(attempt: DatabaseRow) -> str:
    parts = (
        (name, getattr(attempt, f"{name}_tokens")) for name in ("prompt", "cached", "completion", "reasoning")
    )
    shown = ", ".join(f"{name} {n:,}" for name, n in parts if n is not None)
    return f"{attempt.total_tokens:,} ({shown}); {plain(attempt.model or 'unknown model')}"
