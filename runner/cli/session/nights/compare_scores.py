"""Compare scores of files and nights, and print what that says: what `compare` does."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from runner.cli.printing import print_escaped, print_json, print_note
from runner.cli.render.nights.comparison_lines import comparison_lines, left_out_lines, verdict_line
from runner.cli.render.nights.comparison_object import comparison_object
from runner.cli.render.nights.night_items_object import night_items_object
from runner.cli.render.nights.night_lines import night_items_lines
from runner.cli.session.context import existing_database
from runner.cli.session.nights.print_night import print_lines, print_night
from runner.db.evaluation import nights
from runner.evals.compared_side import comparable, read_side, with_common_items
from runner.evals.night import night_end
from runner.evals.night.item_lines import changed_items
from runner.rules.errors import UsageError
from runner.rules.evaluation.gate.pool import POOL_LEAST
from runner.rules.evaluation.gate.scored_night import night_result
from runner.rules.evaluation.gate.scores import coverage, paired
from runner.rules.evaluation.gate.verdict import Verdict
from runner.rules.evaluation.report.verdicts import EXIT_CODES
from runner.rules.evaluation.suite.suite_json import decode_suite
from runner.rules.exit_codes import ExitCode
from runner.rules.statistics.comparison import difference

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from sqlalchemy import Connection

    from runner.evals.compared_side import ComparedScores
    from runner.rules.evaluation.gate.scored_night import NightResult
    from runner.rules.evaluation.gate.scores import Scores
    from runner.settings import Settings


class Comparer:
    """Compares what a command names. A database is opened only where a name is that of a night.

    `variant` is that of the nights; None is the first of each.
    """

    def __init__(self, settings: Settings, *, variant: str | None = None, as_json: bool) -> None:
        self._settings, self._variant, self._as_json = settings, variant, as_json

    def two(self, first: Path, second: Path) -> None:
        """Print two sides beside each other."""
        ours = self._side(first)
        base = comparable(ours, self._side(second))
        with_common_items(ours, [base])
        pairing = paired(ours.all, base.scores)
        sides = ((ours.name, coverage(ours.all)), (base.name, coverage(base.scores)))
        found = difference(list(pairing.pairs.values()))
        if self._as_json:
            print_json(comparison_object(found, pairing, sides, None, 1))
            return
        print_escaped(f"{ours.name} against {base.name}")
        for line in comparison_lines(found, pairing, sides):
            print_escaped(line)

    def with_many(self, first: Path, again: Path | None, others: Sequence[Path], *, alpha: float) -> int:
        """Print whether a side is worse than those before it; return the exit code."""
        tonight = self._side(first)
        repeated = tonight.again if again is None else self._repeated(tonight, again)
        kept, left_out = with_common_items(
            tonight, [comparable(tonight, self._side(path)) for path in others]
        )
        before = [side.scores for side in kept]
        result = night_result(tonight.scores, repeated, before, alpha=alpha)
        verdict = result.outcome.verdict
        self._print_result(tonight, result, first.name, left_out)
        if verdict is Verdict.MEASURE_AGAIN:
            print_note(f"measure all items of {first.name} once more, and add the result with --again FILE")
        if verdict is Verdict.NO_BASELINE and not self._as_json:
            print_note(f"a verdict needs {POOL_LEAST} nights with the same items")
        return EXIT_CODES[verdict]

    def _print_result(
        self, tonight: ComparedScores, result: NightResult, name: str, left_out: Sequence[str]
    ) -> None:
        """Print a night beside its pool; `left_out` are the names of nights that are not in it."""
        outcome, pairing, pool, pool_nights = result
        sides = ((tonight.name, coverage(tonight.scores)), ("the nights", coverage(pool)))
        if self._as_json:
            print_json(comparison_object(outcome.difference, pairing, sides, outcome, pool_nights, left_out))
            return
        print_escaped(verdict_line(name, pool_nights, outcome))
        if outcome.difference is not None:
            for line in comparison_lines(outcome.difference, pairing, sides):
                print_escaped(line)
        for line in left_out_lines(left_out):
            print_escaped(line)

    def night(self, name: str, *, items: bool) -> int:
        """Print the report of a night against its pool, or with `items` all items that changed.

        Return the exit code of its verdict, which the report shows; 0 for the items alone.
        """
        with existing_database(self._settings) as database:
            with database.read() as connection:
                row = nights.find_by_name(connection, name)
            if row is None:
                raise UsageError(
                    f'there is no night "{name}"', fix="runner history SUITE shows the nights of a suite"
                )
            if row.verdict is None:
                raise UsageError(f"{name} is not finished", fix="runner eval SUITE.toml carries it on")
            report = night_end.read_end(database, row.id).report
            if not items:
                print_night(report, as_json=self._as_json)
                return report.exit_code
            with database.read() as connection:
                changed = changed_items(connection, row, decode_suite(row.spec))
        if self._as_json:
            print_json(night_items_object(report, changed))
        else:
            print_lines(night_items_lines(report, changed))
        return ExitCode.OK

    def _repeated(self, tonight: ComparedScores, again: Path) -> Scores:
        """Return a second measurement of a side, which has items in common with it."""
        repeated = comparable(tonight, self._side(again))
        with_common_items(tonight, [repeated])
        return repeated.scores

    def _side(self, path: Path) -> ComparedScores:
        return read_side(path, self._connection, self._variant)

    @contextmanager
    def _connection(self) -> Iterator[Connection | None]:
        """Give a reading transaction of the database; None where there is no database yet."""
        if self._settings.embedded and not (self._settings.home / "runner.db").exists():
            yield None
            return
        with existing_database(self._settings) as database, database.read() as connection:
            yield connection
