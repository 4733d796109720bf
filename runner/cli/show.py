"""`runner show RUN ID`: the story of one job, or the bytes of its answer."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click
import orjson

from runner.cli import conversation, flags, json, text
from runner.cli.opening import existing_database, find_run, read_settings
from runner.db import results, stories
from runner.output.line import is_json, on_one_line
from runner.rules.errors import UsageError
from runner.rules.explain import explain
from runner.rules.redact import one_line, plain
from runner.rules.states import JOB_MEANING, JobState

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row

    from runner.db.runs import RunRow

_MESSAGE_LENGTH = 300
_ID_LENGTH = 80
_ROLE_LENGTH = 12
_TIMES = ("marked_at_ms", "sent_at_ms", "accepted_at_ms", "collected_at_ms")
_JOB_FACTS = ("line", "custom_id", "model", "state", "error_code", "spent", "extras", "request_id")
_ATTEMPT_FACTS = (
    *("attempt", "lane", "outcome", "http_status", "error_code", "error_message", "request_id", "polls"),
    *("model", "finish_reason", "flaw", "prompt_tokens", "cached_tokens", "completion_tokens"),
    "reasoning_tokens",
    *("total_tokens", "ticks", "ticks_source", "possible_ticks", "prices_as_of"),
)


@click.command("show", short_help="Tell the story of one job.")
@flags.run_argument
@click.argument("job_id", metavar="ID")
@click.option("--full", is_flag=True, help="Show prompt and answer whole.")
@click.option("--raw", is_flag=True, help="Print the bytes of its last answer as they came, nothing else.")
@flags.json_flag
def command(run: str, job_id: str, *, full: bool, raw: bool, as_json: bool) -> None:
    """Tell the story of the job with the custom_id ID of RUN: prompt, answer, every attempt, its cost.

    \b
    Example, the answer itself:
      runner show reviews r-17 --raw | jq -r '.choices[0].message.content'
    """
    with existing_database(read_settings()) as database, database.read() as connection:
        found = find_run(connection, run)
        job = stories.job(connection, found.id, job_id)
        if job is None:
            raise _unknown(connection, found.id, job_id)
        answer = _answer(connection, job)
        if raw:
            if answer is None:
                shown = one_line(job.custom_id, _ID_LENGTH)
                raise UsageError(f"there is no answer of {shown} yet; it is {job.state}")
            sys.stdout.buffer.write(answer)
            return
        request = results.bodies(connection, [job.id])[job.id][0]
        attempts = stories.attempts(connection, job.id)
        now_ms = database.now_ms()
    if as_json:
        json.emit(_object(found, job, attempts, now_ms) | _bodies(request, answer))
        return
    said = conversation.asked(request) + (conversation.answered(answer) if answer is not None else [])
    for line in [*_head(found, job), "", *_said(said, full=full), *_story(job, attempts), *_next(found, job)]:
        text.out(line)


def _unknown(connection: Connection, run_id: int, job_id: str) -> UsageError:
    near = [one_line(name, _ID_LENGTH) for name in stories.ids_like(connection, run_id, job_id)]
    meant = f"; did you mean {' or '.join(near)}?" if near else ""
    return UsageError(
        f"run {run_id} has no job {one_line(job_id, _ID_LENGTH)}{meant}",
        fix="ID is a custom_id of the job file, or line-N",
    )


def _answer(connection: Connection, job: Row[Any]) -> bytes | None:
    kept = results.of_job(connection, job.id)
    chosen = next((row for row in kept if row.attempt == job.answered_by), kept[-1] if kept else None)
    return None if chosen is None else bytes(chosen.body)


def _bodies(request: bytes, answer: bytes | None) -> dict[str, Any]:
    """Give the bodies as they are; an answer that is no JSON is null here and printed by --raw."""
    return {
        "request": orjson.Fragment(on_one_line(request)),
        "answer": orjson.Fragment(on_one_line(answer)) if answer is not None and is_json(answer) else None,
    }


def _object(run: RunRow, job: Row[Any], attempts: list[Row[Any]], now_ms: int) -> dict[str, Any]:
    return {
        "schema": 1,
        "as_of": text.iso(now_ms),
        "run": run.id,
        **{name: getattr(job, name) for name in _JOB_FACTS},
        "due_at": text.iso(job.due_at_ms) if job.finished_at_ms is None else None,
        "finished_at": text.iso(job.finished_at_ms),
        "attempts": [
            {name: getattr(attempt, name) for name in _ATTEMPT_FACTS}
            | {name.removesuffix("_ms"): text.iso(getattr(attempt, name)) for name in _TIMES}
            for attempt in attempts
        ],
    }


def _head(run: RunRow, job: Row[Any]) -> list[str]:
    why = f" ({plain(job.error_code)})" if job.error_code else ""
    meaning = explain(job.error_code) if job.error_code else JOB_MEANING[JobState(job.state)]
    return [
        f"job {plain(job.custom_id)} of run {run.id}, {plain(run.name)}: {job.state}{why}",
        f"  {meaning}",
        f"  line {job.line:,} of {plain(run.input_path)}",
        f"  model {plain(job.model)}",
    ]


def _said(parts: list[tuple[str, str]], *, full: bool) -> list[str]:
    """Lay out who said what, each beside its name."""
    rows = []
    for name, words in parts:
        first, *others = conversation.folded(words, full=full)
        rows += [(one_line(name, _ROLE_LENGTH), first), *(("", line) for line in others)]
    return [f"  {line}" for line in text.table(rows)] if rows else []


def _story(job: Row[Any], attempts: list[Row[Any]]) -> list[str]:
    lines = []
    for attempt in attempts:
        rows = [row for row in _facts(attempt) if row != ("meaning", explain(job.error_code or ""))]
        lines += ["", *(f"  {line}" for line in text.facts(rows))]
    return lines


def _next(run: RunRow, job: Row[Any]) -> list[str]:
    """Say what comes next, or the command that sends just this job again."""
    if job.state == JobState.PENDING:
        return ["", f"  next attempt not before {text.timestamp(job.due_at_ms)}"]
    if job.state == JobState.WAITING:
        return ["", f"  asked for again at {text.timestamp(job.due_at_ms)}"]
    if job.state in (JobState.FAILED, JobState.HELD, JobState.CANCELLED):
        return ["", f"  to send it again: runner retry {run.id} --id {text.word(plain(job.custom_id))}"]
    return []


def _facts(attempt: Row[Any]) -> list[tuple[str, str]]:
    rows = [
        (f"attempt {attempt.attempt}", f"{attempt.outcome}, {attempt.lane}, worker {attempt.worker}"),
        ("times", _times(attempt)),
    ]
    if attempt.request_id:
        rows.append(("request_id", f"{plain(attempt.request_id)}, {text.of(attempt.polls, 'poll')}"))
    if attempt.error_code:
        status = f"HTTP {attempt.http_status}, " if attempt.http_status else ""
        words = one_line(attempt.error_message or "", _MESSAGE_LENGTH)
        rows.append(("error", f"{status}{plain(attempt.error_code)}" + (f": {words}" if words else "")))
        meaning = explain(attempt.error_code)
        if meaning and meaning != attempt.error_message:
            rows.append(("meaning", meaning))
    if attempt.total_tokens is not None:
        rows.append(("tokens", _tokens(attempt)))
    if attempt.ticks is not None:
        rows.append(("cost", f"{text.dollars(attempt.ticks)} {attempt.ticks_source}"))
    elif attempt.possible_ticks:
        rows.append(("cost", f"up to {text.dollars(attempt.possible_ticks)}; nobody could read it"))
    elif attempt.ticks_source:
        rows.append(("cost", "unknown"))
    return rows


def _times(attempt: Row[Any]) -> str:
    """Write when it began, and how long after that it was accepted and ended."""
    began_ms = attempt.marked_at_ms
    ended = "collected" if attempt.accepted_at_ms else "ended"
    later = [
        f"{name} +{text.duration((at - began_ms) / 1000)}"
        for name, at in (("accepted", attempt.accepted_at_ms), (ended, attempt.collected_at_ms))
        if at is not None
    ]
    return ", ".join([text.timestamp(began_ms), *later])


def _tokens(attempt: Row[Any]) -> str:
    parts = (
        (name, getattr(attempt, f"{name}_tokens")) for name in ("prompt", "cached", "completion", "reasoning")
    )
    shown = ", ".join(f"{name} {n:,}" for name, n in parts if n is not None)
    return f"{attempt.total_tokens:,} ({shown}); {plain(attempt.model or 'unknown model')}"
