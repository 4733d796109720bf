"""`runner start RUN`: set a run to work; stay with it, or leave it to a background engine."""

from __future__ import annotations

import click

from runner.cli import flags, json, last_words, snapshot, spending, text, working
from runner.cli.hold import hold
from runner.cli.opening import existing_database, find_run, need_key, read_settings
from runner.cli.report import summary_lines
from runner.rules.errors import UsageError
from runner.rules.states import RUN_ENDED, RunState


@click.command("start", short_help="Set a run to work, and watch it or leave it alone.")
@click.argument("run")
@click.option("--detach", is_flag=True, help="Return at once; the work goes on in the background.")
@click.option("--timeout", type=flags.Duration(), help="Leave after this long (90s, 2h); exit 7.")
@flags.budget_flag
@flags.json_flag
@flags.quiet_flag
@flags.verbose_flag
def command(
    run: str,
    *,
    detach: bool,
    timeout: float | None,
    budget: int | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> int:
    """Set RUN (an id or a name) to work and stay until it stands still; a paused run goes on.

    With --detach it works on after this command, until its runs have ended. No files are written:
    `runner write` does that.

    \b
    Example, overnight:
      runner start reviews --detach
      runner watch reviews
    """
    settings = read_settings()
    with hold(settings) as held, existing_database(settings) as database:
        with database.read() as connection:
            found = find_run(connection, run)
        if found.state is RunState.LOADING:
            raise UsageError(f"run {found.id} is still being loaded", fix="load its file again")
        if found.state not in RUN_ENDED:
            need_key(settings)
            spending.allow(database, settings, found.id, budget)
            if detach and held.attachment is not None:
                held.attachment.detach()
            working.set_to_work(database, found.id, held)
        if detach:
            if not quiet:
                text.note(f"run {found.id} is at work; to watch it: runner watch {found.id}")
            if as_json:
                json.emit(snapshot.live(database, snapshot.read(database, found.id)))
            return 0
        ending = working.stay(database, found.id, held, quiet=quiet, verbose=verbose, timeout_s=timeout)
        again = f"runner start {found.id}"
        if ending.left_by is not None:
            working.leave(database, found.id, held, command=again, as_json=as_json)
            return ending.left_by
        seen = snapshot.read(database, found.id)
        if as_json:
            json.emit(snapshot.live(database, seen))
        elif not quiet:
            for line in summary_lines(snapshot.summary(seen)):
                text.out(line)
        for line in (*last_words.paused(seen, again), *last_words.out(database, seen)):
            text.note(line)
        return working.code_of(seen)
