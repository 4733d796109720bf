"""docs/json.schema.json: the objects that `--json` prints, as JSON Schema (draft 2020-12).

The shapes are the types by which the commands make their objects. A test validates what every command prints.
"""

from __future__ import annotations

import json
from typing import Any, Final, TypeAlias

import msgspec

from runner.cli.commands.db import UpgradedDatabase
from runner.cli.commands.load import LoadedRun
from runner.cli.commands.summary import JobIds
from runner.cli.commands.worker import StartedWorkers
from runner.cli.render.checks.check_object import CheckedFile
from runner.cli.render.checks.conversion_object import ConvertedFile
from runner.cli.render.checks.sample_object import TableSample
from runner.cli.render.error_object import FailedCommand
from runner.cli.render.fleet.doctor_lines import SetUp
from runner.cli.render.fleet.event_lines import EventObject
from runner.cli.render.fleet.worker_list import DrainedWorkers, PlannedDrain, WorkerList
from runner.cli.render.jobs.job_list import JobList
from runner.cli.render.jobs.job_object import JobStory
from runner.cli.render.nights.comparison_object import Comparison
from runner.cli.render.nights.night_baseline import SuiteBaseline
from runner.cli.render.nights.night_history import NightHistory
from runner.cli.render.nights.night_items_object import NightItems
from runner.cli.render.nights.night_regraded import RegradedNights
from runner.cli.render.runs.all_runs_lines import AffectedRuns, PlannedRuns
from runner.cli.render.runs.changed_object import ChangedRun, ChangedTeam
from runner.cli.render.runs.costs_table import CostReport
from runner.cli.render.runs.live_object import LiveRun
from runner.cli.render.runs.options_object import OptionsInForce
from runner.cli.render.runs.removal_lines import PlannedPruning, Pruning, Removal
from runner.cli.render.runs.run_list import RunList
from runner.cli.render.runs.team_limits_object import TeamLimitsInForce
from runner.cli.session.confirm import PlannedAction
from runner.rules.evaluation.report.night_report import NightReport
from runner.rules.summary_object import RunSummary
from runner.simulator.process import ServerAddress

Shape: TypeAlias = type[msgspec.Struct]

_SCHEMA_URL: Final = "https://json-schema.org/draft/2020-12/schema"
_REF: Final = "#/$defs/{name}"
TITLES: Final[dict[str, Shape]] = {
    "summary": RunSummary,
    "live": LiveRun,
    "check": CheckedFile,
    "convert": ConvertedFile,
    "load": LoadedRun,
    "list": RunList,
    "jobs": JobList,
    "event": EventObject,
    "workers": WorkerList,
    "drained": DrainedWorkers,
    "all_runs": AffectedRuns,
    "sample": TableSample,
    "show": JobStory,
    "ids": JobIds,
    "costs": CostReport,
    "compare": Comparison,
    "night_items": NightItems,
    "eval": NightReport,
    "regrade": RegradedNights,
    "history": NightHistory,
    "baseline": SuiteBaseline,
    "set": ChangedRun,
    "set_team": ChangedTeam,
    "options": OptionsInForce,
    "team_limits": TeamLimitsInForce,
    "rm": Removal,
    "prune": Pruning,
    "would": PlannedAction,
    "would_prune": PlannedPruning,
    "would_all_runs": PlannedRuns,
    "would_drain": PlannedDrain,
    "doctor": SetUp,
    "simulate": ServerAddress,
    "worker": StartedWorkers,
    "upgrade": UpgradedDatabase,
    "error": FailedCommand,
}
OF_COMMANDS: Final[dict[str, tuple[str, ...]]] = {  # the titles of what a command may print
    "run": ("summary", "live"),
    "label": ("summary", "live"),
    "check": ("check",),
    "convert": ("convert",),
    "load": ("load",),
    "start": ("live",),
    "watch": ("live",),
    "write": ("summary",),
    "pause": ("live", "all_runs", "would_all_runs"),
    "resume": ("live", "all_runs", "would_all_runs"),
    "set": ("set", "set_team", "options", "team_limits"),
    "cancel": ("live", "would"),
    "retry": ("live", "would"),
    "rm": ("rm", "would"),
    "prune": ("prune", "would_prune"),
    "status": ("live",),
    "list": ("list",),
    "jobs": ("jobs",),
    "events": ("event",),
    "workers": ("workers",),
    "workers drain": ("drained", "would_drain"),
    "sample": ("sample",),
    "show": ("show",),
    "summary": ("summary", "ids"),
    "costs": ("costs",),
    "compare": ("compare", "eval", "night_items"),
    "eval": ("eval", "live"),
    "regrade": ("regrade",),
    "history": ("history",),
    "baseline": ("baseline",),
    "doctor": ("doctor",),
    "simulate": ("simulate",),
    "worker": ("worker",),
    "db upgrade": ("upgrade",),
}


def components() -> dict[str, Any]:
    """Return the schema of every type, by its name."""
    _, found = msgspec.json.schema_components(TITLES.values(), ref_template=_REF)
    return found


def schema() -> str:
    """Return the text of docs/json.schema.json: a definition for each command, the error, and each type."""
    definitions = {command: _one_of(titles) for command, titles in OF_COMMANDS.items()}
    whole = {
        "$schema": _SCHEMA_URL,
        "title": "runner --json",
        "$defs": {**definitions, "error": _one_of(["error"]), **components()},
    }
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"


def _one_of(titles: tuple[str, ...] | list[str]) -> dict[str, Any]:
    references = [{"$ref": _REF.format(name=TITLES[title].__name__)} for title in titles]
    return references[0] if len(references) == 1 else {"anyOf": references}
