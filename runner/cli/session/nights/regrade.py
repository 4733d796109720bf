"""Grade nights again by the graders and gates that their suite's file has now: what `regrade` does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.cli.printing import print_escaped, print_json, print_note
from runner.cli.render.nights.night_regraded import RegradedNights, regraded_lines, regraded_night
from runner.db.evaluation import nights
from runner.evals.grading.suite_graders import refuse_untrusted
from runner.evals.night import decide_night
from runner.evals.regrade_nights import adopt_graders, regrade
from runner.evals.suite.suite_file import KIND, read_suite_file
from runner.intake.recipe_file import RecipeFiles
from runner.rules.errors import UsageError
from runner.rules.evaluation.report.report_summary import summarize
from runner.rules.json_object import SCHEMA

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from runner.db.evaluation.nights import NightRow
    from runner.db.events.trail import Actor
    from runner.db.session import Database


def regrade_suite(
    database: Database,
    actor: Actor,
    file: Path,
    names: Sequence[str],
    *,
    trust_code: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Grade nights of a suite again and decide them again, the oldest first; print what changed."""
    suite, _ = read_suite_file(file, RecipeFiles(file.parent, is_restricted=True, owner=KIND))
    if not trust_code:
        refuse_untrusted(suite)
    rows = _chosen(database, suite.name, names)
    grader_ids, events = adopt_graders(database, rows, suite, file.parent, actor)
    without = regrade(database, rows, suite, grader_ids, file.parent, trusts_code=trust_code, again=True)
    results = []
    for row in rows:
        if row.name in without:
            print_note(f"{row.name}: its run was removed; it keeps its grades")
            continue
        with database.read() as connection:
            before = summarize(nights.report(connection, row.id) or b"{}")
        report = decide_night.decide_again(database, row, events[row.id])
        results.append(regraded_night(row.verdict or "", before.mean, report))
        if not as_json and not quiet:
            for line in regraded_lines(results[-1]):
                print_escaped(line)
    if as_json:
        print_json(RegradedNights(schema=SCHEMA, suite=suite.name, nights=results, without_answers=without))


def _chosen(database: Database, suite: str, names: Sequence[str]) -> list[NightRow]:
    """Return the nights that have ended, of those that are named or all; oldest first. Raises UsageError.

    A name is SUITE@OCCASION, or the occasion alone.
    """
    with database.read() as connection:
        ended = [row for row in nights.of_suite(connection, suite) if row.verdict is not None]
    if not ended:
        raise UsageError(f"{suite} has no nights yet", fix="runner eval SUITE.toml measures the first one")
    names = [name if "@" in name else f"{suite}@{name}" for name in names]
    _refuse_unknown(names, ended, suite)
    return [row for row in ended if not names or row.name in names]


def _refuse_unknown(names: Sequence[str], ended: Sequence[NightRow], suite: str) -> None:
    """Raise UsageError where a name is that of no night that has ended."""
    known = {row.name for row in ended}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise UsageError(
            f'{suite} has no night "{unknown[0]}" that has ended', fix=f"runner history {suite} shows them"
        )
