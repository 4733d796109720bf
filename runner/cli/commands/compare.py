"""`runner compare A B...`: did the scores get worse, or is it noise?"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from runner.cli import flags, value_types
from runner.cli.session.context import read_settings
from runner.rules.errors import UsageError
from runner.rules.evaluation.suite.suite import FALSE_ALARM_NIGHTS

_HELP: Final = """\
Compare the scores in A with those in B, item by item. Needs no key and no engine.

A and B are files, or nights of `runner eval` by their names. A night alone is shown beside its baseline,
and ends with the code of its verdict; with --items it ends with 0. A file has the columns id and score
(0 to 1, or empty where an answer was not scored) and, where items were answered several times, epoch. It is
CSV, TSV, JSONL or Parquet.

With several B, the oldest first, these are the nights before A, without those that had regressed. A is then
judged against the last 14 of them together: exit 10 where it is worse. Before that is said, all of A is to be
measured once more; the second measurement is given with --again.

\b
Example, two files; a file against those before it; two nights; one night:
  runner compare new.csv old.csv
  runner compare tonight.csv nights/*.csv
  runner compare support@2026-11-28 support@2026-11-01
  runner compare support@2026-11-28 --items
"""

_AGAIN_ALONE: Final = "--again is for a night that is judged"
_AGAIN_FIX: Final = "give the nights before it as B"


@click.command("compare", short_help="Compare scores: did they get worse, or is it noise?", help=_HELP)
@click.argument("first", metavar="A", type=click.Path(path_type=Path))
@click.argument("others", metavar="[B...]", type=click.Path(path_type=Path), nargs=-1)
@click.option("--again", metavar="FILE", type=click.Path(path_type=Path), help="A second measurement of A.")
@click.option("--items", is_flag=True, help="Show all items of night A that changed.")
@click.option("--variant", metavar="NAME", help="Compare this variant of the nights, not the first.")
@click.option(
    "--false-alarms",
    metavar="N",
    type=value_types.Count(2),
    default=FALSE_ALARM_NIGHTS,
    show_default=True,
    help="One false alarm in N unchanged nights, on average.",
)
@flags.json_flag
def command(
    first: Path,
    others: tuple[Path, ...],
    *,
    again: Path | None,
    items: bool,
    variant: str | None,
    false_alarms: int,
    as_json: bool,
) -> int | None:
    """Compare the scores in A with those in B, item by item."""
    from runner.cli.session.nights.compare_scores import Comparer

    comparer = Comparer(read_settings(), variant=variant, as_json=as_json)
    if not others:
        if variant is not None:
            raise UsageError("--variant is for nights that are compared", fix="leave it out: all are shown")
        if again is not None:
            raise UsageError(_AGAIN_ALONE, fix=_AGAIN_FIX)
        return comparer.night(str(first), items=items)
    if items:
        raise UsageError("--items is for one night alone", fix="runner compare NIGHT --items")
    if len(others) > 1:
        return comparer.with_many(first, again, others, alpha=1 / false_alarms)
    if again is not None:
        raise UsageError(_AGAIN_ALONE, fix=_AGAIN_FIX)
    comparer.two(first, others[0])
    return None
