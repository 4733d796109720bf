"""`runner resume RUN`: continue a paused run, with other limits if wanted."""

from __future__ import annotations

from typing import Any, Final

import click

from runner.cli import flags
from runner.cli.commands.start import start

_HELP: Final = """\
Continue RUN (an id or a name), as `runner start` does. Options that are named here replace those of the
run and stay with it; `none` takes one away. `runner set` changes them without a start.

Files that `runner run` or `runner label` wrote are written again when the run stops; a run that was only
loaded has none until `runner write`. With --detach this command writes none either.

\b
Example, with a larger budget:
  runner resume reviews --budget 20
"""


@click.command("resume", short_help="Continue a paused run, with other limits if you want.", help=_HELP)
@flags.run_argument
@click.option("--limit", type=flags.Rate(), help="Send at most N jobs of the file.")
@click.option("--rpm", type=flags.Rate(), help="Requests per minute of the run.")
@click.option("--tpm", type=flags.Rate(), help="Tokens per minute of the run.")
@click.option("--max-failures", type=flags.Rate(), help="Pause when N jobs have failed.")
@flags.budget_flag
@click.option("--detach", is_flag=True, help="Return at once; work in the background, write no files.")
@click.option("--timeout", type=flags.Duration(), help="Stop waiting after this time (90s, 2h); exit 7.")
@flags.on_end_flag
@flags.json_flag
@flags.quiet_flag
@flags.verbose_flag
@flags.reason_flag
def command(run: str, *, reason: str | None, **given: Any) -> int:
    """Continue RUN (an id or a name), as `runner start` does."""
    options = flags.take_options(given)
    return start(run, options, flags.StartFlags(**given), reason)
