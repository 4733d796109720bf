"""`runner compare A B...`: did the scores get worse, or is it noise?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from runner.cli import flags
from runner.cli.printing import print_escaped, print_json, print_note
from runner.rules.errors import UsageError

if TYPE_CHECKING:
    from runner.rules.evaluation.scores import Scores

_HELP: Final = """\
Compare the scores in A with those in B, item by item. Needs no key, no database and no engine.

A file has the columns id and score (0 to 1, or empty where an answer was not scored) and, where items were
answered several times, epoch. It is CSV, TSV, JSONL or Parquet.

With several B, the oldest first, these are the nights before A, without those that had regressed. A is then
judged against the last 14 of them together: exit 10 where it is worse. Before that is said, all of A is to be
measured once more; the second measurement is given with --again.

\b
Example, two files; and a night against those before it:
  runner compare new.csv old.csv
  runner compare tonight.csv nights/*.csv
"""


@click.command("compare", short_help="Compare scores: did they get worse, or is it noise?", help=_HELP)
@click.argument("first", metavar="A", type=click.Path(path_type=Path))
@click.argument("others", metavar="B...", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option("--again", metavar="FILE", type=click.Path(path_type=Path), help="A second measurement of A.")
@click.option(
    "--false-alarms",
    metavar="N",
    type=flags.Count(2),
    default=90,
    show_default=True,
    help="One false alarm in N unchanged nights, on average.",
)
@flags.json_flag
def command(
    first: Path, others: tuple[Path, ...], *, again: Path | None, false_alarms: int, as_json: bool
) -> None:
    """Compare the scores in A with those in B, item by item."""
    from runner.evals.score_file import read_scores

    if len(others) == 1:
        if again is not None:
            raise UsageError("--again is for a night that is judged", fix="give the nights before it as B")
        _compare(first, read_scores(first), others[0], read_scores(others[0]), as_json=as_json)
        return
    _compare_night(
        first,
        read_scores(first),
        None if again is None else read_scores(again),
        [read_scores(path) for path in others],
        alpha=1 / false_alarms,
        as_json=as_json,
    )


def _compare(first: Path, scores: Scores, second: Path, base: Scores, *, as_json: bool) -> None:
    from runner.cli.render.comparison_lines import comparison_lines
    from runner.cli.render.comparison_object import comparison_object
    from runner.rules.evaluation.scores import coverage, paired
    from runner.rules.statistics.comparison import difference

    pairing = paired(scores, base)
    sides = ((str(first), coverage(scores)), (str(second), coverage(base)))
    found = difference(list(pairing.pairs.values())) if pairing.pairs else None
    if as_json:
        print_json(comparison_object(found, pairing, sides, None, 1))
    elif found is None:
        print_escaped(f"{first} and {second} have no item with scores in common")
    else:
        print_escaped(f"{first} against {second}")
        for line in comparison_lines(found, pairing, sides):
            print_escaped(line)


def _compare_night(
    first: Path, tonight: Scores, again: Scores | None, nights: list[Scores], *, alpha: float, as_json: bool
) -> None:
    from runner.cli.render.comparison_lines import comparison_lines, verdict_line
    from runner.cli.render.comparison_object import comparison_object
    from runner.rules.evaluation.night_gate import POOL_LEAST, Verdict
    from runner.rules.evaluation.scored_night import night_result
    from runner.rules.evaluation.scores import coverage, pooled
    from runner.rules.evaluation.verdicts import EXIT_CODES

    outcome, pairing, pool_nights = night_result(tonight, again, nights, alpha=alpha)
    sides = ((str(first), coverage(tonight)), ("the nights", coverage(pooled(nights[-pool_nights:]))))
    if as_json:
        print_json(comparison_object(outcome.difference, pairing, sides, outcome, pool_nights))
    else:
        print_escaped(verdict_line(first.name, pool_nights, outcome))
        if outcome.difference is not None:
            for line in comparison_lines(outcome.difference, pairing, sides):
                print_escaped(line)
    if outcome.verdict is Verdict.MEASURE_AGAIN:
        print_note(f"measure all items of {first.name} once more, and add the result with --again FILE")
    if outcome.verdict is Verdict.NO_BASELINE and not as_json:
        print_note(f"a verdict needs {POOL_LEAST} nights with the same items")
    click.get_current_context().exit(EXIT_CODES[outcome.verdict])
