"""Read the table of a recipe and estimate it, for `check`; nothing is stored or sent."""

from __future__ import annotations

from collections import deque
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from runner.cli.render.checks.check_report import CheckedRows, CheckResult, ReadFileFacts
from runner.cli.session.checking.check_file import known_outputs
from runner.cli.session.recipes.prepare_table import prepare_table
from runner.cli.session.recipes.recipe_source import recipe_origin
from runner.engine.runs.cost_bounds import PriceBasis
from runner.rules.costs.estimate import Tally, estimate
from runner.rules.row_faults import SHOWN, row_fault_sentences

if TYPE_CHECKING:
    from pathlib import Path

    from runner.intake.recipe_input import RowFlags
    from runner.rules.recipes.recipe_flags import RecipeFlags
    from runner.settings import Settings


def check_recipe(
    settings: Settings,
    file: Path,
    row_flags: RowFlags,
    recipe_flags: RecipeFlags,
    *,
    expected_output: int | None,
) -> CheckResult:
    """Read the table of a recipe file to its end and estimate its requests.

    `recipe_flags` replace what the recipe says. Code that it names is skipped, unless they trust it.
    Raises UsageError, RecipeError and TableError.
    """
    prepared = prepare_table(recipe_origin(file, recipe_flags), row_flags, skips_code=True)
    price_basis = PriceBasis.of(settings.base_url, settings.prices)
    tally = Tally(datetime.now(UTC).date(), price_basis.prices)
    reading = prepared.input.read(tally)
    deque(reading.requests(), maxlen=0)
    table = prepared.input.path
    known, source = known_outputs(tally, reading.sha256, settings, table, expected_output)
    return CheckResult(
        file=str(file),
        size_bytes=reading.byte_count,
        sha256=reading.sha256,
        lines=reading.line_count,
        is_accepted=reading.is_accepted,
        skips_bad=row_flags.skip_bad and reading.is_accepted,
        bad_total=reading.bad_total,
        bad_shown=(),
        bad_sentences=row_fault_sentences(reading.faults, reading.bad_total),
        warnings_total=reading.warnings_total,
        warnings=reading.warnings,
        warnings_shown=reading.warnings[:SHOWN],
        estimate=estimate(tally, outputs=known, limits=row_flags.limits, base_host=price_basis.base_host),
        output_source=source,
        table=CheckedRows(
            path=str(table),
            rows=reading.row_total,
            sent=reading.total,
            excluded=max(0, reading.row_total - reading.total - reading.bad_total),
            faults=reading.faults[:SHOWN],
            files=[ReadFileFacts(str(one.path), one.sha256) for one in prepared.read_files],
            schema=prepared.schema,
            warnings=prepared.warnings,
        ),
    )
