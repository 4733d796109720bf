"""What `runner check` found, as lines for people and as an object for programs; and in one line for `run`."""

from __future__ import annotations

import textwrap
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

from runner.cli import text
from runner.cli.loading import warning_lines
from runner.intake.reading import FINDINGS_SHOWN, shown
from runner.rules import models, outputs
from runner.rules.money import usd
from runner.rules.prices import TICKS_PER_USD, prices_as_of
from runner.rules.redact import one_line, plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runner.intake.reading import Reading
    from runner.rules.estimate import Estimate, ModelEstimate, Span
    from runner.rules.findings import Finding
    from runner.rules.outputs import Outputs

SCHEMA: Final = 1
_WIDTH: Final = 80
_MODEL_LENGTH: Final = 28
_WARNINGS_SHOWN: Final = 10
_REASON_LENGTH: Final = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputFrom:
    """Where the tokens of an answer come from: said by the user, learnt from a run, else assumed."""

    expected: int | None = None
    run: int | None = None
    learnt: Mapping[str, Outputs] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """All that was found."""

    file: str
    reading: Reading
    estimate: Estimate
    output_from: OutputFrom
    skip_bad: bool


def as_lines(found: Checked) -> list[str]:
    """Lay it out in 80 columns."""
    reading, told = found.reading, found.estimate
    size = reading.lines.byte_count
    lines = [
        *_wrapped(f"{plain(found.file)}: {text.of(told.jobs, 'job')}, {text.size(size)}"),
        *_bad(found),
        *_warnings(reading),
    ]
    if told.jobs:
        lines += ["", *(f"  {line}" for line in _models(told)), "", *_facts(found)]
    return lines


def as_object(found: Checked) -> dict[str, Any]:
    """Make the object of `check --json`. Keys are only ever added; what nobody knows is null."""
    reading, told = found.reading, found.estimate
    return {
        "schema": SCHEMA,
        "file": found.file,
        "bytes": reading.lines.byte_count,
        "sha256": reading.lines.sha256,
        "lines": reading.lines.line_count,
        "jobs": told.jobs,
        "accepted": reading.is_accepted,
        "bad": {
            "total": reading.bad_total,
            "shown": [_finding(finding) for finding in reading.bad[:FINDINGS_SHOWN]],
        },
        "warnings": {
            "total": reading.warnings_total,
            "shown": [_finding(finding) for finding in reading.warnings[:FINDINGS_SHOWN]],
        },
        "tokens": {"input": told.input_tokens, "output": asdict(told.output_tokens)},
        "cost": {"usd": _usd(told.ticks), "unpriced_jobs": told.unpriced_jobs},
        "time": {
            "seconds": asdict(told.slowest.time_s) if told.slowest else None,
            "model": told.slowest.model if told.slowest else None,
            "bound_by": told.slowest.bound_by if told.slowest else None,
        },
        "models": [_model_object(model) for model in told.models],
        "assumption": assumption(found.output_from),
        "prices_as_of": prices_as_of,
    }


def in_one_line(told: Estimate) -> str:
    """Tell an estimate in a line: jobs, money, time."""
    took = f", {_time(told.slowest)}" if told.slowest and told.slowest.bound_by != "nothing" else ""
    return f"about {text.of(told.jobs, 'job')}, {_cost(told)}{took}"


def assumption(source: OutputFrom) -> str:
    """Say where the output tokens come from."""
    if source.expected is not None:
        return f"{source.expected:,} tokens an answer, as --expect-output says"
    if source.run is not None:
        learnt = ", ".join(f"{name} {low:,}-{high:,}" for name, (low, high) in sorted(source.learnt.items()))
        return f"learnt from earlier runs of this file, the last one run {source.run}: {learnt} an answer"
    return f"assumed for an answer: {outputs.ASSUMPTION}"


def _bad(found: Checked) -> list[str]:
    reading = found.reading
    if not reading.bad_total:
        return ["  no bad lines"]
    then = "they will be skipped" if found.skip_bad and reading.may_skip else "run would refuse the file"
    told = (one_line(line, _REASON_LENGTH) for line in shown(reading.bad, reading.bad_total))
    return [
        f"  {text.of(reading.bad_total, 'bad line')}; {then}",
        *(line for one in told for line in _wrapped(plain(one), "    ")),
    ]


def _warnings(reading: Reading) -> list[str]:
    told = warning_lines(reading.warnings, reading.warnings_total)
    more = len(told) - _WARNINGS_SHOWN
    if more > 0:
        told = [*told[:_WARNINGS_SHOWN], f"warning: … and {more:,} more kinds of them"]
    return [line for one in told for line in _wrapped(one, "  ")]


def _models(told: Estimate) -> list[str]:
    rows = [("model", "jobs", "input tokens", "output tokens", "cost, USD")]
    rows += [
        (
            one_line(model.model, _MODEL_LENGTH),
            f"{model.jobs:,}",
            text.short(model.input_tokens),
            _counts(model.output_tokens),
            "unknown" if model.ticks is None else _dollars(model.ticks),
        )
        for model in told.models
    ]
    if len(told.models) > 1:
        cost = "unknown" if told.ticks is None else _dollars(told.ticks)
        rows.append(
            ("total", f"{told.jobs:,}", text.short(told.input_tokens), _counts(told.output_tokens), cost)
        )
    return text.table(rows, right=frozenset({1, 2, 3, 4}))


def _facts(found: Checked) -> list[str]:
    told = found.estimate
    rows = [
        ("cost", f"{_cost(told)}; nothing cached, prices of {prices_as_of}"),
        ("output", assumption(found.output_from)),
    ]
    slowest = told.slowest
    if slowest is not None:
        alone = f" (model {one_line(slowest.model, _MODEL_LENGTH)})" if len(told.models) > 1 else ""
        binds = "no limit is set" if slowest.bound_by == "nothing" else _time(slowest)
        rows.append(("time", f"{binds}{alone}; then the last answers' latency"))
    return [line for name, said in rows for line in _wrapped(f"{name:<8}{said}", "  ", "          ")]


def _time(slowest: ModelEstimate) -> str:
    limit = f"{slowest.tpm:,} tokens" if slowest.bound_by == "tokens" else f"{slowest.rpm:,} requests"
    low, high = text.duration(slowest.time_s.low), text.duration(slowest.time_s.high)
    return f"{high if low == high else f'{low} to {high}'} at {limit} a minute"


def _cost(told: Estimate) -> str:
    if told.ticks is None:
        return "cost unknown (no price for the model)"
    known = f"${_dollars(told.ticks)}"
    return f"{known} and unknown for {text.of(told.unpriced_jobs, 'job')}" if told.unpriced_jobs else known


def _dollars(ticks: Span) -> str:
    """Write an amount from low to high: cents, or four decimals where cents would hide it."""
    places = 2 if ticks.low >= TICKS_PER_USD // 10 else 4
    low, high = (f"{amount / TICKS_PER_USD:,.{places}f}" for amount in (ticks.low, ticks.high))
    return low if low == high else f"{low}-{high}"


def _counts(tokens: Span) -> str:
    low, high = text.short(tokens.low), text.short(tokens.high)
    return low if low == high else f"{low}-{high}"


def _wrapped(line: str, indent: str = "", following: str | None = None) -> list[str]:
    rest = f"{indent}  " if following is None else following
    return textwrap.wrap(line, _WIDTH, initial_indent=indent, subsequent_indent=rest, break_on_hyphens=False)


def _model_object(model: ModelEstimate) -> dict[str, Any]:
    facts = models.facts(model.model)
    retired = facts is not None and facts.retired_on is not None
    return {
        "model": model.model,
        "retired_on": facts.retired_on.isoformat() if facts and facts.retired_on else None,
        "answered_by": facts.redirected_to if facts and retired else facts.name if facts else None,
        "jobs": model.jobs,
        "tokens": {"input": model.input_tokens, "output": asdict(model.output_tokens)},
        "usd": _usd(model.ticks),
        "limits": {"rpm": model.rpm or None, "tpm": model.tpm or None},
        "seconds": asdict(model.time_s),
        "bound_by": model.bound_by,
    }


def _usd(ticks: Span | None) -> dict[str, str] | None:
    return None if ticks is None else {"low": usd(ticks.low), "high": usd(ticks.high)}


def _finding(finding: Finding) -> dict[str, Any]:
    told = asdict(finding)
    del told["severity"]
    return told
