"""The result of `runner check` as lines, and an estimate in one line."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from runner.cli.render import layout, text
from runner.cli.render.checks.suite_check import suite_rows
from runner.rules.prices import prices_as_of
from runner.rules.redact import one_line, plain
from runner.rules.requests import output_estimate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runner.cli.render.checks.suite_check import SuiteFacts
    from runner.rules.costs.estimate import Estimate, ModelEstimate
    from runner.rules.diagnostics import Diagnostic
    from runner.rules.requests.output_estimate import OutputRange
    from runner.rules.table_faults import TableFault

_MODEL_LENGTH: Final = 28
_MODELS_FIT: Final = layout.Fit(
    right=frozenset({1, 2, 3, 4}), steps=((0, 20),), fold_at=1, width=layout.WIDTH - 2
)
_WARNINGS_SHOWN: Final = 10
_SENTENCE_LENGTH: Final = 2_000  # with a command that names long paths twice


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputSource:
    """Where the output tokens come from: given by the user, taken from earlier runs, else assumed."""

    expected: int | None = None
    run: int | None = None
    learnt: Mapping[str, OutputRange] = field(default_factory=dict)


class ReadFileFacts(NamedTuple):
    """A file that was read for a recipe."""

    path: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedRows:
    """The table of a recipe. `sent` are the rows with a request, `excluded` those left out by where, sample
    or limit, `faults` the first bad rows.

    `schema` is the JSON schema as it is sent, None where code would have to be run for it; `warnings` are
    sentences about the recipe.
    """

    path: str
    rows: int
    sent: int
    excluded: int
    faults: Sequence[TableFault]
    files: Sequence[ReadFileFacts]
    schema: bytes | None
    warnings: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """What a job file, the table of a recipe, or a suite contains.

    `skips_bad`: bad lines are skipped and something is left. `bad_shown`, `warnings_shown`: the first of
    them. `bad_sentences`: the first bad lines as sentences, and how many more there are. `cure`: that of a
    file that is no job file; "" for a job file.
    `other_model_note`: that --model does not hold for some lines. `table`: that of a recipe. `suite`: its
    facts; then `lines` are its items, good and bad.
    """

    file: str
    size_bytes: int
    sha256: str
    lines: int
    is_accepted: bool
    skips_bad: bool
    bad_total: int
    bad_shown: Sequence[Diagnostic]
    bad_sentences: Sequence[str]
    warnings_total: int
    warnings: Sequence[Diagnostic]
    warnings_shown: Sequence[Diagnostic]
    estimate: Estimate
    output_source: OutputSource
    other_model_note: str = ""
    cure: str = ""
    table: CheckedRows | None = None
    suite: SuiteFacts | None = None


def check_lines(result: CheckResult) -> list[str]:
    """Return the result as lines of 80 columns."""
    estimate = result.estimate
    jobs, size = text.count(estimate.jobs, "job"), text.size(result.size_bytes)
    lines = [*_wrapped(f"{plain(result.file)}: {jobs}, {size}"), *_bad(result), *_warnings(result)]
    lines += _wrapped(result.other_model_note, "  ") if result.other_model_note else []
    if result.table is not None:
        lines += _table(result.table)
    if result.suite is not None:
        lines += _named(list(suite_rows(result.suite)))
    if estimate.jobs:
        lines += ["", *layout.indented(_models(estimate)), "", *_facts(result)]
    return lines


def estimate_line(estimate: Estimate) -> str:
    """Return an estimate in one line: jobs, money, time."""
    slowest = estimate.slowest
    time = f", {_time(slowest)}" if slowest and slowest.bound_by != "nothing" else ""
    return f"{text.count(estimate.jobs, 'job')}, {_cost(estimate)}{time}"


def assumption(source: OutputSource) -> str:
    """Return where the output tokens come from."""
    if source.expected is not None:
        return f"{source.expected:,} tokens an answer, as --expect-output says"
    if source.run is not None:
        learnt = ", ".join(f"{name} {low:,}-{high:,}" for name, (low, high) in sorted(source.learnt.items()))
        return f"learnt from earlier runs of this file, the last one run {source.run}: {learnt} an answer"
    return f"assumed for an answer: {output_estimate.ASSUMPTION}"


def _bad(result: CheckResult) -> list[str]:
    unit = "item" if result.suite is not None else "line" if result.table is None else "row"
    if not result.bad_total:
        return [f"  no bad {unit}s"]
    then = "they will be skipped" if result.skips_bad else "run would refuse the file"
    then = then if result.suite is None else "correct them before the suite is run"
    if result.cure:
        return ["  not a job file; run would refuse it", *_sentences(result), f"  fix: {plain(result.cure)}"]
    return [f"  {text.count(result.bad_total, f'bad {unit}')}; {then}", *_sentences(result)]


def _sentences(result: CheckResult) -> list[str]:
    return [
        line
        for sentence in result.bad_sentences
        for line in _wrapped(plain(one_line(sentence, _SENTENCE_LENGTH)), "    ")
    ]


def _table(table: CheckedRows) -> list[str]:
    """Return the rows by what becomes of them, the files that were read, and the schema."""
    parts = [text.count(table.rows, "row"), f"{table.sent:,} to send"]
    parts += [f"{table.excluded:,} excluded"] if table.excluded else []
    rows = [("table", f"{plain(table.path)}: {', '.join(parts)}")]
    rows += [("read", f"{plain(one.path)}, sha256 {one.sha256[:12]}…") for one in table.files]
    rows += [("warning:", f" {plain(one)}") for one in table.warnings]
    rows += [] if table.schema is None else [("schema", plain(table.schema.decode()))]
    return _named(rows)


def _warnings(result: CheckResult) -> list[str]:
    warnings = text.warning_lines(result.warnings, result.warnings_total)
    more = len(warnings) - _WARNINGS_SHOWN
    if more > 0:
        warnings = [*warnings[:_WARNINGS_SHOWN], f"warning: … and {more:,} more kinds of them"]
    return [line for warning in warnings for line in _wrapped(warning, "  ")]


def _models(estimate: Estimate) -> list[str]:
    rows = [("model", "jobs", "input tokens", "output tokens", "cost, USD")]
    rows += [
        (
            one_line(model.model, _MODEL_LENGTH),
            f"{model.jobs:,}",
            text.short_number(model.input_tokens),
            text.short_range(model.output_tokens),
            "unknown" if model.ticks is None else text.dollar_range(model.ticks),
        )
        for model in estimate.models
    ]
    if len(estimate.models) > 1:
        cost = "unknown" if estimate.ticks is None else text.dollar_range(estimate.ticks)
        rows.append(
            (
                "total",
                f"{estimate.jobs:,}",
                text.short_number(estimate.input_tokens),
                text.short_range(estimate.output_tokens),
                cost,
            )
        )
    return [line for lines in layout.fitted_table(rows, _MODELS_FIT) for line in lines]


def _facts(result: CheckResult) -> list[str]:
    estimate = result.estimate
    rows = [
        ("cost", f"{_cost(estimate)}; nothing cached, prices of {prices_as_of}"),
        ("output", assumption(result.output_source)),
    ]
    slowest = estimate.slowest
    if slowest is not None:
        alone = f" (model {one_line(slowest.model, _MODEL_LENGTH)})" if len(estimate.models) > 1 else ""
        binds = "no limit is set" if slowest.bound_by == "nothing" else _time(slowest)
        rows.append(("time", f"{binds}{alone}; then the last answers' latency"))
    return _named(rows)


def _time(slowest: ModelEstimate) -> str:
    limit = f"{slowest.tpm:,} tokens" if slowest.bound_by == "tokens" else f"{slowest.rpm:,} requests"
    low, high = text.duration(slowest.time_s.low), text.duration(slowest.time_s.high)
    return f"{high if low == high else f'{low} to {high}'} at {limit} a minute"


def _cost(estimate: Estimate) -> str:
    if estimate.ticks is None:
        return "cost unknown (no price for the model)"
    known = f"${text.dollar_range(estimate.ticks)}"
    return (
        f"{known} and unknown for {text.count(estimate.unpriced_jobs, 'job')}"
        if estimate.unpriced_jobs
        else known
    )


def _named(rows: Sequence[tuple[str, str]]) -> list[str]:
    """Return values behind their names; a value of one long word stands beside its name."""
    return [line for name, value in rows for line in _wrapped(value, f"  {name:<8}", "          ")]


def _wrapped(line: str, indent: str = "", following: str | None = None) -> list[str]:
    rest = f"{indent}  " if following is None else following
    return layout.wrapped(line, layout.WIDTH, indent, rest)
