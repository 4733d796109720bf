"""Reads a suite with its items, and finds all that would stop a night, before anything is stored or sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runner.evals.grading.grader_trial import misfit_faults
from runner.evals.items.read_items import FAULTS_KEPT, read_items
from runner.evals.suite.suite_file import KIND, read_suite_file
from runner.evals.suite.suite_requests import SuiteRequests
from runner.evals.suite.suite_warnings import suite_warnings
from runner.intake.recipe_file import ReadFile, RecipeFiles
from runner.rules.recipes.recipe import error_of_faults
from runner.rules.sending.rate_limits import NOT_GIVEN, GivenLimits

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from runner.evals.items.read_items import ReadItems
    from runner.rules.costs.estimate import Tally
    from runner.rules.diagnostics import Diagnostic
    from runner.rules.evaluation.suite.item import Item
    from runner.rules.evaluation.suite.suite import Suite
    from runner.rules.table_faults import TableFault


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadSuite:
    """A suite with its items: a night of it can be run where there are no faults.

    `faults` are the first bad items of `fault_count`, in the file `read_items.path`. `warnings` are
    sentences. `request_warnings` are the first warnings of requests, whose `line` is the number of the item,
    of `request_warning_count`. `read_files` are all files that were read.
    """

    suite: Suite
    items: Sequence[Item]
    faults: Sequence[TableFault]
    fault_count: int
    warnings: Sequence[str]
    request_warnings: Sequence[Diagnostic]
    request_warning_count: int
    read_items: ReadItems
    read_files: Sequence[ReadFile]
    suite_folder: Path


def read_suite(path: Path, tally: Tally, *, limits: GivenLimits = NOT_GIVEN) -> ReadSuite:
    """Return the suite of a file with its items; no code that it names is run.

    `tally` adds up the requests of all epochs. `limits`: those that were given, which a prompt has to fit.
    Raises UsageError, RecipeError and TableError where the suite or its items cannot be used as a whole.
    """
    folder = path.parent
    files = RecipeFiles(folder, is_restricted=True, owner=KIND)
    suite, source = read_suite_file(path, files)
    found = read_items(source, folder)
    requests = SuiteRequests(suite, found)
    if faults := [*requests.template_faults(), *misfit_faults(suite, found.items)]:
        raise error_of_faults(str(path), faults, KIND)
    requests.read(tally, limits=limits)
    return ReadSuite(
        suite=suite,
        items=found.items,
        faults=[*found.faults, *requests.faults][:FAULTS_KEPT],
        fault_count=found.fault_count + requests.fault_count,
        warnings=suite_warnings(suite, found.items),
        request_warnings=requests.warnings,
        request_warning_count=requests.warning_count,
        read_items=found,
        read_files=(*files.read_files, *found.read_files),
        suite_folder=folder,
    )
