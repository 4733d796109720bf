"""`runner show RUN ID`: the story of one job, or the bytes of its answer."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from runner.cli import flags, json, stories, text
from runner.cli.opening import existing_database, find_run, read_settings
from runner.db import results
from runner.rules.errors import UsageError
from runner.rules.explain import explain
from runner.rules.redact import one_line, plain

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row

    from runner.db.runs import RunRow

_MESSAGE_LENGTH = 300
_TIMES = ("marked_at_ms", "sent_at_ms", "accepted_at_ms", "collected_at_ms")
_JOB_FACTS = ("line", "custom_id", "model", "state", "error_code", "spent", "extras", "request_id")
_ATTEMPT_FACTS = (
    *("attempt", "lane", "outcome", "http_status", "error_code", "error_message", "request_id", "polls"),
    *("model", "finish_reason", "prompt_tokens", "cached_tokens", "completion_tokens", "reasoning_tokens"),
    *("total_tokens", "ticks", "ticks_source", "possible_ticks", "prices_as_of"),
)


@click.command("show", short_help="Tell the story of one job.")
@click.argument("run")
@click.argument("job_id", metavar="ID")
@click.option("--raw", is_flag=True, help="Print the bytes of its last answer as they came, nothing else.")
@flags.json_flag
def command(run: str, job_id: str, *, raw: bool, as_json: bool) -> None:
    """Tell the story of the job with the custom_id ID of RUN: every attempt, its times, errors and cost.

    \b
    Example, the answer itself:
      runner show reviews r-17 --raw | jq -r '.choices[0].message.content'
    """
    with existing_database(read_settings()) as database, database.read() as connection:
        found = find_run(connection, run)
        job = stories.job(connection, found.id, job_id)
        if job is None:
            what = f"run {found.id} has no job {one_line(job_id, 80)}"
            raise UsageError(what, fix="ID is a custom_id of the job file, or line-N")
        if raw:
            sys.stdout.buffer.write(_answer(connection, job))
            return
        attempts = stories.attempts(connection, job.id)
        now_ms = database.now_ms()
    if as_json:
        json.emit(_object(found, job, attempts, now_ms))
    else:
        for line in _lines(found, job, attempts):
            text.out(line)


def _answer(connection: Connection, job: Row[Any]) -> bytes:
    kept = results.of_job(connection, job.id)
    chosen = next((row for row in kept if row.attempt == job.answered_by), kept[-1] if kept else None)
    if chosen is None:
        raise UsageError(f"there is no answer of {one_line(job.custom_id, 80)} yet; it is {job.state}")
    return bytes(chosen.body)


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


def _lines(run: RunRow, job: Row[Any], attempts: list[Row[Any]]) -> list[str]:
    why = f" ({plain(job.error_code)})" if job.error_code else ""
    lines = [
        f"job {plain(job.custom_id)} of run {run.id}, {plain(run.name)}: {job.state}{why}",
        f"  line {job.line:,} of the file, model {plain(job.model)}",
    ]
    for attempt in attempts:
        lines += ["", *(f"  {line}" for line in _attempt_lines(attempt))]
    if job.state == "pending":
        lines += ["", f"  next attempt not before {text.timestamp(job.due_at_ms)}"]
    elif job.state == "waiting":
        lines += ["", f"  asked for again at {text.timestamp(job.due_at_ms)}"]
    return lines


def _attempt_lines(attempt: Row[Any]) -> list[str]:
    rows = [(f"attempt {attempt.attempt}", f"{attempt.outcome}, {attempt.lane}")]
    rows += [
        (name.removesuffix("_at_ms"), text.timestamp(getattr(attempt, name)))
        for name in _TIMES
        if getattr(attempt, name) is not None
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
    return text.table(rows)


def _tokens(attempt: Row[Any]) -> str:
    parts = (
        (name, getattr(attempt, f"{name}_tokens")) for name in ("prompt", "cached", "completion", "reasoning")
    )
    shown = ", ".join(f"{name} {n:,}" for name, n in parts if n is not None)
    return f"{attempt.total_tokens:,} ({shown}); {plain(attempt.model or 'unknown model')}"
