"""The result of `runner check` as a JSON object."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Literal

from msgspec import UNSET, Raw, UnsetType

from runner.cli.render.checks.check_report import assumption
from runner.cli.render.checks.suite_check_object import CheckedSuite, checked_suite
from runner.rules import models
from runner.rules.json_object import SCHEMA, Date, JsonObject, Schema, about
from runner.rules.money import usd
from runner.rules.prices import prices_as_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.cli.render.checks.check_report import CheckedRows, CheckResult
    from runner.rules.costs.estimate import ModelEstimate, Span
    from runner.rules.diagnostics import Diagnostic

BoundBy = Literal["requests", "tokens", "nothing"]


class FoundFault(JsonObject, frozen=True, kw_only=True):
    """One fault of a line."""

    line: Annotated[int, about("from 1")]
    column: Annotated[int | None, about("from 1, in characters")]
    code: Annotated[str, about("stable name of the fault (docs/errors.md)")]
    reason: Annotated[str, about("what is wrong")]
    fix: Annotated[str, about("what to do")]


class FoundFaults(JsonObject, frozen=True, kw_only=True):
    """Faults of lines."""

    total: Annotated[int, about("lines or warnings")]
    shown: Annotated[list[FoundFault], about("the first 20")]


class TokenSpan(JsonObject, frozen=True, kw_only=True):
    """Tokens, from and to."""

    low: Annotated[int, about("tokens")]
    high: Annotated[int, about("tokens")]


class DollarSpan(JsonObject, frozen=True, kw_only=True):
    """US dollars, from and to."""

    low: Annotated[str, about("US dollars")]
    high: Annotated[str, about("US dollars")]


class SecondSpan(JsonObject, frozen=True, kw_only=True):
    """Seconds, from and to."""

    low: Annotated[float, about("seconds")]
    high: Annotated[float, about("seconds")]


Dollars = Annotated[DollarSpan | None, about("US dollars; null where a price is unknown")]


class EstimatedTokens(JsonObject, frozen=True, kw_only=True):
    """Tokens of prompts and answers."""

    input: Annotated[int, about("tokens of the prompts")]
    output: Annotated[TokenSpan, about("tokens of the answers")]


class FileCost(JsonObject, frozen=True, kw_only=True):
    """What all jobs cost."""

    usd: Dollars
    unpriced_jobs: Annotated[int, about("jobs whose model has no price")]


class FileTime(JsonObject, frozen=True, kw_only=True):
    """How long all jobs take at the limits."""

    seconds: Annotated[SecondSpan | None, about("seconds")]
    model: Annotated[str | None, about("the model that takes longest")]
    bound_by: Annotated[BoundBy | None, about("what binds")]


class MinuteLimits(JsonObject, frozen=True, kw_only=True):
    """Limits a minute."""

    rpm: Annotated[int | None, about("requests")]
    tpm: Annotated[int | None, about("tokens")]


class CheckedModel(JsonObject, frozen=True, kw_only=True):
    """The jobs of one model."""

    model: Annotated[str, about("as the lines name it")]
    retired_on: Annotated[Date | None, about("date of its retirement")]
    answered_by: Annotated[str | None, about("the model that will answer")]
    jobs: Annotated[int, about("so many")]
    tokens: Annotated[EstimatedTokens, about("estimated")]
    usd: Dollars
    limits: Annotated[MinuteLimits, about("a minute")]
    seconds: Annotated[SecondSpan, about("seconds")]
    bound_by: Annotated[BoundBy, about("what binds")]


class RowFault(JsonObject, frozen=True, kw_only=True):
    """One fault of a row."""

    row: Annotated[int | None, about("from 1; null for a fault of the table as a whole")]
    line: Annotated[int | None, about("line of the file, from 1")]
    column: Annotated[str | None, about("name of the column")]
    code: Annotated[str, about("stable name of the fault")]
    reason: Annotated[str, about("what is wrong")]
    fix: Annotated[str, about("what to do")]


class RecipeFile(JsonObject, frozen=True, kw_only=True):
    """A file that was read."""

    path: Annotated[str, about("where it is")]
    sha256: Annotated[str, about("of its bytes")]


class CheckedTable(JsonObject, frozen=True, kw_only=True):
    """The table of a recipe."""

    path: Annotated[str, about("where it is")]
    rows: Annotated[int, about("in the table")]
    sent: Annotated[int, about("rows that have a request")]
    excluded: Annotated[int, about("rows that where, sample or limit leave out")]
    bad: Annotated[list[RowFault], about("the first 20")]
    files: Annotated[list[RecipeFile], about("files that were read beside the recipe and the table")]
    schema: Annotated[
        Raw,
        about("the JSON schema of an answer, as it is sent; null where it is that of code that was not run"),
    ]
    warnings: Annotated[
        list[Annotated[str, about("a sentence")]], about("about the recipe; those of rows are in `warnings`")
    ]


class CheckedFile(JsonObject, frozen=True, kw_only=True):
    """What a job file holds, costs and takes."""

    schema: Schema
    file: Annotated[str, about("as it was named")]
    bytes: Annotated[int, about("read")]
    sha256: Annotated[str, about("of these bytes")]
    lines: Annotated[int, about("in the file")]
    jobs: Annotated[int, about("good lines")]
    accepted: Annotated[bool, about("whether `runner run` would take the file")]
    bad: Annotated[FoundFaults, about("faults")]
    warnings: Annotated[FoundFaults, about("faults")]
    tokens: Annotated[EstimatedTokens, about("estimated")]
    cost: Annotated[FileCost, about("of all jobs")]
    time: Annotated[FileTime, about("at the limits")]
    models: Annotated[list[CheckedModel], about("by model")]
    assumption: Annotated[str, about("where the output tokens come from")]
    prices_as_of: Annotated[str, about("date of the price table")]
    table: Annotated[CheckedTable, about("that of a recipe")] | UnsetType = UNSET
    suite: Annotated[CheckedSuite, about("only of a suite")] | UnsetType = UNSET


def check_object(result: CheckResult) -> CheckedFile:
    """Return the object of `check --json`. Keys are only ever added; what is unknown is null."""
    estimate = result.estimate
    slowest = estimate.slowest
    return CheckedFile(
        schema=SCHEMA,
        file=result.file,
        bytes=result.size_bytes,
        sha256=result.sha256,
        lines=result.lines,
        jobs=estimate.jobs,
        accepted=result.is_accepted,
        bad=found_faults(result.bad_total, result.bad_shown),
        warnings=found_faults(result.warnings_total, result.warnings_shown),
        tokens=_tokens(estimate.input_tokens, estimate.output_tokens),
        cost=FileCost(usd=_dollars(estimate.ticks), unpriced_jobs=estimate.unpriced_jobs),
        time=FileTime(
            seconds=_seconds(slowest.time_s) if slowest else None,
            model=slowest.model if slowest else None,
            bound_by=slowest.bound_by if slowest else None,
        ),
        models=[_model(model) for model in estimate.models],
        assumption=assumption(result.output_source),
        prices_as_of=prices_as_of,
        table=UNSET if result.table is None else _table(result.table),
        suite=UNSET if result.suite is None else checked_suite(result.suite),
    )


def _table(table: CheckedRows) -> CheckedTable:
    return CheckedTable(
        path=table.path,
        rows=table.rows,
        sent=table.sent,
        excluded=table.excluded,
        bad=[RowFault(**asdict(fault)) for fault in table.faults],
        files=[RecipeFile(path=file.path, sha256=file.sha256) for file in table.files],
        schema=Raw(table.schema or b"null"),
        warnings=list(table.warnings),
    )


def _model(model: ModelEstimate) -> CheckedModel:
    facts = models.facts(model.model)
    retired_on = facts.retired_on if facts else None
    return CheckedModel(
        model=model.model,
        retired_on=retired_on.isoformat() if retired_on else None,
        answered_by=None if facts is None else facts.redirected_to if retired_on else facts.name,
        jobs=model.jobs,
        tokens=_tokens(model.input_tokens, model.output_tokens),
        usd=_dollars(model.ticks),
        limits=MinuteLimits(rpm=model.rpm or None, tpm=model.tpm or None),
        seconds=_seconds(model.time_s),
        bound_by=model.bound_by,
    )


def found_faults(total: int, shown: Sequence[Diagnostic]) -> FoundFaults:
    """Return diagnostics with their number; `total` counts those that are not shown, too."""
    faults = [
        FoundFault(line=each.line, column=each.column, code=each.code, reason=each.reason, fix=each.fix)
        for each in shown
    ]
    return FoundFaults(total=total, shown=faults)


def _tokens(prompts: int, answers: Span) -> EstimatedTokens:
    return EstimatedTokens(input=prompts, output=TokenSpan(low=answers.low, high=answers.high))


def _dollars(ticks: Span | None) -> DollarSpan | None:
    return None if ticks is None else DollarSpan(low=usd(ticks.low), high=usd(ticks.high))


def _seconds(span: Span) -> SecondSpan:
    return SecondSpan(low=span.low, high=span.high)
