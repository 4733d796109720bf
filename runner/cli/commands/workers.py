"""`runner workers`: the worker processes, and `drain`, which ends some of them in order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from runner.cli import flags, value_types
from runner.cli.printing import print_escaped, print_json, print_note
from runner.cli.render.fleet.worker_list import drained_lines, worker_lines, worker_list_object
from runner.cli.session.actor import read_actor
from runner.cli.session.confirm import confirm
from runner.cli.session.context import existing_database, read_settings
from runner.cli.session.steering.drain_workers import drain_workers, plan_drain, read_fleet
from runner.db.session import clock_ms
from runner.rules.worker_state import WorkerState

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

_GONE_MS: Final = 3_600_000

_HELP: Final = """\
List the worker processes: on which machine, alive or silent since when, and how many jobs each has in
flight. Those that are gone for more than an hour are counted; --all lists them.

\b
Example, before a machine is switched off:
  runner workers
  runner workers drain w412-1@alpha w412-2@alpha --reason 'new disk'
"""


@click.group(
    "workers", short_help="List the workers, or let some drain.", help=_HELP, invoke_without_command=True
)
@click.option("--all", "is_all", is_flag=True, help="Also list workers that are gone for more than an hour.")
@flags.json_flag
@click.pass_context
def command(ctx: click.Context, *, is_all: bool, as_json: bool) -> None:
    """List the worker processes, unless a command for them follows."""
    if ctx.invoked_subcommand is not None:
        return
    settings = read_settings()
    with existing_database(settings) as database, database.read() as connection:
        now_ms = clock_ms(connection)
        found = [*read_fleet(settings, connection, now_ms).values()]
    gone = (WorkerState.ENDED, WorkerState.SILENT)
    shown = [
        worker
        for worker in found
        if is_all or worker.in_flight or worker.state not in gone or now_ms - worker.since_ms < _GONE_MS
    ]
    if as_json:
        print_json(worker_list_object(shown, len(found) - len(shown), now_ms))
        return
    for line in worker_lines(shown, len(found) - len(shown), now_ms):
        print_escaped(line)
    if not found:
        print_note("no worker was ever at work here")


def _complete_nodes(
    _ctx: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    from runner.cli.session.completion.node_names import (
        complete_nodes,  # only a shell that completes needs it
    )

    return complete_nodes(incomplete)


_DRAIN_HELP: Final = """\
Let workers drain: each begins nothing new, finishes what it sends or fetches, and ends.

NODE is the name that `runner workers` shows. Answers that are still at xAI are collected by the other
workers; where no other is alive, this command says so. `runner worker` does not start a drained process
again, and ends with exit code 0 when all of its own are drained; a service manager that restarts whatever
ends would start it again. The workers of a state folder cannot drain: their engine starts and ends them.

\b
Example, one machine, then all:
  runner workers drain w412-1@alpha w412-2@alpha --yes
  runner workers drain --all --reason 'upgrade to 0.2' --yes
"""


@command.command("drain", short_help="Let workers finish what is in flight, and end.", help=_DRAIN_HELP)
@click.argument(
    "nodes", nargs=-1, type=value_types.Text(), metavar="[NODE]...", shell_complete=_complete_nodes
)
@click.option("--all", "is_all", is_flag=True, help="All workers that are alive.")
@flags.reason_flag
@flags.dry_run_flag
@flags.yes_flag
@flags.json_flag
@flags.quiet_flag
def drain(
    nodes: tuple[str, ...],
    *,
    is_all: bool,
    reason: str | None,
    dry_run: bool,
    yes: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Let workers drain: each begins nothing new, finishes what it sends or fetches, and ends."""
    settings = read_settings()
    with existing_database(settings) as database:
        with database.read() as connection:
            plan = plan_drain(settings, connection, nodes, is_all=is_all)
        is_sure = yes or len(plan.nodes) <= 1
        if not confirm(plan.question, yes=is_sure, dry_run=dry_run, as_json=as_json, planned=plan.planned):
            return
        with database.write() as connection:
            drained = drain_workers(connection, plan, read_actor(settings, reason))
    if as_json:
        print_json(drained)
    elif not quiet:
        for line in drained_lines(drained):
            print_note(line)
