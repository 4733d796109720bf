"""`runner doctor`: what is set up, what is missing, how to fix it."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Final

import click
from msgspec import UNSET

from runner.cli import flags
from runner.cli.doctor.checks import NAMES, all_checks
from runner.cli.doctor.diagnosis import Diagnosis, failed, ok
from runner.cli.doctor.machine_checks import python
from runner.cli.printing import print_escaped, print_json
from runner.cli.render.fleet.doctor_lines import (
    CheckOutcome,
    SetUp,
    ShownSetting,
    check_lines,
    settings_lines,
)
from runner.cli.session.context import read_settings
from runner.rules.advice import Advice
from runner.rules.errors import UserError
from runner.rules.exit_codes import ExitCode
from runner.rules.json_object import SCHEMA

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from runner.settings import Settings, Source


_HELP: Final = """\
Show what is set up, what is missing, and how to fix it. Changes nothing, costs nothing.

With CHECKs, only these: state-folder, open-files, port, database, redis, workers, api.

Exit 0 when all is well (warnings included), 4 when the API key is missing or refused, else 5.

\b
Example, every setting with its source:
  runner doctor --config
\b
Example, check that a container reaches its servers:
  runner doctor database redis
"""


@click.command("doctor", short_help="Show what is set up, what is missing, and how to fix it.", help=_HELP)
@click.argument("checks", nargs=-1, type=click.Choice(NAMES), metavar="[CHECK]...")
@click.option("--config", is_flag=True, help="Also show every setting and where it comes from.")
@flags.json_flag
def command(*, checks: tuple[str, ...], config: bool, as_json: bool) -> int:
    """Show what is set up, what is missing, and how to fix it. Changes nothing, costs nothing."""
    settings, found = _settings()
    outcomes = chain((python(), found), all_checks(settings, checks) if settings else ())
    done = list(outcomes) if as_json else list(_printed(outcomes))
    sources = settings.sources if settings and config else ()
    if as_json:
        shown = [ShownSetting(name=each.name, shown=each.shown, origin=each.origin) for each in sources]
        checked = [_outcome(check) for check in done]
        print_json(SetUp(schema=SCHEMA, checks=checked, settings=shown if config else UNSET))
    else:
        _print_settings(sources)
    return _exit_code(done)


def _settings() -> tuple[Settings | None, Diagnosis]:
    try:
        settings = read_settings()
    except UserError as error:
        return None, failed("settings", Advice(error.what, error.fix))
    form = "embedded" if settings.embedded else "shared servers"
    return settings, ok("settings", f"{form}; --config tells each one")


def _exit_code(checks: list[Diagnosis]) -> ExitCode:
    failed = {check.name for check in checks if check.state == "failed"}
    if not failed:
        return ExitCode.OK
    return ExitCode.KEY_REFUSED if failed == {"api key"} else ExitCode.UNREACHABLE


def _outcome(check: Diagnosis) -> CheckOutcome:
    return CheckOutcome(name=check.name, state=check.state, result=check.result, fix=check.fix)


def _printed(outcomes: Iterable[Diagnosis]) -> Iterator[Diagnosis]:
    """Yield outcomes, each after it is printed: a check may take seconds."""
    for check in outcomes:
        for line in check_lines(check.name, check.state, check.result, check.fix):
            print_escaped(line)
        yield check


def _print_settings(sources: Iterable[Source]) -> None:
    for line in settings_lines([(source.name, source.shown, source.origin) for source in sources]):
        print_escaped(line)
