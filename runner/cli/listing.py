"""`runner list`: all runs, the newest first."""

from __future__ import annotations

import click

from runner.cli import flags, json, snapshot, text
from runner.cli.opening import existing_database, read_settings
from runner.db import runs
from runner.rules.redact import one_line
from runner.rules.states import JobState

_NAME_LENGTH = 40


@click.command("list", short_help="Show all runs.")
@flags.json_flag
def command(*, as_json: bool) -> None:
    """Show all runs, the newest first.

    \b
    Example, the ids of those that wait for a person:
      runner list --json | jq '.runs[] | select(.state == "paused") | .run'
    """
    with existing_database(read_settings()) as database:
        now_ms = database.now_ms()
        with database.read() as connection:
            seen = [snapshot.of_run(connection, run.id, now_ms) for run in runs.all_runs(connection)]
    if as_json:
        json.emit({"schema": 1, "as_of": text.iso(now_ms), "runs": [_object(one) for one in seen]})
        return
    if not seen:
        text.note("there are no runs yet; runner run FILE starts the first one")
        return
    heads = ("run", "name", "state", "done", "of", "failed", "cost", "started")
    for line in text.table([heads, *(_row(one) for one in seen)], right=frozenset({0, 3, 4, 5, 6})):
        text.out(line)


def _row(seen: snapshot.Snapshot) -> tuple[str, ...]:
    run = seen.run
    return (
        str(run.id),
        one_line(run.name, _NAME_LENGTH),
        text.state_words(run.state, run.pause_reason),
        f"{seen.done:,}",
        f"{run.total:,}",
        f"{seen.jobs(JobState.FAILED):,}",
        text.dollars(seen.spent_ticks),
        text.timestamp(run.started_at_ms),
    )


def _object(seen: snapshot.Snapshot) -> dict[str, object]:
    run = seen.run
    return {
        "run": run.id,
        "name": run.name,
        "state": run.state,
        "paused_by": run.pause_reason,
        "total": run.total,
        "done": seen.done,
        "failed": seen.jobs(JobState.FAILED),
        "held": seen.jobs(JobState.HELD),
        "spent_ticks": seen.spent_ticks,
        "created_at": text.iso(run.created_at_ms),
        "started_at": text.iso(run.started_at_ms),
        "finished_at": text.iso(run.finished_at_ms),
        "input": run.input_path,
        "output": run.output_path,
    }
