"""Read a suite with its items and estimate its requests, for `check`; nothing is stored or sent."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from runner.cli.render.checks.check_report import CheckResult
from runner.cli.render.checks.suite_check import FoundDrop, GraderFacts, NamedFile, SuiteFacts
from runner.cli.session.checking.check_file import known_outputs
from runner.embedded.gc_pause import gc_paused
from runner.engine.runs.cost_bounds import PriceBasis
from runner.evals.grading.grader_trial import try_graders
from runner.evals.suite.read_suite import read_suite
from runner.evals.suite.suite_detectable import suite_detectable
from runner.rules.costs.estimate import Tally, estimate
from runner.rules.errors import UsageError
from runner.rules.row_faults import SHOWN, row_fault_sentences

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from runner.evals.suite.read_suite import ReadSuite
    from runner.intake.job_file import LoadFlags
    from runner.settings import Settings


def check_suite(
    settings: Settings,
    file: Path,
    flags: LoadFlags,
    *,
    expected_output: int | None,
) -> CheckResult:
    """Read a suite file and its items to their end, and estimate the requests of a night.

    Raises UsageError, RecipeError and TableError.
    """
    _refuse_flags(flags)
    price_basis = PriceBasis.of(settings.base_url, settings.prices)
    tally = Tally(datetime.now(UTC).date(), price_basis.prices)
    with gc_paused():  # many items at once, none of them garbage
        read = read_suite(file, tally, limits=flags.limits)
    found = read.read_items
    known, source = known_outputs(tally, found.read_files[-1].sha256, settings, found.path, expected_output)
    warnings_total = read.request_warning_count + len(read.warnings)
    return CheckResult(
        file=str(file),
        size_bytes=found.byte_count,
        sha256=found.read_files[-1].sha256,
        lines=found.rows,
        is_accepted=not read.fault_count and not (flags.strict and warnings_total),
        skips_bad=False,
        bad_total=read.fault_count,
        bad_shown=(),
        bad_sentences=row_fault_sentences(read.faults, read.fault_count),
        warnings_total=read.request_warning_count,
        warnings=read.request_warnings,
        warnings_shown=read.request_warnings[:SHOWN],
        estimate=estimate(tally, outputs=known, limits=flags.limits, base_host=price_basis.base_host),
        output_source=source,
        suite=_facts(read),
    )


def _refuse_flags(flags: LoadFlags) -> None:
    """Raise UsageError for flags that would make other requests than those of a night."""
    given: Mapping[str, Any] = {
        "--model": flags.given_model,
        "--model-for-all": flags.model_for_all,
        "--skip-bad": flags.skip_bad,
    }
    for flag, value in given.items():
        if value:
            fix = "write model in the subject" if "model" in flag else "correct the bad items, or remove them"
            raise UsageError(f"{flag} is not for a suite", fix=fix)


def _facts(read: ReadSuite) -> SuiteFacts:
    suite, found = read.suite, read.read_items
    found_drop = suite_detectable(suite, read.items)
    clusters = {item.cluster for item in read.items if item.cluster is not None}
    return SuiteFacts(
        name=suite.name,
        items_path=str(found.path),
        form=found.form.value,
        items=len(read.items),
        items_sha256=found.sha256,
        faults=read.faults[:SHOWN],
        clusters=len(clusters),
        epochs=suite.epochs,
        variants=[subject.name for subject in suite.subjects] if len(suite.subjects) > 1 else (),
        requests=len(read.items) * suite.epochs * len(suite.subjects),
        files=[NamedFile(str(one.path), one.sha256) for one in read.read_files],
        graders=_graders(read),
        warnings=read.warnings,
        detectable=None if found_drop is None else FoundDrop(*found_drop),
    )


def _graders(read: ReadSuite) -> list[GraderFacts]:
    return [
        GraderFacts(
            name=trial.grader.name,
            type=trial.grader.type,
            is_primary=trial.grader.is_primary,
            tried=trial.tried,
            wrong=trial.wrong,
            examples=trial.examples,
            not_tried=trial.not_tried,
        )
        for trial in try_graders(read.suite, read.items)
    ]
